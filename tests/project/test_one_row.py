"""A row is the same in training, service and replay: with gaps in a category, and with a field's name in capitals."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import Project, Service, last_run, serve, settle
from template import bake

COMPARE = """
import json, sys
from late_parcels.data import contract, load
from daybook import models
from daybook.log import Log

tag, compacts = sys.argv[1], sys.argv[2] == "compact"
frame = load().tail(200).sort_values("parcel")
log = Log(contract)
if compacts:
    log.compact()
logged = log.predictions().order("parcel")
batch = logged.arrow() if hasattr(logged.arrow(), "num_rows") else logged.arrow().read_all()
print(json.dumps({
    "gaps": frame["carrier"].isna().sum().item(),
    "frame": models.load(tag).predict(frame).tolist(),
    "replay": models.load(tag).predict(batch).tolist(),
    "service": [value for [value] in logged.project("prediction").fetchall()],
    "rates": [value for [value] in logged.project('"Rate_"').fetchall()] == frame["Rate"].tolist(),
}))
"""
ROWS = """
from late_parcels.data import contract, load

rows = load().tail(200).drop(columns=contract.target).to_json(orient="records", date_format="iso", date_unit="s")
print(rows.replace("T00:00:00", ""))
"""
LABELS = """
from late_parcels.data import contract, load

load().tail(200)[[*contract.key, contract.target]].to_csv("labels.csv", index=False)
"""


@pytest.fixture(scope="module")
def parcels(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A classification with gaps in a category, in which a field has the name of a column of the log, in capitals."""
    root = bake(tmp_path_factory.mktemp("parcels"), task="classification")
    for path in [*(root / "nbs").glob("0[01]_*.ipynb"), *(root / "late_parcels").glob("*.py")]:
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("workload", "Rate"), encoding="utf-8")
    project = settle(root, tmp_path_factory.mktemp("settings"))
    project.run("daybook", "run", "train", "-p", "max_iter=10", "-p", "end=2024-12-01")
    return project


@pytest.fixture(scope="module")
def answered(parcels: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, str]]:
    """A service that has predicted the last rows of the sample; its log's folder has an equals sign in it."""
    folder = tmp_path_factory.mktemp("log") / "Rate=7"
    rows = parcels.python(ROWS).strip()
    with serve(parcels, folder=parcels.root, IOLOG_DIR=str(folder)) as service:
        body = json.dumps({"rows": json.loads(rows)}).encode()
        headers = {"Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(f"{service.url}/predict", body, headers)) as response:
            model = json.loads(response.read())["model"]
        yield service, model


@pytest.mark.parametrize("form", ["raw", "compact"])
def test_row_is_predicted_the_same_everywhere(parcels: Project, answered: tuple[Service, str], form: str) -> None:
    service, tag = answered
    if form == "compact":
        service.process.terminate()  # it closes its segment
        service.process.wait(30)
    found = json.loads(parcels.python(COMPARE, tag, form, IOLOG_DIR=str(service.log)))
    assert found["gaps"] > 0
    assert found["service"] == found["replay"] == found["frame"]
    assert found["rates"]


def test_backtest_repeats_what_was_predicted(parcels: Project, answered: tuple[Service, str], tmp_path: Path) -> None:
    parcels.python(LABELS)
    args = ["-p", "labels=labels.csv", "-p", "min_rows=1000", "-p", f"folder={answered[0].log}"]
    parcels.run("daybook", "run", "backtest", *args)
    folder, run = last_run(parcels, "backtest")
    assert run["metrics"]["rows"] == 200
    assert json.loads((folder / "decision.json").read_bytes())["metric"] == "log_loss"
