"""The example world: a champion, what it predicted, labels that come late, and a candidate."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from daybook import example, models
from daybook.champion import read_champion, served
from daybook.contract import Contract
from daybook.log import Log
from daybook.world import World, between, labels_of, middle_of

pytest_plugins = "worlds"


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
    assert between(frame, "day", middle, -1, 1)["day"].dt.day.unique().tolist() == [4, 5]
