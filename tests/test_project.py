"""A generated project, used from outside as its people use it; and each of its gates, shown to fail when it should."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
import zipfile
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from conftest import Project, last_run, serve, settle, wait_for
from template import ROOT, bake, environment

REAL = ROOT.parent / "shared" / "data" / "bike_sharing_hourly.csv"


def test_exporting_cleaning_and_formatting_change_nothing(project: Project) -> None:
    for module in project.root.glob("bike_demand/**/*.py"):
        module.unlink()
    for words in (
        ["nbdev-clean"],
        ["nbdev-export"],
        ["ruff", "format", "--quiet", "."],
        ["ruff", "check", "--quiet", "."],
    ):
        project.run(*words)
    assert project.status() == ""


def test_the_gate_sees_a_module_out_of_step(project: Project, edited: Callable) -> None:
    edited("nbs/00_data.ipynb", "hour of the day, 0 to 23", "hour of the day")
    project.run("nbdev-export")
    assert "bike_demand/data.py" in project.status()


def test_the_gate_sees_a_renamed_notebook(project: Project, edited: Callable) -> None:
    edited("nbs/00_data.ipynb", "#| default_exp data", "#| default_exp records")
    (project.root / "bike_demand" / "data.py").unlink()
    project.run("nbdev-export")
    assert {" D bike_demand/data.py", "?? bike_demand/records.py"} <= set(project.status().splitlines())


def test_cleaning_keeps_the_tag_that_makes_a_job(project: Project, edited: Callable) -> None:
    edited("pyproject.toml", 'allowed_cell_metadata_keys = ["tags"]', "")
    project.run("nbdev-clean")
    assert "nbs/01_train.ipynb" in project.status(), "without the setting the tag is lost: the setting does something"
    assert "no cell tagged `parameters`" in project.run("job", "run", "train", code=2)


def test_nbdev_test_sees_a_broken_contract(project: Project, edited: Callable) -> None:
    edited("nbs/00_data.ipynb", "hr: int = Field(ge=0, le=23", "hr: int = Field(ge=0, le=22")
    project.run("nbdev-export")
    said = project.run("nbdev-test", "nbs/00_data.ipynb", code=1)
    assert "hr: input should be less than or equal to 22" in said


def test_its_own_tests_see_a_service_that_records_nothing(project: Project, edited: Callable) -> None:
    edited("bike_demand/ops/recorder.py", "self.writer.write(line, day)", "pass")
    assert " failed" in project.run("pytest", "-q", "-x", code=1)


def test_train(project: Project) -> None:
    said = project.run("job", "run", "train", "-p", "max_iter=60")
    folder, run = last_run(project, "train")
    assert {path.name for path in folder.iterdir()} == {"notebook.ipynb", "report.html", "run.json"}
    assert str(folder.relative_to(project.root) / "report.html") in said
    assert run["status"] == "done" and run["parameters"]["max_iter"] == 60 and run["parameters"]["source"] == "sample"
    assert run["git_commit"] == project.git("rev-parse", "HEAD").strip()
    assert run["model"].startswith("bike_demand:") and len(run["data"]) == len(run["notebook_sha256"]) == 64
    assert 0 < run["figures"]["mae"] < run["figures"]["naive_mae"]
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert not re.search(r'<(script|link|img)[^>]+(src|href)="https?:', html), "the report needs the network"
    model = Path(project.settings["BENTOML_HOME"], "models", *run["model"].split(":"))
    assert {"model.skops", "row.json", "reference.parquet"} <= {path.name for path in model.iterdir()}
    facts = (model / "model.yaml").read_text(encoding="utf-8")
    for fact in (run["id"], run["data"], run["git_commit"]):
        assert fact in facts
    assert run["id"] in project.run("job", "list")


def test_the_same_notebook_data_and_seed_give_the_same_model(project: Project) -> None:
    figures = []
    for _ in range(2):
        project.run("job", "run", "train", "-p", "max_iter=20", "-p", "end=2011-07-01")
        _, run = last_run(project, "train")
        figures.append((run["figures"], run["data"], run["notebook_sha256"]))
    assert figures[0] == figures[1]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["trian"], "did you mean train?"),
        (["service"], "no cell tagged `parameters`"),
        (["train", "-p", "max_itr=3"], "did you mean max_iter?"),
        (["train", "-p", "max_iter=many"], "valid integer"),
        (["train", "-p", "max_iter"], "write -p name=value"),
    ],
)
def test_a_wrong_call_is_refused_before_anything_starts(project: Project, words: list[str], hint: str) -> None:
    before = sorted(project.root.glob("runs/*/*"))
    assert hint in project.run("job", "run", *words, code=2)
    assert sorted(project.root.glob("runs/*/*")) == before


def test_from_outside_a_job_is_one_of_the_project_that_it_was_installed_from(project: Project, tmp_path: Path) -> None:
    assert "max_iter" in project.run("job", "params", "train", cwd=tmp_path)


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n", "no column dteday"),
        ("dteday,hr,holiday,workingday,weathersit,temp,atemp,hum,windspeed,cnt\n", "no rows"),
        (
            "dteday,hr,holiday,workingday,weathersit,temp,atemp,hum,windspeed,cnt\n"
            "2011-01-01,0,0,0,1,0.2,0.2,81,0,16\n2011-01-01,0,0,0,1,0.2,0.2,0.8,,16\n",
            r"hum: input should be less than or equal to 1: row 0 \(81.*windspeed: must not be missing: row 1 \(nan\)"
            r".*dteday \+ hr: must be unique: row 1 \(2011-01-01, 0\)",
        ),
    ],
    ids=["empty", "columns", "rows", "values"],
)
def test_a_file_that_breaks_the_contract(project: Project, tmp_path: Path, content: str, hint: str) -> None:
    source = tmp_path / "hours.csv"
    source.write_text(content)
    said = project.run("job", "run", "train", "-p", f"source={source}", code=1)
    assert re.search(f"^train failed after .*ContractError: .*{hint}", said) and len(said.splitlines()) == 2
    folder, run = last_run(project, "train")
    assert run["status"] == "failed" and re.search(hint, run["error"])
    assert {path.name for path in folder.iterdir()} == {"notebook.ipynb", "report.html", "run.json"}


def test_build_and_serve_without_a_model_say_what_to_do(project: Project, tmp_path: Path) -> None:
    for words in (["bentoml", "build"], ["bentoml", "serve"]):
        said = project.run(*words, code=1, BENTOML_HOME=str(tmp_path))
        assert "there is no model bike_demand:latest in the store: train one with `job run train`" in said
        assert "Traceback" not in said


def test_a_bento_serves_the_model_that_it_was_built_with(project: Project, tmp_path: Path) -> None:
    project.run("job", "run", "train", "-p", "max_iter=5", "-p", "end=2011-04-01")
    built_with = last_run(project, "train")[1]["model"]
    bento = project.run("bentoml", "build", "--output", "tag").strip().splitlines()[-1].removeprefix("__tag__:")
    project.run("job", "run", "train", "-p", "max_iter=6", "-p", "end=2011-04-01")
    assert last_run(project, "train")[1]["model"] != built_with
    with serve(project, bento, folder=tmp_path) as service:
        rows = [{"dteday": "2011-04-01", "hr": 8, "holiday": 0, "workingday": 1, "weathersit": 1}]
        rows[0] |= dict.fromkeys(("temp", "atemp", "hum", "windspeed"), 0.5)
        request = urllib.request.Request(
            f"{service.url}/predict", json.dumps({"rows": rows}).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as response:
            assert json.load(response)["model"] == built_with
        [segment] = tmp_path.glob("iolog/raw/dt=*/*.jsonl.open")
        record = json.loads(segment.read_bytes())
        assert (record["model"], record["bento"], record["in"]) == (built_with, bento, {"rows": rows})
    assert [path.suffix for path in tmp_path.glob("iolog/raw/dt=*/*")] == [".jsonl"], "a stopped service closes its log"


def test_the_champion_is_served(project: Project, edited: Callable) -> None:
    project.run("job", "run", "train", "-p", "max_iter=5", "-p", "end=2011-04-01")
    first = last_run(project, "train")[1]["model"]
    project.run("job", "run", "train", "-p", "max_iter=5", "-p", "end=2011-04-01")
    script = "from bike_demand.ops.registry import served; print(served('bike_demand'))"
    assert project.run("python", "-c", script).strip() == last_run(project, "train")[1]["model"]
    edited("champion.json", '"model": null', f'"model": "{first}"')
    assert project.run("python", "-c", script).strip() == first
    project.run("nbdev-test", "nbs/02_service.ipynb")
    edited("champion.json", first, "bike_demand:gone")
    assert "there is no model bike_demand:gone" in project.run("bentoml", "build", code=1)


def tour(project: Project, *words: str) -> tuple[Path, dict]:
    """Live through a year, and hold what any year keeps to; folder and figures of the tour."""
    project.run("job", "run", "tour", *words)
    home, run = last_run(project, "tour")
    figures = run["figures"]
    assert figures["answered"] == figures["recorded"] > 8000
    assert len(list(home.glob("runs/drift/*/report.html"))) == 12
    assert not project.status(), "the tour leaves the project as it was"
    assert (home / "champion.json").read_text() != (project.root / "champion.json").read_text()
    return home, figures


# A year takes minutes: where the real one is here, the sample's is for the long run.
@pytest.mark.parametrize("source", [pytest.param("sample", marks=[pytest.mark.matrix] if REAL.exists() else [])])
def test_the_tour_on_the_sample(project: Project, source: str) -> None:
    _, figures = tour(project, "-p", f"source={source}")
    assert figures["promoted"] >= 3 and figures["loop_mae"] < 0.8 * figures["frozen_mae"]


def test_the_tour_on_the_real_file(project: Project) -> None:
    if not REAL.exists():
        pytest.skip("the real data set is not here")
    hours = sum(line.split(",")[1].startswith("2012") for line in REAL.read_text().splitlines())
    home, figures = tour(project, "-p", f"source={REAL}")
    assert figures["answered"] == hours == 8734
    monthly = [json.loads(path.read_text()) for path in sorted(home.glob("runs/backtest/*/decision.json"))]
    assert monthly[0]["in_service"] > 1.5 * monthly[0]["when_made"], "a model of 2011 does not know January 2012"
    assert 61 < figures["frozen_mae"] < 111
    assert figures["promoted"] >= 3 and figures["loop_mae"] < 0.75 * figures["frozen_mae"]


@pytest.mark.matrix
def test_the_tour_of_a_classification(tmp_path: Path) -> None:
    parcels = settle(bake(tmp_path / "parcels", task="classification"), tmp_path / "settings")
    _, figures = tour(parcels)
    assert figures["answered"] == 366 * 24
    assert figures["promoted"] >= 1 and figures["loop_log_loss"] < 0.98 * figures["frozen_log_loss"]


def test_uci_is_downloaded_and_held_against_the_contract(project: Project, tmp_path: Path) -> None:
    sample = tmp_path / "hour.csv"
    project.run("python", "-c", f"from bike_demand.data import sample; sample().to_csv({str(sample)!r}, index=False)")
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
        direct = project.run("python", "-c", script, str(sample)).strip()
        assert project.run("python", "-c", script, "uci", UCI_URL=f"{url}/bikes.zip").strip() == direct
        assert project.run("python", "-c", script, f"{url}/hour.csv").strip() == direct
        server.shutdown()


def test_saving_in_jupyter_cleans_and_exports(project: Project, edited: Callable) -> None:
    token, notebook = "test-token", "nbs/00_data.ipynb"
    home = Path(project.settings["HOME"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--no-browser", "--ip=127.0.0.1", f"--port={port}", f"--IdentityProvider.token={token}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")
    server = subprocess.Popen(
        [project.commands / "jupyter", "lab", *options],
        cwd=project.root,
        env=project.settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = []
    try:
        for line in server.stdout:
            said.append(line)
            if f":{port}/lab" in line:
                break
        else:
            pytest.fail("".join(said))
        Thread(target=lambda: said.extend(server.stdout), daemon=True).start()

        def contents(path: str, content: dict | None = None) -> dict:
            body = json.dumps({"type": "notebook", "format": "json", "content": content}).encode() if content else None
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/api/contents/{path}",
                body,
                {"Authorization": f"token {token}", "Content-Type": "application/json"},
                method="PUT" if body else "GET",
            )
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.load(response)

        wait_for(f"http://127.0.0.1:{port}/api")
        untouched = contents(notebook)["content"]
        contents(notebook, untouched)
        assert project.status() == "", "opening and saving alone changed something"

        changed = json.loads(json.dumps(untouched))
        changed["metadata"]["language_info"] = {"name": "python", "version": "3.11.7"}
        for number, cell in enumerate(changed["cells"]):
            if cell["cell_type"] == "code":
                cell["execution_count"] = number
                cell["source"] = cell["source"].replace("hour of the day, 0 to 23", "hour of the day")
        contents(notebook, changed)
        text = (project.root / notebook).read_text(encoding="utf-8")
        assert "language_info" not in text and '"execution_count": 3' not in text
        assert 'description="hour of the day")' in (project.root / "bike_demand" / "data.py").read_text(
            encoding="utf-8"
        )
        assert {line[3:] for line in project.status().splitlines()} == {notebook, "bike_demand/data.py"}

        module = (project.root / "bike_demand" / "data.py").read_bytes()
        broken = json.loads(json.dumps(changed))
        broken["cells"][3]["source"] = "#| export\ndef half(:"
        contents(notebook, broken)
        assert (project.root / "bike_demand" / "data.py").read_bytes() == module
        assert "def half(:" in (project.root / notebook).read_text(encoding="utf-8"), "it is saved all the same"
        time.sleep(0.5)
        assert "its module is not exported" in "".join(said)

        run = project.root / "runs" / "by-hand" / "1"
        run.mkdir(parents=True)
        changed["metadata"]["language_info"] = {"name": "python"}
        contents("runs/by-hand/1/notebook.ipynb", changed)
        assert (project.root / "bike_demand" / "data.py").read_bytes() == module, "an executed copy was exported"
        assert "language_info" in (run / "notebook.ipynb").read_text(encoding="utf-8")
        shutil.rmtree(run.parent)
    finally:
        server.terminate()
        server.wait(30)
    assert not (home / ".jupyter").exists() or not list((home / ".jupyter").glob("*config*"))


def test_the_names_of_all_dependencies_are_refused_for_a_project(project: Project) -> None:
    facts = tomllib.loads((project.root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = facts["optional-dependencies"]
    lines = [*facts["dependencies"], *(line for extra in extras.values() for line in extra)]
    wanted = {re.match(r"[\w.-]+", line)[0] for line in lines}
    script = (
        "import importlib.metadata as m;"
        "print(*(f'{name}={found}' for name, all in m.packages_distributions().items() for found in all))"
    )
    imported = [pair.split("=") for pair in project.run("python", "-c", script).split()]
    names = wanted | {name for name, distribution in imported if distribution in wanted}
    hook = (ROOT / "hooks" / "pre_gen_project.py").read_text(encoding="utf-8")
    refused = set(re.search(r'TAKEN = set\(\s*"""(.*?)"""', hook, re.DOTALL)[1].split())
    assert {"sklearn", "scikit-learn", "bentoml"} <= names, "nothing was looked at"
    imported_as = {re.sub(r"[-.]", "_", name) for name in names if not name.startswith("_")}  # as no project may begin
    assert imported_as - refused <= {"bike_demand"}


def test_the_service_answers_with_nothing_but_its_own_dependencies(project: Project, tmp_path: Path) -> None:
    project.run("job", "run", "train", "-p", "max_iter=5", "-p", "end=2011-04-01")
    settings = project.settings | {"UV_PROJECT_ENVIRONMENT": str(tmp_path / "env")}
    sync = [sys.executable, "-m", "uv", "sync", "--quiet", "--no-dev", "--python", sys.executable]
    subprocess.run(sync, cwd=project.root, env=settings, check=True)
    script = """
