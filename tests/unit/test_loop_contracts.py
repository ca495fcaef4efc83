"""A log whose models do not have the same contract: fields that are new, have another type, or are hashed."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from pydantic import Field

from daybook import champion, example, models
from daybook.contract import Contract
from daybook.drift_report import look
from daybook.judging import judge
from daybook.log import Log
from daybook.metrics import Metrics
from daybook.project import DaybookError
from daybook.world import World

pytest_plugins = "worlds"

DAYS = 230  # of the sample
METRICS = Metrics(example.loss, example.evaluate)


HASHED = "promo: str = Field(json_schema_extra={'iolog': 'hash'})"


def log_days(log: Log, tag: str, start: date, days: int, **values: object) -> None:
    """Log what a model predicts for some days of the example."""
    rows = example.sample(DAYS).assign(**{name: np.resize(value, DAYS * 24) for name, value in values.items()})
    first = pd.Timestamp(start)
    rows = log.contract.validate(rows[(rows["day"] >= first) & (rows["day"] < first + timedelta(days))])
    for day, part in rows.groupby("day"):
        log.backfill(part, models.load(tag).predict(part), tag, day)


@pytest.mark.parametrize(
    ("older", "newer", "then", "now"),
    [
        ("pass", "promo: float | None = None", [], [1.0, 2.0, 3.0]),
        ("pass", "promo: bool | None = None", [], [True, False]),
        ("promo: str", "promo: float", ["L", "S"], [1.0, 2.0, 3.0]),
        ("promo: bool", "promo: str", [True, False], ["yes", "no"]),
        (HASHED, "promo: str", ["a", "b"], ["a", "b"]),
    ],
)
def test_rows_whose_model_was_not_asked_lack_nothing(
    world: World, save_variant, monkeypatch: pytest.MonkeyPatch, older: str, newer: str, then: list, now: list
) -> None:
    monkeypatch.setenv("IOLOG_HASH_KEY", "secret")
    values = {"promo": np.resize(then, 200 * 24)} if then else {}
    contract, old = save_variant(older, **values)
    log_days(Log(contract), old, world.end, 14, **values)
    contract, tag = save_variant(newer, promo=np.resize(now, 200 * 24))
    log_days(log := Log(contract), tag, world.end + timedelta(14), 7, promo=now)
    drift = look(log, tag)
    [change] = [change for change in drift.changes if change.name == "promo"]
    assert (drift.rows, change.rows, change.reasons) == (28 * 24, 7 * 24, [])
    for window in ({"end": world.end + timedelta(14)}, {"days": 7, "against": "before"}):
        assert "promo" not in {change.name for change in look(log, tag, **window).changes}
    assert log.columns_of(old) == set(contract.columns.values()) - {"promo"}


def test_drift_looks_at_the_other_columns_before_a_new_field_is_logged(world: World, save_variant) -> None:
    contract, old = save_variant("pass")
    log_days(Log(contract), old, world.end, 14)
    contract, tag = save_variant("promo: float | None = None", promo=1.0)
    names = {change.name for change in look(Log(contract), tag).changes}
    assert "promo" not in names and {"temp", "weather"} <= names


COLDER = """
    @field_validator("temp")
    @classmethod
    def colder(cls, value: float | None) -> float | None:
        return None if value is None else value - 5
"""


def test_a_candidate_whose_validators_a_replay_cannot_apply_is_named(world: World, save_variant) -> None:
    _, tag = save_variant(COLDER)
    log = Log(example.contract)
    notes = judge(log, METRICS, [tag], labels=str(world.labels)).decision.notes
    assert any(note.startswith(f"{tag}: its contract has validators.") for note in notes), notes
    notes = judge(log, METRICS, world.candidates, labels=str(world.labels)).decision.notes
    assert not any("validators" in note for note in notes)


def test_an_edited_contract_is_named_where_a_champion_does_not_repeat_itself(world: World, save_variant) -> None:
    contract, tag = save_variant("temp: float | None = Field(None, ge=-100)")
    champion.promote(tag, "to be edited", {})
    log_days(Log(contract), tag, world.end - timedelta(40), 30)
    for path in Log(contract).folder.glob("predictions/*/*/*.parquet"):
        rows = pd.read_parquet(path, partitioning=None)
        rows.assign(temp=rows["temp"] + 50).to_parquet(path)
    for edited, why in (
        (models.contract_of(tag), "the model or the log has changed"),
        (contract, "00_data was edited"),
    ):
        with pytest.raises(DaybookError, match=f"{tag} does not repeat itself: .* {why}"):
            judge(Log(edited), METRICS, labels=str(world.labels))


def test_a_field_of_another_type_is_not_compared_with_what_the_champion_learned(world: World, save_variant) -> None:
    _, old = save_variant("promo: str", promo=np.resize(["L", "S"], 200 * 24))
    contract, _ = save_variant("promo: float", promo=1.0)
    log_days(log := Log(contract), world.champion, world.end, 14, promo=2.0)
    assert "promo" not in {change.name for change in look(log, old).changes}


def test_drift_says_that_a_model_has_other_days(world: World, save_variant) -> None:
    class Row(example.Row):
        date_: date = Field(alias="date")

    class LabelledRow(Row):
        rentals: int

    contract = Contract(LabelledRow, target="rentals", key=("date_", "hour"), time="date_", name="demand")
    rows = example.sample(1).assign(date=pd.Timestamp(world.end))
    Log(contract).backfill(contract.validate(rows), 24 * [1.0], "demand:later", world.end)
    with pytest.raises(DaybookError, match=f"{world.champion} was made with a contract that has no date, which says"):
        look(Log(contract), world.champion)
