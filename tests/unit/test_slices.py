"""Slices: the parts of the rows that carry more of the error than of the rows."""

from datetime import date

import duckdb
import numpy as np
import pandas as pd
import pytest

from daybook import example
from daybook.contract import Contract
from daybook.evaluation import EvaluationWindow
from daybook.metrics import Metrics
from daybook.slices import _intervals, slices

METRICS = Metrics(example.loss, example.evaluate)


@pytest.fixture
def rows() -> pd.DataFrame:
    """Logged rows with actuals; the error is 5, and 9 in the rain."""
    frame = example.sample(60).drop(columns="rentals").assign(actual=100)
    frame = frame.assign(prediction=np.where(frame["weather"] == "rain", 109.0, 105.0), ts=frame["day"])
    return frame.assign(prediction_id=[f"r{number}:0" for number in range(len(frame))])


def found(frame: pd.DataFrame, contract: Contract = example.contract, **options: float) -> pd.DataFrame:
    """The slices of some rows, by their names."""
    window = EvaluationWindow(duckdb.from_df(frame), date(2024, 1, 1), date(2024, 3, 1), len(frame))
    return slices(window, contract, METRICS, "mae", **options).set_index("slice")


def test_slices_put_the_worst_first(rows: pd.DataFrame) -> None:
    table = found(rows)
    assert table.index[0] == "weather = rain" and table["mae"].iloc[0] == 9
    assert list(table.columns) == ["n", "share_of_rows", "mae", "low", "high", "share_of_error"]
    more = table["share_of_error"] - table["share_of_rows"]
    assert more.is_monotonic_decreasing and more.iloc[0] > 0 > more.iloc[-1]
    weather = table[table.index.str.startswith("weather")]["n"]
    assert weather["weather = missing"] == rows["weather"].isna().sum() and weather.sum() == len(rows)


def test_slices_cut_numbers_by_quantiles_and_time_by_weekday_and_month(rows: pd.DataFrame) -> None:
    table = found(rows, min_rows=1)
    temp = table[table.index.str.startswith("temp")]
    assert len(temp) == 6 and temp["n"].sum() == len(rows), "five parts, and one that lacks it"
    assert {"weekday = Monday", "month = January", "hour < 4"} <= set(table.index)
    assert table.loc[[f"weekday = {day}" for day in ("Monday", "Sunday")], "n"].between(7 * 24, 9 * 24).all()
    assert not table.index.str.startswith("day").any()


def test_slices_have_intervals_that_hold_the_mean(rows: pd.DataFrame) -> None:
    random = np.random.default_rng(0)
    table = found(rows.assign(prediction=rows["prediction"] + random.normal(0, 1, len(rows))))
    assert (table["low"] < table["mae"]).all() and (table["mae"] < table["high"]).all()
    mondays, weather = table.loc["weekday = Monday"], table.loc["weather = clear"]
    assert mondays["high"] - mondays["low"] > weather["high"] - weather["low"], "eight Mondays say less"


def test_slices_leave_out_few_rows_and_nearly_all(rows: pd.DataFrame) -> None:
    table = found(rows, min_rows=200)
    assert (table["n"] >= 200).all() and "weather = missing" not in table.index
    assert "holiday = false" in found(rows).index
    assert "holiday = false" not in found(rows.assign(holiday=[True] * 60 + [False] * (len(rows) - 60))).index


def test_slices_of_many_values_are_the_largest_and_the_rest(rows: pd.DataFrame) -> None:
    names = np.array([f"town {number:02}" for number in range(40)])
    weights = np.arange(40, 0, -1) / np.arange(40, 0, -1).sum()
    towns = np.random.default_rng(0).choice(names, len(rows), p=weights)
    table = found(rows.assign(weather=towns), min_rows=1)
    weather = table[table.index.str.startswith("weather")]
    assert len(weather) == 9 and "weather = any other" in weather.index and weather["n"].sum() == len(rows)


def test_slices_take_a_log_without_a_field(rows: pd.DataFrame) -> None:
    assert not found(rows.drop(columns="weather")).index.str.startswith("weather").any()


def test_slices_take_any_text(rows: pd.DataFrame) -> None:
    odd = rows.assign(weather=rows["weather"].map({"clear": "it's", "mist": 'a "b", c', "rain": ""}))
    assert {"weather = it's", 'weather = a "b", c', "weather = "} <= set(found(odd).index)


def test_slices_take_losses_of_zero_and_constants(rows: pd.DataFrame) -> None:
    right = found(rows.assign(prediction=100.0, temp=1.0, hour=1))
    assert right["share_of_error"].isna().all() and (right["mae"] == 0).all()


def test_part_of_two_days_has_no_interval() -> None:
    """Two days that are alike gave 20.10 to 20.47, where the rows differ by 3."""
    sums = np.full((2, 1, 2), [40.0, 20.0])
    assert np.isnan(_intervals(sums)).all() and np.isfinite(_intervals(np.full((4, 1, 2), [40.0, 20.0]))).all()
