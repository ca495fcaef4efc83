"""The backtest's rule: intervals by drawing days, candidates beside the champion, the service beside what it was."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from daybook import example
from daybook.backtest import bootstrap_ci, check_degradation, compare_candidates, default_tolerance, propose_retraining
from daybook.scores import IN_SERVICE

RANDOM = np.random.default_rng(0)
RULE = {"metric": "mae", "min_rows": 200, "min_gain": 0.02}


@pytest.fixture
def days() -> pd.DataFrame:
    """Losses of twenty days: `b` is as good as the champion, `c` saves a tenth, `d` saves a hundredth for sure."""
    random = np.random.default_rng(1)
    made = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=20), "n": 24})
    made["a"] = made[IN_SERVICE] = 24 * random.normal(10, 1, 20)
    made["b"] = made["a"] + random.normal(0, 5, 20)
    made["c"] = 0.9 * made["a"] + random.normal(0, 5, 20)
    return made.assign(d=0.99 * made["a"])


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


def test_compare_candidates_promotes_the_best(days: pd.DataFrame) -> None:
    found = compare_candidates(days, "a", ["b", "c"], **RULE)
    assert (found.candidate, found.verdict, found.level) == ("c", "promote", 0.975)
    assert found.low < found.difference < found.high < 0 and all(found.rule.values())


@pytest.mark.parametrize(
    "candidate, missed",
    [
        ("b", ["saves at least 2% of the champion's mae", "the 95.0% interval of the difference is below zero"]),
        ("d", ["saves at least 2% of the champion's mae"]),
    ],
)
def test_compare_candidates_keeps_the_champion(days: pd.DataFrame, candidate: str, missed: list[str]) -> None:
    found = compare_candidates(days, "a", [candidate], **RULE)
    assert found.verdict == "keep" and [name for name, is_met in found.rule.items() if not is_met] == missed


def test_compare_candidates_needs_days_and_rows(days: pd.DataFrame) -> None:
    few_days = compare_candidates(days.head(6), "a", ["c"], "mae", 100, 0.02)
    assert (few_days.verdict, few_days.low, few_days.rule["at least 7 days and 100 rows"]) == ("keep", None, False)
    assert few_days.difference < 0
    few_rows = compare_candidates(days, "a", ["c"], "mae", 1000, 0.02)
    assert few_rows.verdict == "keep" and few_rows.high is None
    assert compare_candidates(days, "a", [], **RULE) is None


def test_check_degradation_is_an_alert_beyond_what_is_tolerated(days: pd.DataFrame) -> None:
    mean = days[IN_SERVICE].sum() / days["n"].sum()
    alert = check_degradation(days, mean / 2, 1.5, "mae", 200)
    assert alert == f"mae is {mean:.4g}, 2.0 times the {mean / 2:.4g} that the model had when it was made"
    assert check_degradation(days, mean / 2, 2.5, "mae", 200) is None
    assert check_degradation(days, mean / 1.51, 1.5, "mae", 200) is None, "the lower bound has to be beyond it"
    assert check_degradation(days, mean / 1.51, 1.2, "mae", 200)


def test_check_degradation_needs_something_to_compare(days: pd.DataFrame) -> None:
    assert check_degradation(days, None, 1.5, "mae", 200) is None
    assert check_degradation(days, 1.0, 1.5, "mae", 1000) is None
    assert check_degradation(days.head(6), 1.0, 1.5, "mae", 100) is None


def test_default_tolerance_depends_on_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_tolerance(example.contract) == 1.5
    monkeypatch.setattr(type(example.contract), "task", "binary")
    assert default_tolerance(example.contract) == 1.2


def test_propose_retraining_ends_where_the_window_begins() -> None:
    found = propose_retraining(date(2024, 7, 1), {"source": "my rows.csv"})
    assert (found.end, found.starts[0]) == (date(2024, 7, 1), date(2024, 4, 2))
    words = "-p 'source=my rows.csv' -p start=2024-04-02,2024-01-03,2023-10-05 -p end=2024-07-01"
    assert found.command == f"daybook sweep train {words}"
    assert "source" not in propose_retraining(date(2024, 7, 1), {}).command
