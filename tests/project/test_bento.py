"""Bentos of a generated project: which model they serve, and with what."""

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

from helpers import Project, last_run, serve, train


def test_build_and_serve_need_a_model(project: Project, tmp_path: Path) -> None:
    for args in (["bentoml", "build"], ["bentoml", "serve"]):
        output = project.run(*args, code=1, BENTOML_HOME=str(tmp_path))
        assert "there is no model bike_demand:latest in the store: train one with `daybook run train`" in output
        assert "Traceback" not in output


def test_bento_serves_the_model_that_it_was_built_with(project: Project, tmp_path: Path) -> None:
    built_with = train(project)
    bento = project.run("bentoml", "build", "--output", "tag").strip().splitlines()[-1].removeprefix("__tag__:")
    project.run("daybook", "run", "train", "-p", "max_iter=6", "-p", "end=2011-04-01")
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


def test_champion_is_served(project: Project, edited: Callable) -> None:
    first, second = train(project), train(project)
    script = "from daybook.champion import served; print(served('bike_demand'))"
    assert project.python(script).strip() == second
    edited("champion.json", '"model": null', f'"model": "{first}"')
    assert project.python(script).strip() == first
    project.run("nbdev-test", "nbs/02_service.ipynb")
    edited("champion.json", first, "bike_demand:gone")
    assert "there is no model bike_demand:gone" in project.run("bentoml", "build", code=1)


def test_service_answers_with_nothing_but_its_own_dependencies(project: Project, tmp_path: Path) -> None:
    train(project)
    settings = project.settings | {"UV_PROJECT_ENVIRONMENT": str(tmp_path / "env")}
    sync = [sys.executable, "-m", "uv", "sync", "--quiet", "--no-dev", "--python", sys.executable]
    subprocess.run(sync, cwd=project.root, env=settings, check=True)
    script = """
import asyncio, importlib.util
from bike_demand.data import Row
from bike_demand.service import Service
row = Row(dteday="2011-05-01", hr=8, holiday=0, workingday=1, weathersit=1, temp=0.5, atemp=0.5, hum=0.5, windspeed=0.1)
response = asyncio.run(Service().predict.local(rows=[row]))
others = ("duckdb", "fastcore", "matplotlib", "nbdev", "pandas", "papermill", "pyarrow")
print(response.predictions, [name for name in others if importlib.util.find_spec(name)])
"""
    lean = Project(project.root, tmp_path / "env" / project.commands.name, project.settings)
    assert re.search(r"^\[\d+\.\d+\] \[\]$", lean.python(script), re.MULTILINE)
