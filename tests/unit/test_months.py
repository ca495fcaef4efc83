"""The error over time: losses by day of a model's own rows, and metrics month by month."""

import duckdb
import numpy as np
import pandas as pd
import pytest

from daybook import example
from daybook.contract import Contract
from daybook.metrics import Metrics
from daybook.months import daily_losses, months
from daybook.outcomes import Outcomes

METRICS = Metrics(example.loss, example.evaluate)


def logged(days: pd.DatetimeIndex, y_true: list[float], y_pred: list[float]) -> Outcomes:
    """Logged rows with actuals."""
    table = pd.DataFrame(
        {"day": days, "actual": y_true, "prediction": y_pred, "prediction_id": map(str, range(len(days)))}
    )
    return Outcomes(duckdb.from_df(table), {}, example.contract)


def test_months_stand_beside_those_of_the_reference() -> None:
    now = logged(pd.date_range("2024-01-30", periods=4), [10.0] * 4, [11.0, 13, 10, 6])
    made = pd.DataFrame(
        {"day": pd.to_datetime(["2022-01-05", "2023-01-05", "2023-03-01"]), "n": 1, "loss": [1.0, 3, 9]}
    )
    found = months(now, METRICS, "mae", made)
    assert found["month"].dt.strftime("%Y-%m").tolist() == ["2024-01", "2024-02"] and found["n"].tolist() == [2, 2]
    assert found["mae"].tolist() == [2.0, 2.0] and found["bias"].tolist() == [2.0, -2.0]
    assert found["reference"].fillna(-1).tolist() == [2.0, -1.0]
    assert months(now, METRICS, "mae")["reference"].isna().all()


def test_months_are_the_last_two_years() -> None:
    now = logged(pd.date_range("2000-01-01", "2024-01-31", freq="D"), *[[1.0] * 8797] * 2)
    found = months(now, METRICS, "mae")
    assert len(found) == 24 and found["month"].max() == pd.Timestamp("2024-01-01") and found["n"].sum() == 730


def test_months_are_the_same_in_any_order_of_rows() -> None:
    random = np.random.default_rng(0)
    table = logged(pd.date_range("2024-01-01", periods=500, freq="3h").normalize(), *random.normal(10, 3, (2, 500)))
    frame = table.rows.df()
    mixed = Outcomes(duckdb.from_df(frame.sample(frac=1, random_state=0)), {}, example.contract)
    assert months(table, METRICS, "mae").equals(months(mixed, METRICS, "mae"))


def test_daily_losses_are_sums_of_days() -> None:
    rows = duckdb.sql(
        "SELECT DATE '2024-01-01' + CAST(i // 2 AS INTEGER) AS day, i AS prediction, 2 AS actual FROM range(4) t(i)"
    )
    found = daily_losses(rows, example.contract, METRICS)
    assert found["day"].dt.day.tolist() == [1, 2] and found["n"].tolist() == [2, 2] and found["loss"].tolist() == [3, 1]


def test_daily_losses_need_predictions() -> None:
    rows = duckdb.sql("SELECT DATE '2024-01-01' AS day, 1.0 AS prediction, 2 AS actual")
    assert daily_losses(rows.project("day, actual"), example.contract, METRICS) is None
    assert daily_losses(rows.project("day, actual, NULL::DOUBLE AS prediction"), example.contract, METRICS) is None


@pytest.mark.parametrize("n, groups", [(400, 50), (20, 20)])
def test_daily_losses_without_a_time_are_groups_of_rows(n: int, groups: int) -> None:
    timeless = Contract(example.LabelledRow, target="rentals", name="demand")
    rows = duckdb.sql(f"SELECT i % 7 AS prediction, 2 AS actual FROM range({n}) t(i)")
    assert len(daily_losses(rows, timeless, METRICS)) == groups
