"""Grids: cuts never lie on values, and all that drift says follows from the cells."""

import numpy as np
import pytest

from daybook.grid import BARS, CELLS, bar_edges, bar_shares, bins_of, cuts_between, distinct, grid

RANDOM = np.random.default_rng(0)


def made(values: np.ndarray) -> tuple:
    """A grid of values, and their counts."""
    cut = grid(values, values.min(), values.max())
    return cut, np.bincount(cut.cell(values), minlength=cut.cells)


def test_distinct_takes_rounding_for_the_same_value() -> None:
    assert distinct(np.array([0.3, 0.1 + 0.2, 1, 1 + 1e-9, 2])).tolist() == [0.3, 1, 2]


@pytest.mark.parametrize("step", [0.1, 1, 7, 1e-3])
@pytest.mark.parametrize("count", [20, 5000])
def test_cuts_never_lie_on_values(step: float, count: int) -> None:
    values = RANDOM.integers(-count, count, 20_000) * step
    cut, _ = made(values)
    for other in (np.nextafter(values, 0), np.nextafter(values, np.inf), values.astype(np.float32).astype(float)):
        assert np.array_equal(cut.cell(other), cut.cell(values))
    every = np.arange(-count, count) * step  # also those that are not in the sample
    assert np.array_equal(cut.cell(every), cut.cell(every.astype(np.float32).astype(float)))


def test_cuts_make_cells_of_about_equally_many_rows() -> None:
    values = RANDOM.lognormal(size=50_000)
    cells = np.bincount(np.searchsorted(cuts_between(values), values))
    assert len(cells) == CELLS and cells.max() < 2 * cells.min()


def test_grid_knows_what_is_far_out_of_range() -> None:
    cut, _ = made(np.arange(101.0))
    where = cut.cell(np.array([-20.0, -5, 0, 50, 100, 105, 120]))
    assert cut.is_new[where].tolist() == [True, False, False, False, False, False, True]


def test_grid_of_a_constant_takes_any_other_value_for_new() -> None:
    cut, _ = made(np.full(9, 2.0))
    assert cut.is_new[cut.cell(np.array([1.9, 2, 2.1]))].tolist() == [True, False, True]
    assert cut.is_few and grid(np.array([])).cells == 1


def test_bins_have_about_equally_many_reference_rows() -> None:
    values = RANDOM.normal(size=10_000)
    cut, counts = made(values)
    p, q = bins_of(np.array([counts, counts]), np.array([counts, counts[::-1]]))
    assert p.shape == (2, 10) and p.min() > 900 and p.max() < 1100
    assert q.sum(axis=1).tolist() == [10_000, 10_000]


@pytest.mark.parametrize("values", [np.arange(24.0), RANDOM.normal(size=3000), np.full(5, 3.0), np.array([0.0, 1e9])])
def test_bars_share_out_all_values(values: np.ndarray) -> None:
    cut, counts = made(values)
    edges = bar_edges(cut, counts, values.min(), values.max())
    shares = bar_shares(cut, counts, values.min(), values.max(), edges)
    assert len(shares) <= BARS and 0.97 < shares.sum() <= 1.0001 and (np.diff(edges) > 0).all()


def test_bars_of_few_values_are_exact() -> None:
    cut, counts = made(np.repeat([1.0, 2.0, 5.0], [10, 60, 30]))
    assert bar_shares(cut, counts, 1, 5, bar_edges(cut, counts, 1, 5)) == pytest.approx([0.1, 0.6, 0.3])
