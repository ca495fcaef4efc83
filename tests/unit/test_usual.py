"""What is usual: windows of the past, extrapolated."""

import numpy as np
import pytest

from daybook.distance import permuted
from daybook.usual import FALSE_ALERTS, Column, beyond, either_way, level, lost_share, usual, windows

RANDOM = np.random.default_rng(0)
MIDDLES = np.arange(10.0)


def column(counts: np.ndarray, missing: np.ndarray | int = 0) -> Column:
    """A column of counts, without missing values unless they are given."""
    return Column(counts, np.broadcast_to(missing, len(counts)))


def weeks(blocks: int, rows: int = 168) -> np.ndarray:
    """Blocks that have nothing to do with each other."""
    return RANDOM.multinomial(rows, np.full(10, 0.1), size=blocks)


def bound_of(counts: np.ndarray, window: np.ndarray, size: int = 7, **options: object) -> object:
    """What is usual for a window."""
    spans = windows(len(counts), size, 10)
    new = np.zeros(len(spans.first))
    return usual(column(counts), new, column(counts[:10]), column(window), spans, 0.001, MIDDLES, **options)


def test_windows_have_as_many_blocks_around_as_the_reference() -> None:
    spans = windows(blocks=91, size=7, reference=10)
    around, within = spans.sums(np.ones((91, 1), dtype=int))
    assert set(around.ravel()) == {10} and set(within.ravel()) == {7}
    assert spans.independent == (91 - 10) / 7


def test_windows_beside_all_of_the_rest() -> None:
    spans = windows(blocks=20, size=4, reference=20)
    around, _ = spans.sums(np.ones((20, 1), dtype=int))
    assert set(around.ravel()) == {16} and len(spans.first) == 17


def test_windows_beside_the_window_before() -> None:
    spans = windows(blocks=20, size=4, reference=4, is_before=True)
    counts = np.arange(20)[:, None]
    around, within = spans.sums(counts)
    assert ((within - around) == 16).all(), "each block is four later"


@pytest.mark.parametrize("blocks", [0, 3, 7])
def test_windows_may_be_none(blocks: int) -> None:
    assert windows(blocks, 7, 10).independent < 5


def test_beyond_is_exceeded_as_seldom_as_it_says() -> None:
    bounds = np.array([beyond(RANDOM.normal(size=13), 13, 0.002) for _ in range(2000)])
    assert 0.0005 < np.mean(RANDOM.normal(size=(2000, 200)) > bounds[:, None]) < 0.003
    assert beyond(np.array([0.0, 0, 0, 9]), 4, 0.5) == 9, "at least what was seen"
    assert either_way(np.array([-2.0, 1]), 2, 0.4) >= 2


def test_level_is_shared_by_the_columns() -> None:
    assert level(100) == FALSE_ALERTS / 100 and level(1) == level(10)


def test_usual_is_more_where_weeks_are_of_a_kind_of_their_own() -> None:
    kinds = np.array([np.roll([60, 60, 48] + 7 * [0], at) for at in RANDOM.integers(0, 10, 91)])
    quiet, restless = bound_of(weeks(91), weeks(7)), bound_of(kinds, kinds[:7])
    assert quiet.distance < 0.15 < 0.3 < restless.distance
    assert 2 * quiet.shift < restless.shift


def test_usual_is_more_for_few_rows() -> None:
    counts = weeks(91)
    many, few = bound_of(counts, weeks(7)), bound_of(counts, weeks(7, rows=4))
    assert few.distance > 2 * many.distance and few.gaps > many.gaps


def test_usual_cancels_a_trend() -> None:
    rising = np.array([np.roll([60, 60, 48] + 7 * [0], at // 13) for at in range(91)])
    shuffled = RANDOM.permutation(rising)
    assert bound_of(rising, rising[:7]).shift < bound_of(shuffled, rising[:7]).shift * 2


def test_usual_knows_gaps_that_come_in_bursts() -> None:
    counts, none, bursts = weeks(91), np.zeros(91, dtype=int), np.zeros(91, dtype=int)
    bursts[::20] = 500
    spans, new = windows(91, 7, 10), np.zeros(83)
    new = np.zeros(len(spans.first))
    calm, lively = (
        usual(Column(counts, gaps), new, column(counts[:10]), column(counts[:7]), spans, 0.001, MIDDLES)
        for gaps in (none, bursts)
    )
    assert lively.gaps > 2 * calm.gaps


def test_usual_of_few_blocks_rests_on_permutations() -> None:
    counts = weeks(8)
    spans = windows(8, 8, 8)
    bound = usual(column(counts), None, column(counts), column(counts), spans, 0.001, MIDDLES)
    assert 0 < bound.distance < 0.2 and bound.shift is None


def test_permuted_is_what_blocks_differ_by() -> None:
    kinds = np.array([np.roll([60, 60, 48] + 7 * [0], number) for number in range(10)])
    quiet, restless = (np.column_stack([rows, np.full(10, 3)]) for rows in (weeks(10), kinds))
    assert permuted(quiet[:6], quiet[6:])[0] < 0.15 < 0.5 < permuted(restless[:6], restless[6:])[0]
    assert permuted(quiet[:1], quiet[1:]) == permuted(quiet[:6], quiet[6:7]) == (0, 0)
    assert permuted(restless[:6], restless[6:]) == permuted(restless[:6], restless[6:]), "no chance"


def test_lost_share_counts_what_is_absent() -> None:
    reference = np.array([[70, 20, 10], [70, 20, 10], [70, 20, 10]])
    window = np.array([[50, 0, 0], [50, 1, 0], [0, 0, 0]])
    assert lost_share(reference, window).tolist() == [0.2, 0, 0]
