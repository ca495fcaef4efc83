"""Drift of tables that are no hours of a year: a row a week or a month, no time at all, and rows with an id."""

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from daybook import example, models
from daybook.contract import Contract
from daybook.drift_report import Drift, look
from daybook.log import Log
from daybook.project import DaybookError
from daybook.world import World

pytest_plugins = "worlds"

DATA = """
from datetime import date
from daybook.contract import Contract
from pydantic import BaseModel, ConfigDict


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: int
    day: date
    size: float


class LabelledRow(Row):
    price: float


contract = Contract(LabelledRow, target="price", key=("id",), time={time}, name="demand")
"""
MODEL = """
from daybook.example import evaluate, loss
from sklearn.linear_model import LinearRegression


def fit(frame, columns):
    return LinearRegression().fit(columns["size"][:, None], frame["price"])


def predict(estimator, columns):
    return estimator.predict(columns["size"][:, None])
"""


def table(days: list[pd.Timestamp] | pd.DatetimeIndex, rows: int, seed: int = 0) -> pd.DataFrame:
    """So many rows about each day."""
    random, n = np.random.default_rng(seed), len(days) * rows
    size = random.gamma(9, 10, n)
    price = 2 * size + random.normal(0, 10, n)
    return pd.DataFrame({"id": np.arange(n), "day": np.repeat(days, rows), "size": size, "price": price})


@pytest.fixture
def known(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Contract, str]]:
    """Save a model that has learned from a table; its contract, and its tag."""

    def save(frame: pd.DataFrame, time: str | None = "day", predictions: np.ndarray | None = None) -> tuple:
        root, spaces = example.project(tmp_path / "project"), {}
        for name, source in {"data": DATA.format(time=repr(time)), "model": MODEL}.items():
            (root / "demand" / f"{name}.py").write_text(source)
            spaces[name] = {"__name__": name}
            exec(source, spaces[name])
        contract, predict = spaces["data"]["contract"], spaces["model"]["predict"]
        monkeypatch.setenv("IOLOG_DIR", str(tmp_path / "log"))
        monkeypatch.chdir(root)
        rows = contract.validate(frame)
        estimator = spaces["model"]["fit"](rows, contract.arrays(rows))
        said = predict(estimator, contract.arrays(rows)) if predictions is None else predictions
        return contract, models.save(contract, estimator, predict, rows, said, metrics={"mae": 1})

    return save


def seen(contract: Contract, tag: str, frame: pd.DataFrame, when: list | None = None, **options: object) -> Drift:
    """Log what the model says of these rows alone, each day's or at other moments, and look at them."""
    log, rows = Log(contract), contract.validate(frame)
    shutil.rmtree(log.folder, ignore_errors=True)
    for day, part in rows.groupby(rows["day"] if when is None else np.asarray(when)):
        log.backfill(part, models.load(tag).predict(part), tag, day)
    return look(log, tag, **options)


def moved(drift: Drift) -> set[str]:
    """The columns that have moved."""
    return {change.name for change in drift.moved}


@pytest.mark.parametrize("apart", ["7D", "MS", "ME"])
def test_rows_of_weeks_or_months_have_the_same_season(known: Callable, apart: str) -> None:
    """12 Mondays of 42 days were another season, in which no distribution is judged."""
    learned = pd.date_range("2021-01-04", "2023-12-31", freq=apart)
    contract, tag = known(table(learned, 100))
    later = table(pd.date_range("2024-01-01", "2024-03-31", freq=apart), 100, seed=1)
    drift = seen(contract, tag, later)
    assert drift.against == "the same season of the rows that the model learned from" and not moved(drift)
    later["size"] += 60
    (change,) = seen(contract, tag, later).moved[:1]
    assert change.name in ("size", "prediction") and "distribution" in change.reasons


def test_rows_of_weeks_that_were_never_learned_from_are_another_season(known: Callable) -> None:
    contract, tag = known(table(pd.date_range("2023-01-02", "2023-04-30", freq="7D"), 100))
    later = table(pd.date_range("2023-08-07", "2023-09-30", freq="7D"), 100)
    assert "with 0 of the 42 days of this season" in seen(contract, tag, later).against


