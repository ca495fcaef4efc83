"""Rows held out: the last days, whole days, and no row is predicted by a model that has seen it."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from kinds import ended, late, of, timeless, trips

from daybook import example
from daybook.contract import Contract
from daybook.holdout import days_of, days_to_hold_out, folds, is_held_out, origins, out_of_fold, period, rolling_origins
from daybook.project import DaybookError

FRAME = of(ended, trips())


def test_period_is_from_start_until_before_end() -> None:
    rows = period(ended, FRAME, date(2024, 1, 3), date(2024, 1, 5))
    assert [str(day) for day in np.unique(days_of(ended, rows))] == ["2024-01-03", "2024-01-04"]
    assert list(rows.index) == list(range(len(rows)))
    assert len(period(ended, FRAME)) == len(FRAME)


def test_period_without_rows_is_refused() -> None:
    with pytest.raises(DaybookError, match="to the end: the table's days are 2024-01-01 to .*, choose start and end"):
        period(ended, FRAME, date(2030, 1, 1))
    with pytest.raises(DaybookError, match="trips has no time.*leave out start and end"):
        period(timeless, FRAME, end=date(2024, 2, 1))


@pytest.mark.parametrize("count", [2, 3, 7])
def test_folds_are_blocks_of_whole_days(count: int) -> None:
    fold, days = folds(ended, FRAME, count), days_of(ended, FRAME)
    assert set(fold) == set(range(count))
    assert (np.diff(fold) >= 0).all()
    assert all(len(set(fold[days == day])) == 1 for day in np.unique(days))
    assert np.bincount(fold).max() - np.bincount(fold).min() <= 20


def test_folds_of_uneven_days_are_all_there() -> None:
    frame = pd.concat([FRAME, *[FRAME[FRAME["day"] == "2024-01-20"]] * 20], ignore_index=True)
    assert len(set(folds(late, frame.assign(late=True), 3))) >= 2


def test_folds_without_time_share_out_each_class() -> None:
    rare = FRAME.assign(ending=["lost"] * 5 + ["station"] * (len(FRAME) - 5))
    fold = folds(timeless, rare, 5, seed=3)
    assert sorted(fold[:5]) == [0, 1, 2, 3, 4]
    assert (folds(timeless, rare, 5, seed=3) == fold).all()
    assert (folds(timeless, rare, 5, seed=4) != fold).any()


def test_holdout_is_the_last_days() -> None:
    is_last = is_held_out(ended, FRAME, days=7)
    assert np.unique(days_of(ended, FRAME)[is_last]).tolist() == [date(2024, 2, day) for day in range(3, 10)]
    shuffled = FRAME.sample(frac=1, random_state=0)
    assert set(shuffled[is_held_out(ended, shuffled, days=7)]["trip"]) == set(FRAME[is_last]["trip"])


@pytest.mark.parametrize(
    ("every", "count", "expected"),  # days from one row to the next, rows
    [(1, 400, 28), (1, 56, 28), (1, 55, 11), (1, 20, 4), (1, 1, 1), (2, 200, 28), (7, 400, 190), (7, 100, 134)]
    + [(7, 12, 8), (30, 144, 811), (30, 24, 91), (30, 3, 1), (365, 30, 1826)],
)
def test_default_holdout_has_days_enough(every: int, count: int, expected: int) -> None:
    days = pd.Timestamp("1990-01-01") + pd.to_timedelta(np.arange(count) * every, unit="D")
    frame = FRAME.iloc[np.arange(count) % len(FRAME)].assign(day=days).sample(frac=1, random_state=0)
    assert days_to_hold_out(ended, frame) == expected
    assert count == 1 or 0 < is_held_out(ended, frame, expected).sum() < count


@pytest.mark.parametrize(("every", "count", "held_out"), [(30, 24, 5), (7, 27, 5), (7, 40, 8), (1, 13, 2), (1, 30, 6)])
def test_row_of_long_ago_holds_out_no_more(every: int, count: int, held_out: int) -> None:
    days = [pd.Timestamp("1970-01-01"), *pd.date_range("2024-01-01", periods=count, freq=f"{every}D")]
    frame = FRAME.iloc[: count + 1].assign(day=days)
    assert is_held_out(ended, frame, days_to_hold_out(ended, frame)).sum() == held_out


def test_default_holdout_of_rows_without_time_is_not_asked() -> None:
    assert days_to_hold_out(timeless, FRAME) == days_to_hold_out(ended, FRAME[:0]) == 28


def test_holdout_without_time_is_a_fifth() -> None:
    is_last = is_held_out(timeless, FRAME)
    assert is_last.mean() == 0.2
    assert set(FRAME[is_last]["ending"]) == set(FRAME["ending"])


@pytest.mark.parametrize(
    ("contract", "rows", "days", "remedy"),
    [
        (ended, 400, 40, "if the last 40 days are held out: hold out 1 to 39 of them"),
        (ended, 400, 0, "if the last 0 days are held out: hold out 1 to 39 of them"),
        (ended, 0, 7, "if the last 7 days are held out: take a longer table"),
        (timeless, 1, 7, "if a fifth of them are held out: take a table with five rows"),
    ],
)
def test_holdout_leaves_rows_to_learn_from(contract: Contract, rows: int, days: int, remedy: str) -> None:
    with pytest.raises(DaybookError, match=f"are too few to learn from {remedy}"):
        is_held_out(contract, FRAME.head(rows), days)


@pytest.mark.parametrize("contract", [ended, timeless], ids=["time", "no time"])
def test_out_of_fold_model_has_not_seen_its_rows(contract: Contract) -> None:
    frame = FRAME.sample(frac=1, random_state=1).reset_index(drop=True)

    def fit(rows: pd.DataFrame) -> set[str]:
        return set(rows["trip"])

    def predict(seen: set[str], columns: dict[str, np.ndarray]) -> np.ndarray:
        assert seen.isdisjoint(columns["trip"]) and len(seen) + len(columns["trip"]) == len(frame)
        return np.column_stack([columns["number"], -columns["number"]])

    predictions = out_of_fold(contract, frame, fit, predict)
    assert predictions[:, 0].tolist() == frame["number"].tolist()
    assert predictions.shape == (len(frame), 2)


def test_out_of_fold_works_for_a_single_day() -> None:
    day = example.sample(days=1)
    predictions = out_of_fold(example.contract, day, example.fit, example.predict)
    assert np.isfinite(predictions).all() and predictions.shape == (24,)


def test_origins_are_the_last_stretches_of_days() -> None:
    stretch, day = origins(ended, FRAME, days=5, count=3), days_of(ended, FRAME)
    assert set(stretch) == {-1, 0, 1, 2}
    for number in range(3):
        days = day[stretch == number]
        assert (days.max() - days.min()).astype(int) == 4 and (day.max() - days.max()).astype(int) == 5 * (2 - number)
    assert (origins(ended, FRAME, 5, 0) == -1).all()


def test_origins_refuse_what_leaves_nothing_to_learn_from() -> None:
    with pytest.raises(DaybookError, match="20 times 28 days reach back to .*, and no row is older than that"):
        origins(ended, FRAME, 28, 20)
    with pytest.raises(DaybookError, match="trips has no time, so its rows have no last days: leave out folds"):
        origins(timeless, FRAME)


def test_rolling_origins_predict_each_stretch_from_the_rows_before_only() -> None:
    seen = []

    def fit(rows: pd.DataFrame) -> np.datetime64:
        seen.append(days_of(ended, rows).max())
        return seen[-1]

    def predict(last: np.datetime64, columns: dict[str, np.ndarray]) -> np.ndarray:
        first = next(iter(columns.values()))
        return np.full(len(first), last.astype(int))

    mixed = FRAME.sample(frac=1, random_state=0).reset_index(drop=True)
    is_forecast, predictions = rolling_origins(ended, mixed, fit, predict, days=5, count=3)
    day = days_of(ended, mixed)
    assert len(seen) == 3 and is_forecast.sum() == len(predictions)
    assert (day[is_forecast].astype(int) > predictions).all() and (
        day[is_forecast].astype(int) <= predictions + 5
    ).all()
    assert (day[~is_forecast] <= seen[0]).all()
