"""The page of a run, and what a run is executed with."""

import os
from dataclasses import replace
from pathlib import Path
from unittest.mock import ANY

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from daybook.execution import _thread_variables, finish, secrets_of
from daybook.notebooks import Task
from daybook.run_report import report, report_cells
from daybook.runs import Run

RUN = Run("0" * 24, "probe", "nbs/01_probe.ipynb", {"text": "<b>"}, "running", "2024-01-01T00:00:00.123", 1.5)


def write(path: Path, parameters: str = "") -> bytes:
    """An executed notebook."""
    output = new_output("execute_result", {"text/plain": "all of them"})
    cells = [new_code_cell(parameters, metadata={"tags": ["parameters"]}), new_markdown_cell("# Rentals")]
    nbformat.write(new_notebook(cells=[*cells, new_code_cell("count", outputs=[output])]), path)
    return path.read_bytes()


def test_report_is_one_page_with_a_head(tmp_path: Path) -> None:
    write(tmp_path / "notebook.ipynb")
    page = report(RUN, tmp_path / "notebook.ipynb")
    assert f"<title>probe {RUN.id}</title>" in page and "2024-01-01 00:00 UTC" in page
    assert page.index("Rentals") < page.index("&lt;b&gt;") < page.index("all of them")
    assert 'src="http' not in page and "<link" not in page and "<td><b>" not in page
    assert page.count("<main>") == page.count("<header>") == page.count("<h1>") == 1 and '<html lang="en">' in page
    assert len(page) < 20_000, "no style but its own"


def shown(*cells: nbformat.NotebookNode) -> list[str]:
    """What a reader sees of these cells before the button is clicked: headings, and `code` for outputs."""
    _, parts = report_cells(cells)
    seen = [cell for cell in parts if "method" not in cell.metadata.get("tags", ())]
    return ["code" if cell.cell_type == "code" else cell.source for cell in seen]


def printing(text: str = "…", **data: object) -> nbformat.NotebookNode:
    """A cell with an output."""
    return new_code_cell("print()", outputs=[new_output("display_data", {"text/plain": text} | data)])


def test_report_shows_headings_and_outputs() -> None:
    texts = new_markdown_cell("## Means\n\nA text.\n\n```sh\n# a comment\n```\n\n### By day\n\nMore.")
    assert shown(texts, new_code_cell("import math"), printing()) == ["## Means", "### By day", "code"]
    assert shown(texts, new_code_cell("import math")) == [], "a heading without outputs belongs to the method"
    assert shown(texts, new_markdown_cell("## Sums"), printing()) == ["## Sums", "code"]


def test_report_leaves_out_what_is_for_readers_of_the_chapter() -> None:
    world = new_code_cell("world()", metadata={"tags": ["chapter"]}, outputs=printing().outputs)
    text = new_markdown_cell("# Read as a chapter", metadata={"tags": ["chapter"]})
    assert report_cells([text, world, printing()]) == ("", [printing() | {"id": ANY, "metadata": {"tags": []}}])


def test_report_has_the_card_at_its_head_only() -> None:
    card = printing(**{"application/vnd.daybook.record+json": {"metrics": []}})
    assert shown(new_markdown_cell("## The verdict"), card, printing()) == ["code"]
    both = new_code_cell("record()", outputs=[*printing().outputs, *card.outputs])
    [cell] = report_cells([both])[1]
    assert len(cell.outputs) == 1 and len(both.outputs) == 2


def test_report_of_a_failed_run_begins_with_the_cell() -> None:
    error = new_output("error", ename="ValueError", evalue="late", traceback=["…"])
    failed = new_code_cell("1 / 0", outputs=[error])
    cells = report_cells([new_markdown_cell("## Means"), printing(), failed])[1]
    assert cells[0].source == "1 / 0" and cells[0].metadata["tags"] == ["failed"] and len(cells) == 3