import asyncio, importlib.util
from bike_demand.service import Row, Service
row = Row(dteday="2011-05-01", hr=8, holiday=0, workingday=1, weathersit=1, temp=0.5, atemp=0.5, hum=0.5, windspeed=0.1)
answer = asyncio.run(Service().predict.local(rows=[row]))
others = ("pandas", "matplotlib", "papermill", "nbdev")
print(answer.predictions, [name for name in others if importlib.util.find_spec(name)])
"""
    lean = Project(project.root, tmp_path / "env" / project.commands.name, project.settings)
    assert re.search(r"^\[\d+\.\d+\] \[\]$", lean.run("python", "-c", script), re.MULTILINE)


def test_plain_venv_and_pip_will_do(tmp_path: Path) -> None:
    root = bake(tmp_path)
    subprocess.run([sys.executable, "-m", "venv", ".venv"], cwd=root, check=True)
    commands = root / ".venv" / ("Scripts" if os.name == "nt" else "bin")
    subprocess.run([commands / "pip", "install", "--quiet", "-e", ".[dev]"], cwd=root, check=True)
    settings = environment(BENTOML_HOME=str(tmp_path / "bentoml"), PATH=f"{commands}{os.pathsep}{os.environ['PATH']}")
    project = Project(root, commands, settings)
    project.run("job", "run", "train", "-p", "max_iter=5", "-p", "end=2011-04-01")
    assert last_run(project, "train")[1]["status"] == "done"
