"""Values between those that were learned: another unit is found where the distribution does not tell."""

import duckdb
import numpy as np
import pandas as pd
import pytest

from daybook.change import words
from daybook.drift import compare
from daybook.lattice import between, decimal_places, lattice, usual_between

RANDOM = np.random.default_rng(0)
CELSIUS = np.round(20 + RANDOM.normal(0, 2, (52, 1)) + RANDOM.normal(0, 8, (52, 300))) / 2  # a year of weeks


def single(values: np.ndarray) -> np.ndarray:
    """Numbers as 32 bits hold them."""
    return values.astype(np.float32).astype(float)


def share(learned: np.ndarray, window: np.ndarray) -> float:
    """How many of a window's values lie between the learned ones."""
    found = lattice(learned.ravel())
    return between(found, window)[0] if found else 0.0


def changes(learned: np.ndarray, window: np.ndarray) -> list[str]:
    """Reasons and words of a column of numbers, with a row in `learned` for each week."""
    weeks = pd.DataFrame({"x": learned.ravel(), "day": np.repeat(np.arange(len(learned)), learned.shape[1])})
    now = pd.DataFrame({"x": window, "day": np.arange(len(window)) % 7 + 10_000})
    [change] = compare(duckdb.from_df(weeks), duckdb.from_df(now), {"x": "number"}, duckdb.from_df(weeks), "day")
    return [*change.reasons, words(change)]


@pytest.mark.parametrize(
    ("values", "places"),
    [
        ([1.0, -20.0], 0),
        ([0.1 + 0.2, 5], 1),
        ([1e9 + 0.25], 0),
        ([np.float32(12.34), 12.3], 2),
        ([1 / 3], None),
        ([], None),
    ],
)
def test_decimal_places_are_what_it_takes_to_write_a_number(values: list[float], places: int | None) -> None:
    assert decimal_places(np.array(values)) == places


def test_one_value_in_a_thousand_may_have_more_places() -> None:
    assert decimal_places(np.array([1 / 3] + 999 * [0.5])) == 1
    assert decimal_places(np.array([1 / 3] + 99 * [0.5])) is None


def test_another_unit_lies_between() -> None:
    assert share(CELSIUS, CELSIUS[0]) < 0.02
    assert share(CELSIUS * 1.8 + 32, CELSIUS[0] + 40) > 0.5


@pytest.mark.parametrize("change", [np.round, single, lambda values: values + 1e-13, lambda values: values + 0.02])
def test_other_digits_of_the_same_numbers_are_no_change(change) -> None:
    assert share(CELSIUS, change(CELSIUS[0])) < 0.02
    assert share(change(CELSIUS), CELSIUS[0]) < 0.02


def test_values_out_of_range_do_not_lie_between() -> None:
    assert share(CELSIUS, CELSIUS[0] + 500) == 0


def test_a_week_in_another_unit_is_drift() -> None:
    learned, week = np.round(CELSIUS * 1.8 + 32, 2), CELSIUS[0] + 40
    reason, told = changes(learned, week)[-2:]
    assert reason == "between the values" and "lie between the values that were seen, as in another unit" in told
    assert "between the values" not in changes(learned, learned[0])


def test_prices_of_which_each_week_has_its_own_are_no_drift() -> None:
    prices = np.round(100 + RANDOM.integers(0, 20_000, (52, 40)) / 7, 2).repeat(10, axis=1)
    assert share(prices, prices[0] + 0.37) > 0.5
    assert "between the values" not in changes(prices, prices[0] + 0.37)


def test_where_there_is_one_period_nothing_is_usual() -> None:
    rows = duckdb.sql("SELECT x % 10 AS x, x // 10 AS day FROM range(100) r(x)")
    assert (usual_between(rows, "x", "1", 0), usual_between(rows, "x", "day", 0)) == (1, 0)


def test_columns_without_a_pattern_have_no_lattice() -> None:
    assert lattice(RANDOM.random(1_000)) is None
    assert lattice(np.arange(24.0)) is None
    assert len(lattice(np.arange(50) / 50).values) == 50