@pytest.mark.parametrize("days", [8, 12, 16, 20])
def test_fault_that_began_in_the_window_is_found_where_rows_have_no_time(known: Callable, days: int) -> None:
    """What has changed was dealt into what is usual, as 7 blocks: 4 faulty ones were no alert."""
    contract, tag = known(table(pd.to_datetime(["2024-01-01"]), 3500), time=None)
    later = table(pd.to_datetime(["2024-01-01"]), 1500, seed=1)
    when = np.repeat(pd.date_range("2026-07-01", periods=20), 75)
    assert not moved(seen(contract, tag, later, when))
    later.loc[later.index >= 75 * (20 - days), "size"] /= 10
    assert {"size", "prediction"} <= moved(seen(contract, tag, later, when))


def test_window_of_one_row_a_business_day_holds_enough(known: Callable) -> None:
    """20 rows of 28 days were too few, each time."""
    contract, tag = known(table(pd.bdate_range("2021-01-01", "2023-12-31"), 1))
    later = table(pd.bdate_range("2024-01-01", "2024-03-31"), 1, seed=1)
    drift = seen(contract, tag, later)
    assert drift.is_enough and drift.rows == 40 and not moved(drift)
    assert not seen(contract, tag, later, days=28).is_enough
    assert "size" in moved(seen(contract, tag, later.assign(size=later["size"] * 2)))


def test_id_of_a_row_is_not_looked_at(known: Callable) -> None:
    contract, tag = known(table(pd.date_range("2023-01-01", "2023-12-31"), 5))
    later = table(pd.date_range("2024-01-01", "2024-01-28"), 5).assign(id=range(10_000, 10_140))
    drift = seen(contract, tag, later)
    assert not moved(drift) and {change.name for change in drift.changes} == {"size", "prediction"}


def test_predictions_of_other_models_are_no_drift_of_this_one(known: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those beside a model were made by models that had not seen the rows; of a rare class they differ widely."""
    frame = table(pd.date_range("2023-01-01", "2023-12-31"), 5)
    contract, tag = known(frame, predictions=frame["price"] / 2 + 70)
    later = table(pd.date_range("2024-01-01", "2024-01-28"), 5, seed=1)
    assert not moved(drift := seen(contract, tag, later))
    assert "prediction" in moved(seen(contract, tag, later.assign(size=later["size"] + 60)))

    def refuse(tag: str) -> None:
        raise DaybookError(f"{tag} was made with other libraries")

    monkeypatch.setattr("daybook.reference.models.load", refuse)
    assert moved(look(Log(contract), tag, drift.start, drift.end)) == {"prediction", "size"}, "an alert stays one"


def test_values_out_of_range_do_not_stand_still(known: Callable) -> None:
    """They have one cell, whose value is none of theirs: "100 % are 14.4" was said of prices about 20."""
    contract, tag = known(table(pd.date_range("2023-01-01", "2023-12-31"), 5))
    later = table(pd.date_range("2024-01-01", "2024-01-28"), 5)
    drift = seen(contract, tag, later.assign(size=later["size"] + 1000), end=date(2024, 1, 29))
    (size,) = [change for change in drift.moved if change.name == "size"]
    assert "out of range" in size.reasons and "stands still" not in size.reasons


def test_change_is_found_where_more_rows_are_logged_than_were_learned_from(known: Callable) -> None:
    """A reference of two blocks is dealt like a window too often to tell anything."""
    day = pd.to_datetime(["2024-01-01"])
    contract, tag = known(table(day, 500), time=None)
    later, when = table(day, 14_000, seed=1), np.repeat(pd.date_range("2026-07-01", periods=28), 500)
    assert not moved(seen(contract, tag, later, when))
    is_odd = later.index >= 8 * 500
    later.loc[is_odd, "size"] = 60 + later.loc[is_odd, "size"] / 3
    found = {change.name: change.reasons for change in seen(contract, tag, later, when).moved}
    assert "distribution" in found["size"] and "distribution" in found["prediction"]
