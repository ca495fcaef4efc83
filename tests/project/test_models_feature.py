"""A feature is added to a project whose model is in production: the loop goes on.

The champion keeps predicting with the code that it was made with, in service and in the backtest, while the candidate
has another feature; both are judged on the same logged rows.
"""

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import Project, Service, last_run, serve

ROWS = [{"dteday": "2012-07-04", "hr": hour, "holiday": True, "workingday": False, "weathersit": 1} for hour in (8, 17)]
ROWS = [row | {"temp": 0.8, "atemp": 0.75, "hum": 0.5, "windspeed": 0.1} for row in ROWS]
LOG = """
import json, sys
from bike_demand.data import contract, load
from daybook import models
from daybook.log import Log
from daybook.world import labels_of

frame = load()
rows = frame[(frame["dteday"] >= "2012-06-01") & (frame["dteday"] < "2012-07-01")].reset_index(drop=True)
champion = models.load(sys.argv[1])
Log(contract).backfill(rows, champion.predict(rows), champion.tag, rows["dteday"].min())
labels_of(contract, rows).to_parquet(sys.argv[2])
print(json.dumps(champion.predict([champion.contract.Row(**row) for row in json.loads(sys.argv[3])]).tolist()))
"""
EXAMPLE = json.dumps("""feels = columns["atemp"] - columns["temp"]
    is_rush = np.isin(columns["hr"], (8, 17, 18)) * columns["workingday"]
    return np.column_stack([encoder.transform(columns), feels, is_rush])""")[1:-1]  # as the chapter shows it
FEATURES = """
import json, sys
from daybook import models
print(json.dumps([models.load(tag).estimator["trees"].n_features_in_ for tag in sys.argv[1:]]))
"""


def predict(service: Service) -> dict:
    """What the service responds to two rows."""
    body, headers = json.dumps({"rows": ROWS}).encode(), {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{service.url}/predict", body, headers)) as response:
        return json.load(response)


def train(project: Project, settings: dict[str, str], **params: object) -> str:
    """Train a model and return its tag."""
    args = [arg for name, value in params.items() for arg in ("-p", f"{name}={value}")]
    project.run("daybook", "run", "train", "-p", "max_iter=20", *args, **settings)
    return last_run(project, "train")[1]["model"]


def build(project: Project, settings: dict[str, str]) -> str:
    """Build a bento and return its tag."""
    output = project.run("bentoml", "build", "--output", "tag", **settings)
    return output.strip().splitlines()[-1].removeprefix("__tag__:")


@pytest.fixture
def settings(project: Project, tmp_path: Path) -> dict[str, str]:
    """A store and a log of its own."""
    names = {"BENTOML_HOME": "bentoml", "IOLOG_DIR": "iolog", "MODEL_STORE": "models"}
    return {name: str(tmp_path / path) for name, path in names.items()}


def test_feature_is_added_to_a_promoted_project(
    project: Project, edited: Callable[[str, str, str], None], settings: dict[str, str], tmp_path: Path
) -> None:
    old = train(project, settings, end="2012-01-01")
    project.run("daybook", "run", "promote", "-p", f"candidate={old}", **settings)
    labels = str(tmp_path / "labels.parquet")
    before = json.loads(project.python(LOG, old, labels, json.dumps(ROWS), **settings))

    edited("nbs/01_train.ipynb", "return encoder.transform(columns)", EXAMPLE)
    output = project.run("daybook", "run", "train", "-p", "max_iter=5", "-p", "end=2011-04-01", code=1, **settings)
    assert "export the notebook first" in output
    project.run("nbdev-export")
    with serve(project, build(project, settings), folder=tmp_path, **settings) as service:
        response = predict(service)
    assert (response["model"], response["predictions"]) == (old, before)

    new = train(project, settings, start="2011-10-01", end="2012-06-01")
    assert json.loads(project.python(FEATURES, old, new, **settings)) == [10, 12]
    days = ["-p", "start=2012-06-01", "-p", "end=2012-07-01", "-p", f"labels={labels}"]
    project.run("daybook", "run", "backtest", "-p", f"candidates={new}", *days, code=3, **settings)
    decision = json.loads((last_run(project, "backtest")[0] / "decision.json").read_text())
    assert decision["verdict"] == "promote"
    assert decision["metrics"][new]["mae"] < decision["metrics"][old]["mae"]

    project.run("daybook", "run", "promote", "-p", f"candidate={new}", **settings)
    champion = json.loads((project.root / "champion.json").read_text())
    assert (champion["model"], champion["previous"]) == (new, old)
    with serve(project, build(project, settings), folder=tmp_path, **settings) as service:
        response = predict(service)
    assert response["model"] == new
    assert response["predictions"] != before
