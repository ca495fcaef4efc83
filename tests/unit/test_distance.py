"""Distances: what SciPy says, and what chance does."""

import numpy as np
import pytest
import scipy.stats
from scipy.spatial.distance import jensenshannon

from daybook.distance import angle, chance_angle, chance_distance, cohen_h, jensen_shannon, psi, share_of, wasserstein

RANDOM = np.random.default_rng(0)


def test_psi_is_relative_entropy_both_ways() -> None:
    p, q = [50, 30, 20], [40, 30, 30]
    assert psi(p, q) == pytest.approx(scipy.stats.entropy(p, q) + scipy.stats.entropy(q, p), abs=1e-12)
    assert psi(p, p) == 0
    assert 0 < psi([50, 50, 0], [50, 49, 1]) < 0.1, "an empty bin counts as half a row"


def test_psi_leaves_out_bins_that_are_empty_on_both_sides() -> None:
    assert psi([50, 0, 50], [25, 0, 75]) == psi([50, 50], [25, 75])
    assert psi([0, 0], [0, 0]) == 0


def test_jensen_shannon_is_scipys() -> None:
    p, q = RANDOM.random((5, 9)), RANDOM.random((5, 9))
    expected = [jensenshannon(a, b, base=2) for a, b in zip(p, q, strict=True)]
    assert jensen_shannon(p, q) == pytest.approx(expected, abs=1e-12)
    assert jensen_shannon(p[0], q[0]) == pytest.approx(expected[0], abs=1e-12)


def test_jensen_shannon_of_an_empty_side_is_1() -> None:
    assert jensen_shannon([0, 0], [1, 2]) == 1 and jensen_shannon([0], [0]) == 0


def test_cohen_h_is_larger_at_the_ends() -> None:
    assert cohen_h(0.0, 0.03) > 0.2 > cohen_h(0.50, 0.53) > 0
    assert cohen_h(0.03, 0.0) == -cohen_h(0.0, 0.03)
    assert share_of(float(angle(0.3))) == pytest.approx(0.3)


@pytest.mark.parametrize("shift", [0, 0.3, 100])
def test_wasserstein_is_scipys_where_each_value_has_a_cell(shift: float) -> None:
    few, many = RANDOM.normal(size=300).round(1), RANDOM.normal(shift, 1.2, size=2000).round(1)
    values = np.unique(np.concatenate([few, many]))
    p, q = (np.bincount(np.searchsorted(values, x), minlength=len(values)) for x in (few, many))
    assert wasserstein(p, q, values) == pytest.approx(scipy.stats.wasserstein_distance(few, many), abs=1e-9)
    assert wasserstein(np.array([p, p]), np.array([q, p]), values)[1] == 0


def test_wasserstein_of_nothing_is_0() -> None:
    assert wasserstein(np.array([0, 0]), np.array([1, 2]), np.array([1.0, 2.0])) == 0


@pytest.mark.parametrize("n, m", [(28, 2000), (168, 168), (1000, 9000)])
def test_chance_is_what_samples_of_one_population_differ_by(n: int, m: int) -> None:
    p, q = RANDOM.multinomial(m, np.full(10, 0.1), 4000), RANDOM.multinomial(n, np.full(10, 0.1), 4000)
    assert np.mean(jensen_shannon(p, q) > chance_distance(p[0], q[0], 0.01)) < 0.02
    gaps = cohen_h(RANDOM.binomial(m, 0.3, 4000) / m, RANDOM.binomial(n, 0.3, 4000) / n)
    assert np.mean(gaps > chance_angle(n, m, 0.01)) < 0.02


def test_chance_of_one_row_is_everything() -> None:
    assert chance_distance(np.array([1, 0]), np.array([0, 1]), 0.001) > 1
