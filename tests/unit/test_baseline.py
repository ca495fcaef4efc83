"""The naive baseline: what suits the contract, and a sentence that is true."""

from dataclasses import replace
from datetime import date, datetime

import duckdb
import numpy as np
import pandas as pd
import pytest
from kinds import ended, lasted, late, of, timeless, trips
from pydantic import BaseModel

from daybook import example
from daybook.baseline import Baseline, Comparison, compare, compare_origins, naive_baseline, standard_error
from daybook.contract import Contract
from daybook.holdout import is_held_out, origins
from daybook.naive import _is_hourly
from daybook.standard_metrics import loss


def split(contract: Contract, frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows to learn from, and rows to measure by."""
    is_last = is_held_out(contract, frame, 10)
    return frame[~is_last], frame[is_last]


def test_baseline_of_a_series_is_its_last_value_at_that_weekday() -> None:
    past, ahead = split(example.contract, example.sample(days=40))
    baseline = naive_baseline(example.contract, past, ahead)
    assert baseline.name == "last value of the same hour and weekday"
    row = ahead.iloc[5]
    same = past[(past["hour"] == row["hour"]) & (past["day"].dt.day_of_week == row["day"].day_of_week)]
    assert baseline.predictions[5] == same["rentals"].iloc[-1]


def test_baseline_of_rows_that_come_once_is_the_median() -> None:
    past, ahead = split(lasted, of(lasted, trips()))
    baseline = naive_baseline(lasted, past, ahead)
    assert baseline.name == "median"
    assert (baseline.predictions == past["minutes"].median()).all()


def test_baseline_of_a_row_of_a_new_kind_is_the_median() -> None:
    frame = example.sample(days=40)
    past, ahead = split(example.contract, frame)
    baseline = naive_baseline(example.contract, past[past["hour"] != 3], ahead)
    assert set(baseline.predictions[ahead["hour"] == 3]) == {past[past["hour"] != 3]["rentals"].median()}


def test_baseline_of_a_day_needs_the_weekday_only() -> None:
    daily = Contract(example.LabelledRow, target="rentals", key=("day",), time="day", name="daily")
    past, ahead = split(daily, example.sample(days=40).query("hour == 12"))
    assert naive_baseline(daily, past, ahead).name == "last value of the same weekday"


def test_baseline_of_yes_or_no_is_the_base_rate() -> None:
    past, ahead = split(late, of(late, trips()))
    baseline = naive_baseline(late, past, ahead)
    assert baseline.name == "base rate"
    assert baseline.predictions == pytest.approx(np.full(len(ahead), past["late"].mean()))
    never = naive_baseline(late, past.assign(late=False), ahead)
    assert 0 < never.predictions[0] < 0.01


@pytest.mark.parametrize("contract", [ended, timeless], ids=["time", "no time"])
def test_baseline_of_classes_is_the_share_of_each(contract: Contract) -> None:
    frame = of(ended, trips())
    shares = naive_baseline(contract, frame, frame.head(7)).predictions
    assert shares.shape == (7, 3) and shares.sum(axis=1) == pytest.approx(1)
    assert shares[0] == pytest.approx([(frame["ending"] == name).mean() for name in contract.classes])
    without = naive_baseline(contract, frame[frame["ending"] != "lost"], frame).predictions
    assert np.isfinite(loss("multiclass", contract.y_true(frame["ending"]), without)).all()


@pytest.mark.parametrize(
    ("model", "naive", "margin", "says", "end"),
    [
        (4.0, 5.0, 0.5, "beats the naive baseline by 20 %", ""),
        (4.0, 5.0, 2.0, "is not clearly better than the naive baseline", " The gain of 20 % may be chance."),
        (5.0, 5.0, 0.0, "is no better than the naive baseline", ""),
        (5.1, 5.0, 0.5, "is no better than the naive baseline", ""),
        (6.0, 5.0, 0.5, "does not beat the naive baseline, it is 20 % worse", ""),
        (1.0, 0.0, 0.5, "does not beat the naive baseline, it is worse", ""),
    ],
)
def test_comparison_says_which_is_better(model: float, naive: float, margin: float, says: str, end: str) -> None:
    sentence = f"The model {says}: mae {model:g} instead of {naive:g} (median).{end}"
    assert str(Comparison("mae", "median", model, naive, margin)) == sentence


def test_comparison_of_noise_is_no_better() -> None:
    random, frame = np.random.default_rng(0), of(late, trips(4000))
    frame["late"] = random.random(len(frame)) < 0.3
    past, ahead = split(late, frame)
    baseline = naive_baseline(late, past, ahead)
    noisy = np.clip(baseline.predictions + random.normal(0, 0.1, len(ahead)), 0.01, 0.99)
    comparison = compare(late, ahead, noisy, baseline, lambda *pair: loss("binary", *pair), "log_loss")
    assert not comparison.is_better


@pytest.mark.parametrize(("events", "is_better"), [(0, False), (4, False), (40, True)])
def test_a_class_that_is_hardly_there_tells_nothing(events: int, is_better: bool) -> None:
    past, ahead = split(late, of(late, trips(4000)))
    ahead = ahead.assign(late=np.arange(len(ahead)) < events)
    sure = np.where(ahead["late"], 0.99, 0.001)
    baseline = naive_baseline(late, past, ahead)
    comparison = compare(late, ahead, sure, baseline, lambda *pair: loss("binary", *pair), "log_loss")
    assert comparison.is_better is is_better and comparison.gain > 0
    which = f"all but {events}" if events else "all"
    untold = f"cannot be told: {which} of the {len(ahead):,} rows held out are not late, and more days may have others"
    assert (untold in str(comparison)) is not is_better


def test_comparison_names_classes_that_no_row_to_learn_from_has() -> None:
    past, ahead = split(ended, of(ended, trips(4000)))
    past, n = past[past["ending"] != "lost"], int((ahead["ending"] == "lost").sum())
    baseline = naive_baseline(ended, past, ahead)
    comparison = compare(ended, ahead, baseline.predictions, baseline, lambda *pair: loss("multiclass", *pair), "loss")
    said = f"{n:,} of the {len(ahead):,} rows held out are of lost; no row to learn from is."
    assert str(comparison).endswith(said) and naive_baseline(ended, ahead, ahead).unseen == ()


def test_compare_origins_gives_each_stretch_its_own_baseline() -> None:
    frame = example.sample(days=40)
    stretch = origins(example.contract, frame, 7, 3)
    right = frame["rentals"].to_numpy(float)[stretch >= 0]
    table = compare_origins(example.contract, frame, right, example.loss, 7, 3)
    assert table["rows"].tolist() == [7 * 24] * 3 and (table["model"] == 0).all()
    last = naive_baseline(example.contract, frame[stretch < 2], frame[stretch == 2]).predictions
    assert table["baseline"].iloc[-1] == example.loss(frame["rentals"][stretch == 2], last).mean()
    assert (table["last"] - table["first"] == np.timedelta64(6, "D")).all()


def test_standard_error_counts_days_and_not_rows() -> None:
    random = np.random.default_rng(0)
    days, blocks = random.normal(0, 1, 30).repeat(24), np.arange(30).repeat(24)
    assert standard_error(days, np.arange(len(days))) < 0.05 < 0.15 < standard_error(days, blocks)
    assert standard_error(np.array([1.0, 3.0]), np.array([0, 1])) == 1.0
    assert standard_error(np.array([1.0, 3.0]), np.array([0, 0])) == float("inf"), "one day tells nothing"


class Month(BaseModel):
    month: date
    weekday: int


class Sold(Month):
    sold: float


def test_baseline_of_monthly_rows_is_the_value_of_the_month_before() -> None:
    monthly = Contract(Sold, target="sold", time="month", key=("month", "weekday"), name="sold")
    months = pd.date_range("2022-01-01", periods=36, freq="MS")
    frame = pd.DataFrame([(month, n, 10.0 * i + n) for i, month in enumerate(months) for n in range(3)])
    frame.columns = ["month", "weekday", "sold"]
    baseline = naive_baseline(monthly, frame[:-3], frame[-3:])
    assert (baseline.name, *baseline.predictions) == ("last value of the same weekday", 340, 341, 342)
    alone = Contract(Sold, target="sold", time="month", key=("month",), name="sold")
    assert naive_baseline(alone, frame[:-3:3], frame[-3::3]).name == "last value"
    daily = frame.assign(month=pd.date_range("2022-01-01", periods=36).repeat(3))
    assert naive_baseline(monthly, daily[:-3], daily[-3:]).name.endswith("same weekday and weekday of the time")


def test_one_held_out_day_is_no_verdict() -> None:
    past, ahead = split(example.contract, example.sample(days=40))
    baseline, day = naive_baseline(example.contract, past, ahead), ahead["day"] == ahead["day"].max()
    right = ahead["rentals"].to_numpy(float)
    last = replace(baseline, predictions=baseline.predictions[day])
    assert compare(example.contract, ahead, right, baseline, example.loss, "mae").is_better
    assert not compare(example.contract, ahead[day], right[day], last, example.loss, "mae").is_better


class Night(BaseModel):
    at: datetime


class LabelledNight(Night):
    load: float


@pytest.mark.parametrize(("zone", "name"), [("Europe/Berlin", "weekday"), ("UTC", "weekday")])
def test_midnights_of_a_place_that_changes_its_clocks_have_one_hour_a_day(zone: str, name: str) -> None:
    nightly = Contract(LabelledNight, target="load", key=("at",), time="at", name="nights")
    times = pd.date_range("2023-01-01", "2024-04-25", freq="D", tz=zone)
    frame = nightly.validate(pd.DataFrame({"at": times, "load": np.arange(len(times), dtype=float)}))
    assert naive_baseline(nightly, frame[:-20], frame[-20:]).name == f"last value of the same {name}"
    assert not _is_hourly(
        duckdb.from_df(frame).project('CAST("at" AS TIMESTAMPTZ) AS "at"'), nightly
    )  # as the log has it
    hours = pd.DataFrame({"at": pd.date_range("2024-01-01", periods=900, freq="h", tz=zone), "load": range(900)})
    frame = nightly.validate(hours.astype({"load": float}))
    assert naive_baseline(nightly, frame[:-20], frame[-20:]).name == "last value of the same weekday and hour"
    assert _is_hourly(duckdb.from_df(frame).project('CAST("at" AS TIMESTAMPTZ) AS "at"'), nightly)


def test_a_model_that_predicts_one_number_says_so() -> None:
    """Of claims, most of which are 0, the median is 0: no error of a mean, and no retraining changes it."""
    past, ahead = split(example.contract, example.sample(days=40))
    claims = ahead.assign(rentals=np.where(np.arange(len(ahead)) % 10, 0, 900))
    zero, baseline = np.zeros(len(ahead)), Baseline("median", np.zeros(len(ahead)))
    text = str(compare(example.contract, claims, zero, baseline, example.loss, "mae"))
    assert "It predicts 0 for every row, the median" in text and "let `loss` and `fit` take squared errors" in text
    text = str(compare(example.contract, ahead, zero + 7, baseline, example.loss, "mae"))
    assert text.endswith("It predicts 7 for every row: the fields have told it nothing.")
    assert "It predicts" not in str(
        compare(example.contract, ahead, np.arange(len(ahead)), baseline, example.loss, "mae")
    )
