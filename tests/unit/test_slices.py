"""Slices: the error by month, by field and by the size of the prediction, in the project's metrics."""

import duckdb
import numpy as np
import pandas as pd
import pytest

from daybook import example
from daybook.metrics import Metrics
from daybook.scores import IN_SERVICE, Scores
from daybook.slices import by_group, calibration, months, reference_scores, slices

METRICS = Metrics(example.loss, example.evaluate)


@pytest.fixture
def rows() -> pd.DataFrame:
    """Logged rows with actuals; the error is 5, and 9 in the rain."""
    frame = example.sample(60).drop(columns="rentals").assign(actual=100)
    return frame.assign(prediction=np.where(frame["weather"] == "rain", 109.0, 105.0))


def scores(days: pd.DatetimeIndex, y_true: np.ndarray, y_pred: np.ndarray) -> Scores:
    """Scores of what was answered in service."""
    n = np.arange(len(days))
    return Scores(n, days.to_numpy().astype("datetime64[D]"), y_true, n > 0, {IN_SERVICE: y_pred})


def test_by_group_is_evaluate_of_each_group() -> None:
    found = by_group(np.array([2, 1, 2]), METRICS, "mae", np.array([5.0, 5, 5]), np.array([6.0, 4, 8]))
    assert found.to_dict("list") == {"part": [1, 2], "n": [1, 2], "mae": [1.0, 2.0], "bias": [-1.0, 2.0]}
    assert list(by_group(np.array([]), METRICS, "mae", np.array([]), np.array([]))) == ["part", "n", "mae"]


def test_months_stand_beside_those_of_the_reference() -> None:
    days = pd.date_range("2024-01-30", periods=4)
    now = scores(days, np.full(4, 10.0), np.array([11.0, 13, 10, 6]))
    before = scores(pd.DatetimeIndex(["2022-01-05", "2023-01-05", "2023-03-01"]), np.zeros(3), np.array([1.0, 3, 9]))
    found = months(now, METRICS, "mae", before)
    assert found["month"].dt.strftime("%Y-%m").tolist() == ["2024-01", "2024-02"]
    assert found["mae"].tolist() == [2.0, 2.0] and found["bias"].tolist() == [2.0, -2.0]
    assert found["reference"].fillna(-1).tolist() == [2.0, -1.0]
    assert months(now, METRICS, "mae")["reference"].isna().all()


def test_slices_put_the_worst_first(rows: pd.DataFrame) -> None:
    found = slices(duckdb.from_df(rows), example.contract, METRICS, "mae")
    assert found.loc[0, "slice"] == "weather = rain" and found.loc[0, "mae"] == found.loc[0, "bias"] == 9
    assert found["mae"].is_monotonic_decreasing
    weather = found[found["slice"].str.startswith("weather")].set_index("slice")["n"]
    assert weather["weather = missing"] == rows["weather"].isna().sum() and weather.sum() == len(rows)
    assert not found["slice"].str.contains("^(?:hour|temp|day) ").any(), "fields of many values, and the time"


def test_slices_leave_out_few_rows(rows: pd.DataFrame) -> None:
    found = slices(duckdb.from_df(rows), example.contract, METRICS, "mae", min_rows=200)
    assert (found["n"] >= 200).all() and "weather = missing" not in set(found["slice"])
    assert len(slices(duckdb.from_df(rows), example.contract, METRICS, "mae", most_values=1)) == 0


def test_slices_take_a_log_without_a_field(rows: pd.DataFrame) -> None:
    found = slices(duckdb.from_df(rows.drop(columns="weather")), example.contract, METRICS, "mae")
    assert {name.partition(" ")[0] for name in found["slice"]} == {"holiday"}


def test_slices_take_any_text(rows: pd.DataFrame) -> None:
    odd = rows.assign(weather=rows["weather"].map({"clear": "it's", "mist": 'a "b", c', "rain": ""}))
    found = slices(duckdb.from_df(odd), example.contract, METRICS, "mae")
    assert {"weather = it's", 'weather = a "b", c', "weather = "} <= set(found["slice"])


def test_calibration_is_by_tenths_of_the_predictions() -> None:
    y_pred = np.random.default_rng(0).random(1005)
    found = calibration(y_pred * 2, y_pred)
    assert found["n"].sum() == 1005 and set(found["n"]) == {100, 101} and len(found) == 10
    assert found["predicted"].is_monotonic_increasing
    np.testing.assert_allclose(found["actual"], 2 * found["predicted"])
    assert len(calibration(y_pred[:3], y_pred[:3])) == 3


def test_reference_scores_need_predictions() -> None:
    rows = duckdb.sql("SELECT DATE '2024-01-01' AS day, 1.0 AS prediction, 2 AS actual")
    assert reference_scores(rows, example.contract).y_true.tolist() == [2.0]
    assert reference_scores(rows.project("day, actual"), example.contract) is None
    nothing = rows.project("day, actual, NULL::DOUBLE AS prediction")
    assert reference_scores(nothing, example.contract) is None
