"""Actuals that the service took reach the backtest, and a promotion: without labels, before and after compaction."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import Service, serve
from loops import World
from traffic import call

pytest_plugins = "loops"
ROWS = """
import json
from bike_demand.data import contract, load

frame = load()
rows = frame[(frame["dteday"] >= "2012-06-01") & (frame["dteday"] < "2012-07-01")]
actuals = rows[contract.target].tolist()
rows = rows[list(contract.fields)].assign(dteday=rows["dteday"].dt.strftime("%Y-%m-%d"))
print(json.dumps([json.loads(rows.to_json(orient="records")), actuals]))
"""


def send(service: Service, rows: list[dict], actuals: list[int]) -> None:
    """Send rows and what came of them but for the last; the first is wrong at first, and one belongs to nothing."""
    status, response = call(service.url, {"rows": rows})
    assert (status, len(response["predictions"])) == (200, len(rows))
    ids = [f"{response['request_id']}:{number}" for number in range(len(rows))]
    sent = [{"prediction_id": name, "actual": actual} for name, actual in zip(ids, actuals, strict=True)]
    for batch in ([sent[0] | {"actual": 1_000_000}], [*sent[:-1], {"prediction_id": "nobody:0", "actual": 1}]):
        assert call(service.url, {"actuals": batch}, "/actuals")[0] == 200


@pytest.fixture(scope="module")
def log(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of a service that the champion was in, for a month."""
    folder = tmp_path_factory.mktemp("iolog")
    settings = world.settings | {"IOLOG_DIR": str(folder)}
    with serve(world.project, folder=world.project.root, **settings) as service:
        send(service, *json.loads(world.python(ROWS)))
    return folder


def test_actuals_of_the_service_reach_the_backtest(
    world: World, champion: Callable[[], dict[str, Any]], log: Path
) -> None:
    good, old = world.models["good"], world.models["old"]
    world.run("backtest", code=3, folder=log, candidates=good)
    decision = world.read("backtest", "decision.json")
    facts, n = decision["actuals"], len(json.loads(world.python(ROWS))[0])
    assert (facts["predictions"], facts["with_actual"], facts["corrections"]) == (n, n - 1, 1)
    assert (facts["for_no_prediction"], facts["arrived_too_early"]) == (1, 0)
    assert (decision["champion"], decision["verdict"]) == (old, "promote")
    assert decision["in_service"] == decision["metrics"][old]["mae"] < 1000, "the latest correction counts"
    assert decision["inputs"]["labels"] is None and decision["inputs"]["folder"] == str(log)

    world.run("compact", folder=log)
    assert not list(log.glob("raw/*/*.jsonl")), "the rows are in tables now"
    world.run("promote", candidate=good, decision=world.folder("backtest") / "decision.json")
    assert (champion()["model"], champion()["decision"]) == (good, decision["run"])
