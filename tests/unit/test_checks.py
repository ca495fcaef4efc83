"""Checks of a service: as good as when made, better than a baseline, right on average; or not to be told."""

import numpy as np
import pandas as pd
import pytest

from daybook import example
from daybook.checks import check_baseline, check_calibration, check_degradation, default_tolerance
from daybook.scores import IN_SERVICE


@pytest.fixture
def days() -> pd.DataFrame:
    """Losses of twenty days."""
    random = np.random.default_rng(1)
    made = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=20), "n": 24})
    made["a"] = made[IN_SERVICE] = 24 * random.normal(10, 1, 20)
    return made.assign(noise=24 * random.normal(0, 0.4, 20))


def made(mean: float, count: int = 30, sd: float = 0.1) -> pd.DataFrame:
    """Losses of a model's own rows."""
    values = np.random.default_rng(2).normal(mean, sd, count)
    return pd.DataFrame({"day": pd.date_range("2023-01-01", periods=count), "n": 24, "loss": 24 * values})


def test_degradation_is_an_alert_beyond_what_is_tolerated(days: pd.DataFrame) -> None:
    check = check_degradation(days, made(5), 1.5, "mae", 200)
    assert check.is_alert and 1.9 < check.low < check.ratio < check.high < 2.2 and check.most == 1.5
    assert "times the 4.992" in check.words and "1.5 is tolerated" in check.words
    assert not check_degradation(days, made(5), 2.5, "mae", 200).is_alert
    assert not check_degradation(days, made(6.6), 1.5, "mae", 200).is_alert, "the lower bound has to be beyond it"


def test_degradation_has_the_uncertainty_of_when_it_was_made(days: pd.DataFrame) -> None:
    sure, unsure = (check_degradation(days, made(6, 14, sd), 1.5, "mae", 200) for sd in (0.05, 3))
    assert sure.is_alert and not unsure.is_alert and unsure.low < sure.low


@pytest.mark.parametrize(
    "then, few, sentence",
    [
        (None, 200, "is not known"),
        (made(1, 6), 200, "rests on 6 days only"),
        (made(1), 1000, "480 rows are too few, 1,000 are needed"),
        (made(0, sd=0), 200, "of which there is no ratio"),
    ],
)
def test_degradation_cannot_be_told(days: pd.DataFrame, then: pd.DataFrame | None, few: int, sentence: str) -> None:
    check = check_degradation(days, then, 1.5, "mae", few)
    assert check.ratio is None and not check.is_alert and sentence in check.words


def test_default_tolerance_depends_on_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_tolerance(example.contract) == 1.5
    monkeypatch.setattr(type(example.contract), "task", "binary")
    assert default_tolerance(example.contract) == 1.2


@pytest.mark.parametrize(
    "factor, is_alert, sentence",
    [
        (1.0, True, "the champion is no better than the last value: mae is"),
        (0.8, True, "% worse than the last value"),
        (1.01, True, "the champion is not clearly better than the last value"),
        (2.0, False, "the champion is 50 % better than the last value"),
    ],
)
def test_baseline_has_to_be_beaten_by_more_than_chance(
    days: pd.DataFrame, factor: float, is_alert: bool, sentence: str
) -> None:
    naive = factor * days["a"] + (days["noise"] if factor == 1.01 else 0)
    check = check_baseline(days.assign(naive=naive), "a", {"naive": "last value"}, "mae", 200)
    assert check.is_alert is is_alert and sentence in check.words


def test_baseline_is_the_better_of_two(days: pd.DataFrame) -> None:
    found = days.assign(naive=2 * days["a"], median=0.9 * days["a"])
    check = check_baseline(found, "a", {"naive": "last value", "median": "median"}, "mae", 200)
    assert check.is_alert and "than the median: " in check.words and check.ratio == pytest.approx(1 / 0.9)


def test_baseline_cannot_be_told(days: pd.DataFrame) -> None:
    assert "there is no baseline" in check_baseline(days, "a", {}, "mae", 200).words
    few = check_baseline(days.head(6).assign(b=1.0), "a", {"b": "median"}, "mae", 10)
    assert few.ratio is None and few.words == "6 days are too few, 7 are needed"


@pytest.mark.parametrize(("saved", "is_alert"), [(0.05, False), (0.01, True), (-0.01, True)])
def test_what_is_better_than_a_baseline_by_chance_is_an_alert_unless_it_would_matter(
    days: pd.DataFrame, saved: float, is_alert: bool
) -> None:
    """A model that is nearly as good as any can be saves a twentieth of a rare outcome's log loss."""
    noise = np.resize([0.5, 1.5], len(days)) * days["a"].mean()
    own = days["a"].mean() * (1 - saved) + days["a"].mean() - noise
    check = check_baseline(days.assign(a=own, b=noise), "a", {"b": "base rate"}, "log_loss", 200)
    assert check.low < 1 < check.high and check.ratio == pytest.approx(1 - saved, abs=0.01)
    assert check.is_alert == is_alert


def test_calibration_is_an_alert_if_much_more_or_less_happens() -> None:
    random, day = np.random.default_rng(0), np.repeat(np.arange(28), 50)
    y_pred = random.beta(2, 8, len(day))
    y_true = (random.random(len(day)) < y_pred).astype(float)
    alerts = [
        check_calibration(day, y_true, np.minimum(f * y_pred, 1), [], 200)[0].is_alert
        for f in (0.6, 0.95, 1, 1.05, 1.6)
    ]
    assert alerts == [True, False, False, False, True]


def test_calibration_looks_at_each_class() -> None:
    random, day = np.random.default_rng(0), np.repeat(np.arange(28), 50)
    y_true = random.choice(3, len(day), p=[0.6, 0.3, 0.1]).astype(float)
    y_pred = np.tile([0.6, 0.2, 0.2], (len(day), 1))
    found = check_calibration(day, y_true, y_pred, ["a", "b", "c"], 200)
    assert [check.name for check in found] == [f"calibration of {name}" for name in "abc"]
    assert [check.is_alert for check in found] == [False, True, True]
    assert found[1].words.startswith("b: 20 % was predicted and")


def test_calibration_of_rare_events_is_left_to_chance() -> None:
    day = np.repeat(np.arange(28), 50)
    [rare] = check_calibration(day, np.zeros(len(day)), np.full(len(day), 0.002), [], 200)
    assert not rare.is_alert and "too few to tell" in rare.words
    [never] = check_calibration(day, np.zeros(len(day)), np.full(len(day), 0.2), [], 200)
    assert never.is_alert and never.ratio is None, "280 were predicted and none happened"
    [few] = check_calibration(day[:100], np.zeros(100), np.full(100, 0.5), [], 50)
    assert few.ratio is None and "too few" in few.words


def test_baseline_of_losses_without_a_ratio_is_said_by_the_difference(days: pd.DataFrame) -> None:
    """A baseline that is never wrong, and a loss that is a profit."""
    perfect = check_baseline(days.assign(naive=0.0), "a", {"naive": "last value"}, "mae", 200)
    assert perfect.is_alert and "is worse than the last value: mae is" in perfect.words and perfect.ratio is None
    profit = days.assign(a=-12.0 * 24 + days["noise"], naive=-5.0 * 24)
    better = check_baseline(profit, "a", {"naive": "median"}, "loss", 200)
    assert not better.is_alert and "is better than the median: loss is -1" in better.words
    worse = check_baseline(profit, "naive", {"a": "median"}, "loss", 200)
    assert worse.is_alert and "is worse than the median" in worse.words and "nan" not in worse.words
