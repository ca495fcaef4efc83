"""The site: pages of chapters, the newest reports, and what stops a build."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from links import faults

from daybook import site
from daybook.project import DaybookError
from daybook.recent import newest_runs, recent_runs
from daybook.runs import Run, open_runs
from daybook.site_pages import chapter_pages, split_directives
from daybook.site_reports import reports

ROOT = Path(__file__).parents[2]


def notebook(*cells: str) -> str:
    """A notebook of code cells; one that begins with # and a space is prose."""
    described = [
        {"cell_type": "markdown" if source.startswith(("# ", "See")) else "code", "metadata": {}, "source": source}
        for source in cells
    ]
    return json.dumps({"cells": described, "metadata": {}, "nbformat": 4, "nbformat_minor": 4})


def sources(page: str) -> list[str]:
    """The sources of a page's cells."""
    return [cell["source"] for cell in json.loads(page)["cells"]]


def test_pages_of_the_library_show_no_directive_and_nothing_hidden() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "nbs").glob("*.ipynb")}
    pages = chapter_pages(texts)
    code = [cell for page in pages.values() for cell in json.loads(page)["cells"] if cell["cell_type"] == "code"]
    assert len(code) > 1000
    assert [cell["source"] for cell in code if cell["source"].startswith("#|")] == []
    hidden = [cell["id"] for text in texts.values() for cell in json.loads(text)["cells"] if hides(cell)]
    assert len(hidden) > 50 and not {*hidden} & {cell["id"] for cell in code}
    assert sum("](#" in source for page in pages.values() for source in sources(page)) > 150


def hides(cell: dict) -> bool:
    """Whether a cell is hidden."""
    return cell["cell_type"] == "code" and "".join(cell["source"]).startswith("#| hide")