def test_report_says_verdict_metrics_and_command(tmp_path: Path) -> None:
    write(tmp_path / "notebook.ipynb")
    facts = {"verdict": "PROMOTE", "summary": "b <saves> 12 %", "alert": "late & wrong", "command": "daybook run x"}
    run = replace(RUN, status="done", metrics={"mae": 20.3194, "n": 17379, "c": 3, "d": 4, "e": 5.5}, **facts)
    page = report(run, tmp_path / "notebook.ipynb")
    order = (">ALERT<", ">PROMOTE<", "b &lt;saves&gt; 12 %", "late &amp; wrong", "<dd>20.32</dd>", "daybook run x")
    assert sorted(order, key=page.index) == list(order)
    assert page.count("<dd>") == 4 and "<td>e</td><td>5.5</td>" in page
    page = report(replace(run, status="failed", error="ValueError: <late>\nmore"), tmp_path / "notebook.ipynb")
    assert ">FAILED<" in page and "<h1>" in page and "ValueError: &lt;late&gt;</h1>" in page and "saves" not in page


def test_report_gives_pictures_without_a_text_one(tmp_path: Path) -> None:
    png = printing(**{"image/png": "iVBORw0KGgo="})
    nbformat.write(new_notebook(cells=[png]), tmp_path / "notebook.ipynb")
    assert "<img alt=" in report(RUN, tmp_path / "notebook.ipynb")


def test_finish_writes_run_json_last(tmp_path: Path) -> None:
    write(tmp_path / "notebook.ipynb")
    finish(RUN, tmp_path, 2.0004)
    run = Run.from_json((tmp_path / "run.json").read_bytes())
    assert (run.status, run.seconds, run.error) == ("done", 2.0, None)
    assert (tmp_path / "run.json").stat().st_mtime_ns >= (tmp_path / "report.html").stat().st_mtime_ns
    (tmp_path / "report.html").unlink()
    finish(RUN, tmp_path, 2.0, "ValueError: late", makes_report=False)
    assert Run.from_json((tmp_path / "run.json").read_bytes()).status == "failed"
    assert not (tmp_path / "report.html").exists()


def test_secrets_of_finds_defaults_and_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "from the environment")
    parameters = "a: SecretStr = SecretStr(os.environ['TOKEN'])\nb: SecretStr = SecretStr('unused default')\nn: int = 1"
    notebook = write(tmp_path / "notebook.ipynb", parameters)
    task = Task(RUN, notebook, {}, {"b": "line one\nline \t two\nabc"})
    secrets = secrets_of(task)
    assert set(secrets) == {
        "from the environment",
        "line one\nline \t two\nabc",
        "line one\\nline \\t two\\nabc",
        "line one",
        "line \t two",
    }
    assert [len(secret) for secret in secrets] == sorted(map(len, secrets), reverse=True)


def test_thread_variables_leave_what_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.endswith("_NUM_THREADS"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    variables = _thread_variables(2)
    assert variables["OMP_NUM_THREADS"] == "7" and variables["MKL_NUM_THREADS"] == "2" and len(variables) == 10


def test_report_has_the_pictures_of_the_project_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, run = tmp_path / "project", tmp_path / "run"
    for path in (project / "champion.json", project / "nbs" / "my plot.svg", project / "saved.svg", tmp_path / "x.svg"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}")
    monkeypatch.chdir(project)
    run.mkdir()
    gone = ["missing.svg", "https://example.com/a.svg", "../../x.svg", "../champion.json"]
    text = "".join(f"![x]({name})\n" for name in ["my%20plot.svg", *gone])
    pasted = "![x](attachment:a%20b.png) ![x](attachment:gone.png)\n\n<img alt='x' src='attachment:a b.png'>"
    shown = new_output("display_data", {"text/html": "<img alt='x' src='saved.svg'>"})
    cells = [new_markdown_cell(text), new_code_cell("show()", outputs=[shown])]
    cells.insert(0, new_markdown_cell(pasted, attachments={"a b.png": {"image/png": "cGFzdGVk"}}))
    nbformat.write(new_notebook(cells=cells), run / "notebook.ipynb")
    page = report(RUN, run / "notebook.ipynb")
    assert page.count("data:image/svg+xml;base64,e30=") == 2 and page.count("data:image/png;base64,cGFzdGVk") == 2
    assert all(f'src="{name}"' in page for name in gone) and "cannot be shown" not in page
