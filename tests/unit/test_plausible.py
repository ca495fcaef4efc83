"""Plausible days: one odd date moves no window."""

from datetime import date, timedelta

import duckdb
import numpy as np
import pandas as pd
import pytest

from daybook import example
from daybook.contract import Contract
from daybook.log import Log
from daybook.plausible import Plausible, plausible_days, usual_distances

ODD = [pd.Timestamp("2099-01-01"), pd.Timestamp("1970-01-01")]


def rows(days: int = 28, hours: int = 5) -> pd.DataFrame:
    """Rows that are asked about on their day."""
    frame = example.sample(days=days)
    ids = [f"r{number}:0" for number in range(len(frame))]
    return frame.assign(ts=pd.to_datetime(frame["day"], utc=True) + timedelta(hours=hours), prediction_id=ids)


def plausible(frame: pd.DataFrame) -> Plausible:
    """What is plausible in a frame."""
    return plausible_days(duckdb.from_df(frame), example.contract)


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_day_is_neither_first_nor_last(odd: pd.Timestamp) -> None:
    frame = rows()
    frame.loc[5, "day"] = odd
    found = plausible(frame)
    assert (found.first, found.last, found.implausible) == (date(2024, 1, 1), date(2024, 1, 28), 1)
    assert found.examples == (f"{odd:%Y-%m-%d} (prediction r5:0)",)
    assert found.words.startswith("1 row is about a day, which is far from")
    assert len(duckdb.from_df(frame).filter(found.condition)) == len(frame) - 1


def test_no_odd_day_says_nothing() -> None:
    found = plausible(rows())
    assert (found.implausible, found.words, found.examples) == (0, "", ())


def test_history_that_was_logged_at_once_is_plausible() -> None:
    frame = rows(days=400).assign(ts=pd.Timestamp("2026-01-01", tz="UTC"))
    assert plausible(frame).first == date(2024, 1, 1) and plausible(frame).implausible == 0


def test_a_forecast_of_next_month_is_plausible() -> None:
    frame = rows().assign(day=rows()["day"] + timedelta(days=30))
    assert plausible(frame).last == date(2024, 2, 27)


def test_an_odd_moment_in_the_midst_of_the_days_changes_nothing() -> None:
    frame = rows()
    frame.loc[30, "ts"] = pd.Timestamp("2031-01-01", tz="UTC")
    assert plausible(frame) == plausible(rows())


def test_many_odd_days_are_counted_and_some_named() -> None:
    frame = rows()
    frame.loc[frame.index[:20], "day"] = ODD[0]
    found = plausible(frame)
    assert found.implausible == 20 and len(found.examples) == 3 and "20 rows are about days" in found.words


def test_without_rows_there_is_no_day() -> None:
    assert plausible(rows().head(0)) == Plausible(None, None)


def test_rows_without_a_time_are_about_the_day_of_their_request() -> None:
    timeless = Contract(example.LabelledRow, target="rentals", key=("day", "hour"), name="demand")
    found = plausible_days(duckdb.from_df(rows()), timeless)
    assert (found.first, found.last, found.condition) == (date(2024, 1, 1), date(2024, 1, 28), "true")


def test_usual_distances_are_at_least_ninety_days() -> None:
    assert usual_distances(np.array([0]), np.array([1])) == (-90, 90)
    assert usual_distances(np.array([0, 27_000]), np.array([99, 1])) == (-90, 90)


def test_window_is_not_moved_by_an_odd_day(tmp_path) -> None:
    log, frame = Log(example.contract, tmp_path), example.sample(days=60)
    log.backfill(frame, np.ones(len(frame)), "demand:a", "2024-03-01")
    odd = frame.head(1).assign(day=ODD[0])
    log.backfill(odd, [1.0], "demand:a", "2024-03-02")
    window = log.window(days=7)
    assert (window.start, window.end, len(window.rows)) == (date(2024, 2, 23), date(2024, 3, 1), 7 * 24)
    assert window.days.implausible == 1 and "2099-01-01" in window.days.words
    assert len(log.window(date(2099, 1, 1), date(2099, 1, 2)).rows) == 1, "who asks for that day gets it"
