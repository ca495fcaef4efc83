"""The example world: a champion, what it predicted, labels that come late, and a candidate."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel, Field

from daybook import example, models
from daybook.backtest_report import judge
from daybook.champion import read_champion, served
from daybook.contract import Contract
from daybook.drift_report import look
from daybook.log import Log
from daybook.metrics import Metrics
from daybook.world import World, between, labels_of, middle_of, with_times
from daybook.world import world as build_world

pytest_plugins = ("worlds", "flowers")


def test_world_has_a_champion_and_its_log(world: World) -> None:
    assert served("demand") == read_champion().model == world.champion
    rows = Log(example.contract).predictions(model=world.champion)
    days = rows.aggregate("min(day), max(day), count(*)").fetchall()
    assert days == [(world.start, world.end - timedelta(days=1), 90 * 24)]
    batch = rows.order("day, hour").limit(100).to_arrow_reader(100).read_all()
    np.testing.assert_allclose(models.load(world.champion).predict(batch), batch["prediction"].to_numpy())


def test_world_has_labels_that_arrive_late(world: World) -> None:
    labels = pd.read_parquet(world.labels)
    assert list(labels) == ["day", "hour", "rentals", "received"] and len(labels) == 90 * 24
    assert (labels["received"] < world.as_of).sum() == 87 * 24
    assert labels_of(example.contract, example.sample(2), 5)["received"].iloc[0] == pd.Timestamp("2024-01-06", tz="UTC")


def test_world_has_a_candidate_that_did_not_see_the_end(world: World) -> None:
    [candidate] = world.candidates
    last = {tag: models.metadata(tag)["last_day"] for tag in (world.champion, candidate)}
    assert last[world.champion] == str(world.start - timedelta(days=1))
    assert str(world.start) < last[candidate] == str(world.end - timedelta(days=36))


def test_labels_use_the_names_of_the_source() -> None:
    class Row(BaseModel):
        at: datetime = Field(alias="Time of day")

    class LabelledRow(Row):
        late: bool = Field(alias="Late?")

    contract = Contract(LabelledRow, target="late", key=("at",), time="at", name="parcels")
    rows = contract.validate(pd.DataFrame({"Time of day": ["2024-01-01T10:00:00Z"], "Late?": [True]}))
    assert list(labels_of(contract, rows)) == ["Time of day", "Late?", "received"]


def test_days_are_counted_from_the_middle() -> None:
    frame = example.sample(10)
    middle = middle_of(frame["day"])
    assert middle == pd.Timestamp("2024-01-05")
    assert between(frame, frame["day"], middle, -1, 1)["day"].dt.day.unique().tolist() == [4, 5]


KEYLESS = """
from daybook.contract import Contract
from daybook.example import LabelledRow

contract = Contract(LabelledRow, target="rentals", time="day", name="demand")
"""


@pytest.mark.long
def test_world_with_a_time_and_no_key_is_judged_by_actuals_of_the_service(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = example.project(home / "keyless")
    (root / "demand" / "data.py").write_text(KEYLESS)
    monkeypatch.chdir(root)
    monkeypatch.setattr("daybook.world.isolate", lambda: home)
    contract = Contract(example.LabelledRow, target="rentals", time="day", name="demand")
    made = build_world(contract, example.sample(200), example.fit, example.predict, example.evaluate)
    log, metrics = Log(contract), Metrics(example.loss, example.evaluate)
    assert made.labels is None and len(log.actuals()) == 90 * 24
    decision = judge(log, metrics, made.candidates, as_of=made.as_of).decision
    assert decision.window.rows == 28 * 24 and decision.leakage == "none" and decision.actuals["days_late_median"] == 3
    assert look(log, made.champion).rows == 28 * 24


def test_world_of_a_short_table_has_no_candidate(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(example.project(home / "short"))
    monkeypatch.setattr("daybook.world.isolate", lambda: home)
    made = build_world(example.contract, example.sample(40), example.fit, example.predict, example.evaluate)
    assert made.candidates == [] and (made.end - made.start).days == 21
    found = judge(Log(example.contract), Metrics(example.loss, example.evaluate), as_of=made.as_of, labels=made.labels)
    assert found.decision.verdict == "keep" and found.decision.window.rows == 18 * 24


def test_rows_without_a_time_are_shuffled_and_dealt() -> None:
    timeless = Contract(example.LabelledRow, target="rentals", key=("day", "hour"), name="demand")
    frame = example.sample(10)
    dealt, times = with_times(timeless, frame, 24)
    assert times.is_monotonic_increasing and times.dt.normalize().nunique() == 24
    assert not dealt["day"].is_monotonic_increasing and sorted(dealt["rentals"]) == sorted(frame["rentals"])
    assert with_times(timeless, frame, 24)[0].equals(dealt)
    assert with_times(example.contract, frame, 24)[0] is frame
