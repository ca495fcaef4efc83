"""A generated project, used from outside as its people use it; and each of its gates, shown to fail when it should."""

import re
import zipfile
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import nbformat
import pytest
from helpers import Project, last_run

HEAD = "dteday,hr,holiday,workingday,weathersit,temp,atemp,hum,windspeed,cnt\n"


def test_export_cleaning_and_formatting_change_nothing(project: Project) -> None:
    for module in project.root.glob("bike_demand/**/*.py"):
        module.unlink()
    for args in (
        ["nbdev-clean"],
        ["nbdev-export"],
        ["ruff", "format", "--quiet", "."],
        ["ruff", "check", "--quiet", "."],
    ):
        project.run(*args)
    assert project.status() == ""


def shape(notebook: Path) -> list[tuple]:
    """What the outputs of a notebook are: their kinds, the metrics that are recorded, and the heads of tables."""
    outputs = [each for cell in nbformat.read(notebook, as_version=4).cells for each in cell.get("outputs", [])]
    found = []
    for output in outputs:
        data = output.get("data", {})
        metrics = [name for name, _ in data.get("application/vnd.daybook.record+json", {}).get("metrics", [])]
        heads = re.findall("<th[^>]*>(.*?)</th>", data.get("text/html", "").partition("</thead>")[0])
        found.append((output.output_type, sorted(data), metrics, heads))
    return found


@pytest.mark.parametrize("name", ["03_drift", "04_backtest", "07_compact"])
def test_stored_outputs_are_those_of_today(project: Project, name: str) -> None:
    notebook = project.root / "nbs" / f"{name}.ipynb"
    before = shape(notebook)
    try:
        project.run("nbdev-test", f"nbs/{name}.ipynb", "--save")
        project.run("nbdev-clean")
        assert shape(notebook) == before and len(before) > 2
    finally:
        project.git("checkout", "--quiet", ".")


def test_export_shows_a_module_out_of_step(project: Project, edited: Callable) -> None:
    edited("nbs/00_data.ipynb", "hour of the day, 0 to 23", "hour of the day")
    project.run("nbdev-export")
    assert "bike_demand/data.py" in project.status()


def test_export_shows_a_renamed_notebook(project: Project, edited: Callable) -> None:
    edited("nbs/00_data.ipynb", "#| default_exp data", "#| default_exp records")
    (project.root / "bike_demand" / "data.py").unlink()
    project.run("nbdev-export")
    assert {" D bike_demand/data.py", "?? bike_demand/records.py"} <= set(project.status().splitlines())


def test_cleaning_keeps_the_tag_that_makes_a_job(project: Project, edited: Callable) -> None:
    edited("pyproject.toml", 'allowed_cell_metadata_keys = ["tags"]', "")
    project.run("nbdev-clean")
    assert "nbs/01_train.ipynb" in project.status(), "without the setting the tag is lost: the setting does something"
    assert "no cell tagged `parameters`" in project.run("daybook", "run", "train", code=2)


def test_nbdev_test_fails_for_a_broken_contract(project: Project, edited: Callable) -> None:
    edited("nbs/00_data.ipynb", "hr: int = Field(ge=0, le=23", "hr: int = Field(ge=0, le=22")
    project.run("nbdev-export")
    output = project.run("nbdev-test", "nbs/00_data.ipynb", code=1)
    assert "hr: input should be less than or equal to 22" in output


def test_pytest_fails_for_a_service_that_logs_nothing(project: Project, edited: Callable) -> None:
    edited("bike_demand/service.py", "serving.install(Service, served)", "")
    assert " failed" in project.run("pytest", "-q", "-x", code=1)


