"""Intervals by drawing days: of a mean, of a ratio, of few days and of many."""

import numpy as np
import pytest

from daybook.bootstrap import bootstrap_ci, bounds, ratio_ci, resample

RANDOM = np.random.default_rng(0)


def test_bootstrap_ci_covers_the_mean() -> None:
    mean, low, high = bootstrap_ci(RANDOM.normal(1, 1, 400) * 24, np.full(400, 24))
    assert low < mean < high and low < 1 < high and high - low < 0.3
    sums, counts = np.array([10.0, 0.0] * 10), np.array([1, 99] * 10)
    assert bootstrap_ci(sums, counts)[0] == 0.1, "the mean is over rows, not over days"


def test_bootstrap_ci_is_the_same_for_the_same_data() -> None:
    sums, counts = RANDOM.normal(size=50), np.full(50, 3)
    assert bootstrap_ci(sums, counts) == bootstrap_ci(sums, counts)
    wide, narrow = bootstrap_ci(sums, counts, 0.99), bootstrap_ci(sums, counts, 0.8)
    assert wide[1] < narrow[1] < narrow[2] < wide[2]


def test_bootstrap_ci_draws_days_not_rows() -> None:
    level = RANDOM.normal(0, 1, 30).repeat(24)  # all hours of a day share its weather
    by_hour = bootstrap_ci(level, np.ones(720))
    by_day = bootstrap_ci(level.reshape(30, 24).sum(axis=1), np.full(30, 24))
    assert by_day[2] - by_day[1] > 3 * (by_hour[2] - by_hour[1])


@pytest.mark.parametrize("days", [7, 28])
def test_bootstrap_ci_covers_as_often_as_it_says(days: int) -> None:
    weeks = np.random.default_rng(1).normal(1, 1, (300, days)) * 10
    covered = [low < 1 < high for _, low, high in (bootstrap_ci(week, np.full(days, 10)) for week in weeks)]
    assert 0.92 < np.mean(covered) < 0.99


def test_resample_puts_many_days_together() -> None:
    many = np.column_stack([RANDOM.normal(1, 1, 20_000), np.ones(20_000)])
    drawn = resample(many)
    assert drawn.shape == (4000, 2) and drawn[:, 1].mean() == pytest.approx(20_000, rel=0.01)
    low, high = bounds(drawn[:, 0] / drawn[:, 1], 20_000)
    assert high - low == pytest.approx(2 * 1.96 / np.sqrt(20_000), rel=0.1)


def test_bounds_of_one_day_are_infinite() -> None:
    assert bounds(np.ones(4000), 1) == (float("-inf"), float("inf"))


def test_ratio_ci_has_the_uncertainty_of_both_sides() -> None:
    now = np.column_stack([RANDOM.normal(12, 1, 28) * 24, np.full(28, 24)])
    sure, unsure = (np.column_stack([RANDOM.normal(10, sd, 28) * 24, np.full(28, 24)]) for sd in (0.01, 4))
    ratio, low, high = ratio_ci(now, sure)
    assert 1.1 < low < ratio < high < 1.3
    wide = ratio_ci(now, unsure)
    assert wide[2] - wide[1] > 3 * (high - low)
    assert ratio_ci(now, 0 * sure + [0, 1])[0] == float("inf")