def test_names_lead_to_the_chapter_that_defines_them_if_it_is_imported() -> None:
    prose = "# Means\n\n`total`, `mean`, `_all` and `sums.mean`"
    sums = notebook("# Sums", "#| export\ndef total(): ...\ndef mean(): ...\ndef _all(): ...")
    means = notebook(prose, "from rentals.sums import total", "#|export\ndef mean(): ...")
    medians = notebook("# Medians\n\n`total` of something else", "#|export\ndef median(): ...")
    pages = chapter_pages({"nbs/01_sums.ipynb": sums, "nbs/02_means.ipynb": means, "nbs/03_medians.ipynb": medians})
    linked = "# Means\n\n[`total`](#sums.total), [`mean`](#means.mean), `_all` and [`sums.mean`](#sums.mean)"
    assert sources(pages["nbs/02_means.ipynb"])[0] == linked
    assert sources(pages["nbs/03_medians.ipynb"])[0] == "# Medians\n\n`total` of something else"
    assert sources(pages["nbs/01_sums.ipynb"])[1] == "(sums.total)=\n(sums.mean)="


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of a README and a chapter, in which the test runs."""
    root = tmp_path / "rentals"
    (root / "nbs").mkdir(parents=True)
    (root / "champion.json").write_text("{}")
    (root / "pyproject.toml").write_text('[tool.nbdev]\nlib_path = "rentals"\n')
    (root / "README.md").write_text("# Rentals\n\n[Rows](nbs/00_data.ipynb#sources), [licence](LICENSE)\n")
    (root / "LICENSE").write_text("MIT\n")
    (root / "nbs" / "00_data.ipynb").write_text(
        notebook("# Rows\n\n## Sources", "#| hide\nsecret = 1", "velocipedes = 17379")
    )
    monkeypatch.chdir(root)
    return root


def put(root: Path, job: str, day: int, text: str = "a report", **facts: str) -> Run:
    """Put a run into the project, with a report if it has a text."""
    facts = {"status": "done", "verdict": "OK"} | facts
    run = Run(f"202401{day:02}T060000-01234567", job, "", {}, start=f"2024-01-{day:02}T06:00:00+00:00", **facts)
    open_runs(root / "runs").put(f"{run.path}/run.json", run.to_json())
    if text:
        open_runs(root / "runs").put(f"{run.path}/report.html", f"<body><main>{text}</main></body>".encode())
    return run


def test_newest_runs_are_over_and_of_no_sweep(project: Path) -> None:
    wanted = put(project, "train", 3, status="failed", error="no rows")
    put(project, "train", 1)
    put(project, "train", 4, sweep="1")
    put(project, "train", 5, status="running", host="elsewhere")
    drift = put(project, "drift", 2)
    assert [run.path for run in newest_runs(recent_runs(open_runs()))] == [drift.path, wanted.path]


def test_reports_without_a_file_are_left_out(project: Path) -> None:
    put(project, "drift", 1, text="")
    assert reports(open_runs(), "rentals") == ("", {})
    put(project, "train", 1, summary="<b> beats & wins")
    page, files = reports(open_runs(), "rentals")
    assert "drift" not in page and "&lt;b&gt; beats &amp; wins" in page
    assert [*files] == ["runs/index.html", "runs/train/20240101T060000-01234567/report.html"]


def test_docs_builds_a_site_that_is_whole_without_a_network(project: Path) -> None:
    put(project, "train", 1)  # to which the overview has a link, and the site has not
    put(project, "train", 2, text='<img src="data:image/png;base64,AA"> a report')
    assert site.docs.main([], standalone_mode=False) == 0
    assert faults(project / "site") == []
    chapter = (project / "site" / "nbs" / "00_data.html").read_text()
    assert "17379" in chapter and "secret" not in chapter and "#|" not in chapter
    assert "velociped" in (project / "site" / "searchindex.js").read_text()  # the words of code too
    assert {path.name for path in project.glob("site/*.html")} >= {"index.html", "reports.html", "search.html"}
    (project / "site" / "reports.html").write_text('<script src="https://x.org/a.js"></script><a href="no.html">no</a>')
    assert len(faults(project / "site")) == 2


def test_docs_names_broken_links(project: Path, capsys: pytest.CaptureFixture) -> None:
    site.docs.main(["--output", "public"], standalone_mode=False)
    (project / "README.md").write_text("# R\n\n[a](gone.md), [b](nbs/00_data.ipynb#gone), [c](#gone)\n")
    (project / "nbs" / "01_train.ipynb").write_text(notebook("# Train\n\n[the data](data.html), [d](lost.html)"))
    with pytest.raises(DaybookError) as error:
        site.docs.main(["--output", "public", "--strict"], standalone_mode=False)
    first, *wrong = str(error.value).splitlines()
    assert len(wrong) == 4 and {line.split(":")[0] for line in wrong} == {"README.md", "nbs/01_train.ipynb"}
    assert "licence" in (project / "public" / "index.html").read_text(), "the last site"
    assert site.docs.main(["--output", "public"], standalone_mode=False) == 0
    assert capsys.readouterr().err.splitlines() == wrong
    assert "licence" not in (project / "public" / "index.html").read_text()


def test_docs_keeps_a_folder_that_is_no_site(project: Path) -> None:
    with pytest.raises(DaybookError, match="nbs is not empty, and no site"):
        site.docs.main(["--output", "nbs"], standalone_mode=False)


def test_docs_says_what_to_install(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "find_spec", lambda name: None if name == "furo" else 1)
    with pytest.raises(DaybookError, match="the site needs furo: .* `uv sync --extra docs`"):
        site.docs.main([], standalone_mode=False)


@pytest.mark.long
def test_site_of_the_template_is_whole_without_a_network(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "tools" / "guide.py", tmp_path / "site"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert faults(tmp_path / "site") == []
    assert len(list(tmp_path.glob("site/**/*.html"))) > 150


def test_copies_that_jupyter_keeps_are_no_pages(tmp_path: Path) -> None:
    for name in ("README.md", "nbs/00_data.ipynb", "nbs/.ipynb_checkpoints/00_data-checkpoint.ipynb"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert "checkpoint" not in str(site.project_contents(tmp_path))


def test_docs_keeps_a_clone_of_git(tmp_path: Path) -> None:
    (tmp_path / "site" / ".git").mkdir(parents=True)
    (tmp_path / "site" / "objects.inv").write_text("")
    with pytest.raises(DaybookError, match="is a clone of git, whose commits would be lost"):
        site._check(tmp_path / "site")
    assert split_directives("#| :\n1 + 1")[0] == set()


def test_docs_takes_links_as_people_write_them(project: Path) -> None:
    (project / "deploy").mkdir()
    (project / "docs").mkdir(exist_ok=True)
    (project / "docs" / "plain.md").write_text("no heading\n")
    (project / "README.md").write_text(
        "# R\n\n[deploy](deploy/), [the terms][l], [a page](<docs/plain.md>)\n\n[l]: LICENSE\n"
    )
    assert site.docs.main([], standalone_mode=False) == 0
    assert faults(project / "site") == []
    (project / "docs" / "plain.md").write_bytes(b"caf\xe9\n")
    with pytest.raises(DaybookError, match=r"plain.md is not UTF-8: save it as that"):
        site.docs.main([], standalone_mode=False)


def test_docs_shows_pasted_pictures_and_says_that_one_is_none(project: Path) -> None:
    chapter = {"cell_type": "markdown", "metadata": {}, "source": "# Rows\n\n![x](attachment:my%20plot.png)"}
    chapter["attachments"] = {"my plot.png": {"image/png": "aGk="}}
    made = {"output_type": "display_data", "metadata": {}, "data": {"image/png": "no picture"}}
    code = {"cell_type": "code", "metadata": {}, "source": "show()", "outputs": [], "execution_count": 1}
    path = project / "nbs" / "00_data.ipynb"
    path.write_text(json.dumps({"cells": [chapter, code], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))
    (project / "README.md").write_text("# Rentals\n")
    assert site.docs.main(["--strict"], standalone_mode=False) == 0
    page = (project / "site" / "nbs" / "00_data.html").read_text()
    assert 'src="data:image/png;base64,aGk="' in page
    code["outputs"].append(made)
    path.write_text(json.dumps({"cells": [code], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))
    with pytest.raises(DaybookError, match="the site is not built, as Sphinx failed: "):
        site.docs.main([], standalone_mode=False)
