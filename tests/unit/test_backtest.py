"""The rule by which a candidate becomes champion, and what to train next."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from daybook.backtest import compare_candidates, percent, propose_retraining

RULE = {"min_rows": 200, "min_gain": 0.02}


@pytest.fixture
def days() -> pd.DataFrame:
    """Losses of twenty days: `b` is as good as the champion, `c` saves a tenth, `d` saves a hundredth for sure."""
    random = np.random.default_rng(1)
    made = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=20), "n": 24})
    made["a"] = 24 * random.normal(10, 1, 20)
    made["b"] = made["a"] + random.normal(0, 5, 20)
    made["c"] = 0.9 * made["a"] + random.normal(0, 5, 20)
    return made.assign(d=0.99 * made["a"])


def test_compare_candidates_promotes_the_best(days: pd.DataFrame) -> None:
    found = compare_candidates(days, "a", ["b", "c"], **RULE)
    assert (found.candidate, found.verdict, found.level, found.missed) == ("c", "promote", 0.975, [])
    assert found.low < found.difference < found.high < 0 and all(condition.is_met for condition in found.rule)
    assert [condition.name for condition in found.rule] == ["days", "rows", "gain", "interval"]


def test_compare_candidates_says_what_was_missed(days: pd.DataFrame) -> None:
    found = compare_candidates(days, "a", ["d"], **RULE)
    assert found.verdict == "keep" and found.missed == ["saves 1 %, needs 2 %"]
    [gain] = [condition for condition in found.rule if condition.name == "gain"]
    assert (gain.needed, gain.is_met) == (0.02, False) and gain.found == pytest.approx(0.01)
    same = compare_candidates(days, "a", ["b"], **RULE)
    assert same.verdict == "keep" and "needs to end below zero" in same.missed[-1]
    worse = compare_candidates(days.assign(e=1.1 * days["a"]), "a", ["e"], **RULE)
    assert worse.missed[0] == "adds 10 %, has to save 2 %"


def test_compare_candidates_needs_days_and_rows(days: pd.DataFrame) -> None:
    few_days = compare_candidates(days.head(6), "a", ["c"], 100, 0.02)
    assert (few_days.verdict, few_days.low, few_days.missed[0]) == ("keep", None, "has 6 days, needs 7")
    assert few_days.difference < 0
    few_rows = compare_candidates(days, "a", ["c"], 1000, 0.02)
    assert few_rows.verdict == "keep" and few_rows.high is None and few_rows.missed[0] == "has 480 rows, needs 1,000"
    assert compare_candidates(days, "a", [], **RULE) is None


def test_compare_candidates_takes_losses_of_zero_and_below(days: pd.DataFrame) -> None:
    never = compare_candidates(days.assign(a=0.0, b=0.0), "a", ["b"], **RULE)
    assert never.verdict == "keep" and never.difference == 0
    more = compare_candidates(days.assign(a=-24.0, b=-36.0), "a", ["b"], **RULE)
    assert (more.verdict, more.rule[2].words) == ("promote", "saves 50 %, needs 2 %")
    assert compare_candidates(days.assign(a=-24.0, b=-24.1), "a", ["b"], **RULE).verdict == "keep"
    assert compare_candidates(days.assign(a=0.0, b=-1.0), "a", ["b"], **RULE).verdict == "promote"


def test_percent_has_three_digits() -> None:
    assert [percent(share) for share in (0.0123, 0.975, 0.314, 1.5)] == ["1.23 %", "97.5 %", "31.4 %", "150 %"]


def test_propose_retraining_ends_where_the_window_begins() -> None:
    found = propose_retraining(date(2024, 7, 1), {"source": "my rows.csv"})
    assert (found.end, found.starts[0]) == (date(2024, 7, 1), date(2024, 4, 2))
    words = "-p 'source=my rows.csv' -p start=2024-04-02,2024-01-03,2023-10-05 -p end=2024-07-01"
    assert found.command == f"daybook sweep train {words}"
    monthly = propose_retraining(date(2024, 7, 1), {}, days=196)
    assert monthly.starts[0] == date(2024, 7, 1) - timedelta(days=630), "three rows of each kind would be no table"
    assert "source" not in propose_retraining(date(2024, 7, 1), {}).command
