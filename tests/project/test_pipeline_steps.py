"""The pipelines of a fresh project, run step by step."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from helpers import object_store
from pipelines import TOOLS, run_steps
from template import ROOT, bake, environment, install
from test_answers import HOSTILE


def check_a_push(project: Path, home: Path, **variables: str) -> None:
    """Run what is run on each push, and look at what it prints."""
    code, output = run_steps(project, "check", "check", home, **variables)
    assert code == 0, output
    assert len(re.findall(r"^=+ .*\d+ passed", output, re.MULTILINE)) == 3, output
    assert "train done in" in output and "Success." in output
    models = list((home / "bentoml" / "models").glob("*/*/"))
    assert len(models) == 1, "a test has saved a model into the user's store"


LONG = {"project": "a-project.with_a-name-of-forty-letters", "license": "Proprietary", "task": "classification"}


@pytest.mark.long
@pytest.mark.parametrize(
    "answers",
    [pytest.param({"ci": "github"}, id="github"), pytest.param({"ci": "gitlab"} | LONG | HOSTILE, id="gitlab")],
)
def test_push_passes(answers: dict[str, str], tmp_path: Path) -> None:
    check_a_push(bake(tmp_path, **answers), tmp_path / "home")


@pytest.mark.long
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize("task", ["regression", "classification"])
def test_push_passes_on_each_python(task: str, version: str, tmp_path: Path) -> None:
    find = [TOOLS / "uv", "python", "find", "--no-project", "--no-python-downloads", version]
    found = subprocess.run(find, capture_output=True, text=True)
    if found.returncode:
        assert "CI" not in os.environ, found.stderr
        pytest.skip(f"Python {version} is not here")
    project = bake(tmp_path, task=task, python=version)
    check_a_push(project, tmp_path / "home", UV_PYTHON=found.stdout.strip())


@pytest.mark.long
def test_push_passes_with_the_lowest_dependencies(tmp_path: Path) -> None:
    check_a_push(bake(tmp_path), tmp_path / "home", UV_RESOLUTION="lowest-direct")


NIGHTLY = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yaml").read_text(encoding="utf-8"))["jobs"]["nightly"]


def test_nightly_run_checks_the_library_and_a_fresh_project() -> None:
    [command] = [step["run"] for step in NIGHTLY["steps"] if "run" in step]
    shown = subprocess.run([*command.split(), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "pytest -p no:cacheprovider" in shown and "nbdev-test" in shown
    assert '-m pytest tests/project/test_pipeline_steps.py -m long -k "test_push_passes and github"' in shown
    assert NIGHTLY["env"] == {"UV_PRERELEASE": "${{ matrix.prerelease }}"}


@pytest.mark.long
@pytest.mark.parametrize("prerelease", NIGHTLY["strategy"]["matrix"]["prerelease"])
def test_push_passes_at_night(prerelease: str, tmp_path: Path) -> None:
    """On the newest releases that the bounds allow, and with those that are not out yet."""
    check_a_push(bake(tmp_path), tmp_path / "home", UV_PRERELEASE=prerelease)


def test_push_that_breaks_something_is_stopped(tmp_path: Path) -> None:
    project = bake(tmp_path)
    data = project / "bike_demand" / "data.py"
    data.write_text(data.read_text(encoding="utf-8") + "\n# edited by hand\n", encoding="utf-8")
    code, output = run_steps(project, "check", "check", tmp_path / "home")
    assert code == 1 and "bike_demand/data.py: run nbdev-clean and nbdev-export" in output
    assert "ruff check" not in output


PRODUCTION = """
import sys
from datetime import timedelta
import s3fs
from bike_demand.data import contract, load
from bike_demand.model import fit, predict
from daybook import champion, models
from daybook.log import Log

s3fs.S3FileSystem().mkdir("production")
frame = load()
past = frame[frame["dteday"] < "2012-01-01"]
served = frame[(frame["dteday"] >= "2012-01-01") & (frame["dteday"] < "2012-03-01")]
estimator = fit(past)
predictions = predict(estimator, contract.arrays(past))
tag = models.save(contract, estimator, predict, past, predictions, metrics={"mae": 60.0})
champion.promote(tag, "the first one", {"mae": 60.0})
Log(contract).backfill(served, predict(estimator, contract.arrays(served)), tag, "2012-01-01")
known = (served["dteday"] + timedelta(days=3)).dt.tz_localize("UTC")
actuals = served[["dteday", "hr", "cnt"]].assign(received=known)
actuals.to_parquet(sys.argv[1])
actuals.assign(cnt=actuals["cnt"] * 10).to_parquet(sys.argv[2])
"""


@pytest.mark.long
@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_week_alerts_when_predictions_are_bad(ci: str, tmp_path: Path) -> None:
    project, home = bake(tmp_path, ci=ci), tmp_path / "home"
    with object_store(tmp_path) as credentials:
        stores = {"IOLOG_STORE": "s3://production/iolog", "MODEL_STORE": "s3://production/models"}
        settings = credentials | stores
        commands = install(project, "--extra", "s3")
        elsewhere = environment(**settings, BENTOML_HOME=str(tmp_path / "elsewhere"))
        tables = [str(tmp_path / name) for name in ("actuals.parquet", "wrong.parquet")]
        subprocess.run([commands / "python", "-c", PRODUCTION, *tables], cwd=project, env=elsewhere, check=True)
        for table, expected in zip(tables, (0, 3), strict=True):
            code, output = run_steps(project, "weekly", "loop", home, **settings, LABELS=table)
            assert code == expected, output
            page = (project / "runs" / "index.html").read_text(encoding="utf-8")  # among the artifacts
            assert ("Something has to be done: backtest needs attention." in page) == bool(expected)
