"""Distances: what SciPy says, and how much change is normal."""

import duckdb
import numpy as np
import pandas as pd
import pytest
import scipy.stats
from scipy.spatial.distance import jensenshannon

from daybook.distance import distances, jensen_shannon, permutation_threshold, psi

RANDOM = np.random.default_rng(0)


def relation(values: np.ndarray) -> duckdb.DuckDBPyRelation:
    """A column of numbers."""
    return duckdb.from_df(pd.DataFrame({"x": values}))


def test_psi_is_relative_entropy_both_ways() -> None:
    p, q = [50, 30, 20], [40, 30, 30]
    assert psi(p, q) == pytest.approx(scipy.stats.entropy(p, q) + scipy.stats.entropy(q, p), abs=1e-12)
    assert psi(p, p) == 0
    assert 0 < psi([50, 50, 0], [50, 49, 1]) < 0.1, "an empty bin counts as half a row"


def test_jensen_shannon_is_scipys() -> None:
    p, q = RANDOM.random(9), RANDOM.random(9)
    assert jensen_shannon(p, q) == float(jensenshannon(p, q, base=2))
    assert jensen_shannon([0, 0], [1, 2]) == 1 and jensen_shannon([0], [0]) == 0


@pytest.mark.parametrize("at_once", [10_000_000, 100])
def test_distances_are_scipys(at_once: int) -> None:
    few, many = RANDOM.normal(size=300).round(1), RANDOM.normal(0.3, 1.2, size=2000).round(1)
    for a, b in ((few, many), (many, few), (few, few), (few, many + 100)):
        area, gap = distances(relation(a), relation(b), at_once)
        assert area == pytest.approx(scipy.stats.wasserstein_distance(a, b), abs=1e-10)
        assert gap == pytest.approx(scipy.stats.ks_2samp(a, b).statistic, abs=1e-12)


def test_distances_of_one_value() -> None:
    assert distances(relation([1.0]), relation([3.0])) == (2.0, 1.0)
    assert distances(relation([2.0, 2.0]), relation([2.0])) == (0.0, 0.0)


def test_permutation_threshold_is_what_blocks_differ_by() -> None:
    weeks = RANDOM.multinomial(168, np.full(10, 0.1), size=10)
    kinds = np.array([np.roll([60, 60, 48] + 7 * [0], number) for number in range(10)])
    assert permutation_threshold(weeks[:6], weeks[6:]) < 0.1
    assert permutation_threshold(kinds[:6], kinds[6:]) > 1
    assert permutation_threshold(kinds[:1], kinds[6:]) == permutation_threshold(kinds[:6], kinds[6:7]) == 0
    assert permutation_threshold(kinds[:6], kinds[6:]) == permutation_threshold(kinds[:6], kinds[6:]), "no chance"
