"""A log whose models do not have the same contract: fields that are new, have another type, or are hashed."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from daybook import example, models
from daybook.drift_report import look
from daybook.log import Log
from daybook.world import World

pytest_plugins = "worlds"

DAYS = 230  # of the sample


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
