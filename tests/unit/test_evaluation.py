"""The days that judge: of weeks, months and single rows, and where what is known early is not like the rest."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

import duckdb
import numpy as np
import pandas as pd
import pytest
from pydantic import create_model

import daybook.backtest_summary  # noqa: F401  which adds the sentences
from daybook import example, models
from daybook.contract import Contract
from daybook.evaluation import EvaluationWindow, KnownDays, evaluation_window, of_new_classes
from daybook.judging import judge
from daybook.log import Log
from daybook.metrics import Metrics
from daybook.outcomes import Outcomes, outcomes
from daybook.project import DaybookError
from daybook.world import World

pytest_plugins = "worlds"

METRICS = Metrics(example.loss, example.evaluate)


def days_of(start: str, end: str, freq: str, rows: int, known: float = 1.0) -> KnownDays:
    """Days with so many rows each."""
    day = pd.date_range(start, end, freq=freq).to_numpy().astype("datetime64[D]")
    return KnownDays(day, np.full(len(day), rows), np.full(len(day), int(known * rows)))


@pytest.mark.parametrize(
    ("freq", "rows", "needed", "days"),
    [
        ("D", 24, 200, 28),  # hours
        ("D", 1, 28, 28),  # a row a day, of which 200 rows would be most of a year
        ("D", 5, 140, 28),
        ("B", 1, 28, 56),  # without weekends
        ("7D", 400, 200, 56),
        ("7D", 1, 28, 196),
        ("MS", 40, 200, 196),
        ("MS", 1, 28, 336),  # which has 12, and no verdict
    ],
)
def test_window_holds_what_a_verdict_needs(freq: str, rows: int, needed: int, days: int) -> None:
    found = days_of("2022-01-01", "2024-12-31", freq, rows)
    assert found.least_rows == needed
    assert found.days_needed(found.last + timedelta(1)) == days


def test_window_ends_where_as_much_is_known_as_usual() -> None:
    found = days_of("2024-01-01", "2024-06-30", "D", 40)
    early = found.known.copy()
    early[-60:] = np.linspace(10, 1, 60).astype(int)  # defaults alone, some of which are known after days
    assert KnownDays(found.day, found.predictions, early).last == date(2024, 5, 1)
    few = np.random.default_rng(0).binomial(40, 0.1, len(early))  # of a tenth of the rows, chosen by chance
    last = KnownDays(found.day, found.predictions, few).last
    assert date(2024, 6, 15) < last <= date(2024, 6, 30)


@pytest.fixture
def early(world: World, tmp_path: Path) -> tuple[Outcomes, str]:
    """Large counts alone are known of the last twenty days."""
    labels = pd.read_parquet(world.labels)
    day = pd.to_datetime(labels["day"])
    is_known = (day <= day.max() - pd.Timedelta(days=20)) | (labels["rentals"] > labels["rentals"].quantile(0.9))
    labels[is_known].to_parquet(tmp_path / "labels.parquet")
    path = str(tmp_path / "labels.parquet")
    return outcomes(Log(example.contract), {world.champion: example.contract}, labels=path), path


def test_backtest_looks_at_days_of_which_all_is_known(world: World, early: tuple[Outcomes, str]) -> None:
    """Those that are known early were taken for all: an alert over a service that is as it was."""
    found, labels = early
    window = evaluation_window(found)
    last = pd.to_datetime(pd.read_parquet(world.labels)["day"]).max().date()
    assert (window.end, window.share) == (last - timedelta(days=19), 1)
    log = Log(example.contract)
    whole, same = judge(log, METRICS, labels=labels), judge(log, METRICS, labels=str(world.labels), end=window.end)
    assert whole.decision.in_service == same.decision.in_service and "100 % of all" in whole.basis()[0]
    asked = judge(log, METRICS, labels=labels, end=last + timedelta(1), days=14, min_rows=20)
    assert asked.run_metrics()["with_actual"] < 0.2
    early = "of others 100 %: what is known early may differ from the rest."
    assert sum("about these days only" in note and early in note for note in asked.basis()) == 1
    assert sum("about later days only" in note and early in note for note in whole.basis()) == 1
    assert not any(early in note for note in same.basis())


@pytest.mark.parametrize("rows", [1, 3, 20, 200])
def test_window_ends_where_one_kind_of_outcome_alone_is_known(rows: int) -> None:
    """A day whose only row is a positive one has 100 % of its actuals."""
    random, late = np.random.default_rng(rows), 0
    for _ in range(20):
        found = days_of("2024-01-01", "2024-12-31", "D", rows)
        known = np.where(found.day < np.datetime64("2024-10-01"), rows, random.binomial(rows, 0.4, len(found.day)))
        late += KnownDays(found.day, found.predictions, known).last > date(2024, 10, 31)
        chosen = KnownDays(found.day, found.predictions, random.binomial(rows, 0.3, len(found.day)))
        assert chosen.last > (date(2024, 11, 15) if rows > 1 else date(2024, 9, 1)), "chosen by chance"
        assert chosen.usual == pytest.approx(0.3, abs=0.15)
    assert late <= 1


def test_window_follows_where_a_part_is_labelled_from_some_day_on() -> None:
    """All were labelled for a year, a tenth since: the window must not stay where it was."""
    found = days_of("2023-01-01", "2024-12-31", "D", 40)
    known = np.where(found.day < np.datetime64("2024-06-01"), 40, 4)
    assert KnownDays(found.day, found.predictions, known).last == date(2024, 12, 31)


def test_backtest_says_that_few_actuals_may_not_be_like_the_rest(world: World, tmp_path: Path) -> None:
    """Those of the largest shops alone had twice the error of all when the model was made."""
    labels = pd.read_parquet(world.labels)
    labels[labels["hour"] >= 17].to_parquet(tmp_path / "labels.parquet")
    notes = judge(Log(example.contract), METRICS, labels=str(tmp_path / "labels.parquet")).basis()
    assert (
        "29 % of the predictions have an actual. If these are not chosen by chance, the answer is about them alone."
        in notes
    )


def test_backtest_says_that_keys_were_asked_again(world: World) -> None:
    log = Log(example.contract)
    before = judge(log, METRICS, labels=str(world.labels))
    rows = example.contract.validate(example.sample(200))
    rows = rows[rows["day"].dt.date >= before.decision.window.start].head(100)
    log.backfill(rows, models.load(world.champion).predict(rows), world.champion, before.decision.window.start)
    notes = judge(log, METRICS, labels=str(world.labels)).basis()
    assert not any("asked again" in note for note in before.basis())
    assert "772 rows are about 672 keys: a key that was asked again counts again." in notes


def test_window_of_one_class_says_what_to_do(world: World, tmp_path: Path) -> None:
    labels = pd.read_parquet(world.labels).assign(rentals=7)
    labels.to_parquet(tmp_path / "labels.parquet")
    found = outcomes(Log(example.contract), {world.champion: example.contract}, labels=str(tmp_path / "labels.parquet"))
    with pytest.raises(DaybookError, match=r"are 7: nothing can be judged by that; look at more days, .*-p days=56"):
        evaluation_window(found)


def test_rows_of_a_class_that_a_model_was_made_without_are_named() -> None:
    """It predicts 0 for them, so that a few of them made a champion 93 % worse than its candidate."""

    def contract_of(*classes: str) -> Contract:
        labelled = create_model(
            "LabelledRow", __base__=create_model("Row", x=(float, ...)), end=(Literal[classes], ...)
        )
        return Contract(labelled, target="end", name="ends")

    now, then = contract_of("paid", "paused", "lost"), contract_of("paid", "lost")
    rows = duckdb.sql("SELECT unnest([0.0, 1.0, 1.0, 2.0]) AS actual")
    window = EvaluationWindow(rows, date(2024, 1, 1), date(2024, 1, 29), 4)
    [note] = of_new_classes(window, now, "ends:a", then)
    assert note == "2 rows are of paused, which ends:a does not know: it predicts 0, which may decide."
    assert of_new_classes(window, now, "ends:b", now) == []
    assert of_new_classes(replace(window, rows=rows.filter("actual <> 1")), now, "ends:a", then) == []