def test_train_leaves_a_run_and_a_model(project: Project) -> None:
    output = project.run("daybook", "run", "train", "-p", "max_iter=60")
    folder, run = last_run(project, "train")
    assert {path.name for path in folder.iterdir()} == {"notebook.ipynb", "report.html", "run.json"}
    assert str(folder.relative_to(project.root) / "report.html") in output
    assert run["status"] == "done" and run["parameters"]["max_iter"] == 60 and run["parameters"]["source"] is None
    assert run["git_commit"] == project.git("rev-parse", "HEAD").strip()
    assert run["model"].startswith("bike_demand:") and len(run["data"]) == len(run["notebook_sha256"]) == 64
    assert 0 < run["metrics"]["mae"] < run["metrics"]["baseline_mae"]
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert not re.search(r'<(script|link|img)[^>]+(src|href)="https?:', html), "the report needs the network"
    model = Path(project.settings["BENTOML_HOME"], "models", *run["model"].split(":"))
    assert {"model.skops", "row.json", "reference.parquet"} <= {path.name for path in model.iterdir()}
    facts = (model / "model.yaml").read_text(encoding="utf-8")
    for fact in (run["id"], run["data"], run["git_commit"]):
        assert fact in facts
    assert run["id"] in project.run("daybook", "list")
    page = (project.root / "runs" / "index.html").read_text(encoding="utf-8")
    assert f'href="train/{run["id"]}/report.html"' in page and str(project.root) not in page


def test_train_gives_the_same_model_for_the_same_notebook_data_and_seed(project: Project) -> None:
    outcomes = []
    for _ in range(2):
        project.run("daybook", "run", "train", "-p", "max_iter=20", "-p", "end=2011-07-01")
        _, run = last_run(project, "train")
        outcomes.append((run["metrics"], run["data"], run["notebook_sha256"]))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (["trian"], "did you mean train?"),
        (["service"], "no cell tagged `parameters`"),
        (["train", "-p", "max_itr=3"], "did you mean max_iter?"),
        (["train", "-p", "max_iter=many"], "valid integer"),
        (["train", "-p", "max_iter"], "write -p name=value"),
    ],
)
def test_run_refuses_a_wrong_call_before_anything_starts(project: Project, args: list[str], hint: str) -> None:
    before = sorted(project.root.glob("runs/*/*"))
    assert hint in project.run("daybook", "run", *args, code=2)
    assert sorted(project.root.glob("runs/*/*")) == before


def test_daybook_finds_its_project_from_outside(project: Project, tmp_path: Path) -> None:
    assert "max_iter" in project.run("daybook", "params", "train", cwd=tmp_path)


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("", "is empty"),
        (
            f"{HEAD}2011-01-01,0,0,0,1,0.2,0.2,81,0,16\n2011-01-01,1,0,0,1,,0.2,0.8,0,16\n",
            r"temp: must not be missing: row 1 \(None\); hum: input should be less than or equal to 1: row 0 \(81",
        ),
    ],
    ids=["empty", "values"],
)
def test_train_refuses_a_file_against_the_contract(project: Project, tmp_path: Path, content: str, hint: str) -> None:
    source = tmp_path / "hours.csv"
    source.write_text(content)
    output = project.run("daybook", "run", "train", "-p", f"source={source}", code=1)
    assert (
        re.search(f"^train failed after .*(Contract|Daybook)Error: .*{hint}", output) and len(output.splitlines()) == 2
    )
    folder, run = last_run(project, "train")
    assert run["status"] == "failed" and re.search(hint, run["error"])
    assert {path.name for path in folder.iterdir()} == {"notebook.ipynb", "report.html", "run.json"}


def test_uci_is_downloaded_and_validated(project: Project, tmp_path: Path) -> None:
    sample = tmp_path / "hour.csv"
    project.python(f"from bike_demand.data import sample; sample().to_csv({str(sample)!r}, index=False)")
    with zipfile.ZipFile(tmp_path / "bikes.zip", "w") as archive:
        archive.write(sample, "hour.csv")
        archive.writestr("Readme.txt", "an archive like UCI's")

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(tmp_path))

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        script = (
            "import sys; from bike_demand.data import load; print(len(load(sys.argv[1])), load(sys.argv[1]).cnt.sum())"
        )
        direct = project.python(script, str(sample)).strip()
        assert project.python(script, "uci", UCI_URL=f"{url}/bikes.zip").strip() == direct
        assert project.python(script, f"{url}/hour.csv").strip() == direct
        server.shutdown()
