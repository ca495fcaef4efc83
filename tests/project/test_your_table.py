"""A stranger's table, from the file to a verdict on what was served, with no line edited."""

import csv
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import Project, last_run, serve
from strangers import stranger, write

REQUESTS = """
import json, sys
from daybook.reading import read
from daybook.replay import requests
from bike_demand.data import contract
frame = read(contract, "future.csv").head(2000)
frame[contract.target] = frame[contract.target].astype(object)
print(json.dumps({"rows": requests(contract, frame), "actuals": frame[contract.target].tolist()}, default=str))
"""


@pytest.fixture
def owner(project: Project, tmp_path: Path) -> Iterator[Project]:
    """The default project with a store of its own; in the end all files are what they were."""
    settings = {"BENTOML_HOME": str(tmp_path / "bentoml"), "IOLOG_HASH_KEY": "a key for personal fields"}
    yield Project(project.root, project.commands, project.settings | settings)
    project.git("checkout", "--quiet", ".")
    project.git("clean", "--quiet", "--force", "-d", "-x", "--exclude=.venv", "--exclude=*.egg-info")


def post(url: str, body: dict) -> dict:
    """What a service answers."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def serve_future(owner: Project, tag: str) -> int:
    """Build, serve the bento, ask for what came later, and send what it was; returns how many rows."""
    owner.run("bentoml", "build")
    future = json.loads(owner.python(REQUESTS).splitlines()[-1])
    with serve(owner, "bike-demand:latest", folder=owner.root) as service:
        response = post(f"{service.url}/predict", {"rows": future["rows"]})
        assert response["model"] == tag and len(response["predictions"]) == len(future["rows"])
        ids = (f"{response['request_id']}:{number}" for number in range(len(future["rows"])))
        actuals = [{"prediction_id": id, "actual": y} for id, y in zip(ids, future["actuals"], strict=True)]
        assert post(f"{service.url}/actuals", {"actuals": actuals})["accepted"] == len(actuals)
    return len(actuals)


def judge(owner: Project, job: str) -> None:
    """Run a job that looks at the log; whether it has an alert is its own affair."""
    script = "import sys; from daybook.cli import main; print('exit', main(sys.argv[1:]))"
    printed = owner.python(script, "run", job, "-p", "days=400")
    assert printed.split()[-1] in ("0", "3"), printed


@pytest.mark.parametrize(
    "name",
    [
        "orders",
        *(pytest.param(name, marks=pytest.mark.long) for name in ("bikes", "late", "delay", "weather", "penguins")),
    ],
)
def test_table_lives_with_no_line_edited(owner: Project, name: str) -> None:
    table = stranger(name)
    write(owner, table)
    assert "Nothing is written yet" in owner.run("daybook", "adopt", "past.csv")
    owner.run("daybook", "adopt", "past.csv", *table.args)
    owner.run("daybook", "check", "future.csv")
    printed = owner.run("daybook", "run", "train")
    run = last_run(owner, "train")[1]
    tag, metrics = run["model"], run["metrics"]
    if table.is_model_better is not None:
        first = next(name for name in metrics if f"baseline_{name}" in metrics)  # the one that decides
        assert (metrics[first] < metrics[f"baseline_{first}"]) is table.is_model_better, printed
    owner.run("daybook", "run", "promote", "-p", f"candidate={tag}", "-p", "force=true", "-p", "reason=the first one")
    rows = serve_future(owner, tag)
    judge(owner, "backtest")
    decision = json.loads((last_run(owner, "backtest")[0] / "decision.json").read_bytes())
    assert decision["window"]["rows"] == rows
    judge(owner, "drift")
    for logged in (True, False):  # twice, which counts once
        owner.run("daybook", "run", "score", "-p", "source=future.csv", "-p", "output=predictions.csv")
        assert bool(last_run(owner, "score")[1]["metrics"]["logged"]) is logged
    with Path(owner.root, "predictions.csv").open(newline="") as file:
        predictions = list(csv.DictReader(file))
    with Path(owner.root, "future.csv").open(newline="") as file:
        assert len(predictions) == len(list(csv.DictReader(file)))
    if name == "orders":
        owner.run("pytest", "-q")
        Path(owner.root, "past.csv").unlink()  # as in a pipeline, whose clone has no table
        owner.run("daybook", "run", "train", "-p", "source=sample")
