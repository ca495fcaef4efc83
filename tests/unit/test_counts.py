"""Counts: one pass, block by block, as exact as a data frame."""

import duckdb
import numpy as np
import pandas as pd
import pytest

from daybook import counts
from daybook.counts import Categories, Numbers, count, look_at, new_categories, new_numbers
from daybook.grid import grid
from daybook.usual import windows

RANDOM = np.random.default_rng(0)
FRAME = pd.DataFrame({"x": RANDOM.normal(1e6, 3, 5000), "place": RANDOM.choice(["a", "b", "c"], 5000)})
FRAME["day"] = RANDOM.integers(-3, 9, 5000)
FRAME.loc[::7, ["x", "place"]] = [np.nan, None]


@pytest.fixture(params=[100_000, 300])
def batch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All rows in one batch, or in several."""
    monkeypatch.setattr(counts, "BATCH", request.param)


@pytest.mark.usefixtures("batch")
def test_numbers_are_those_of_pandas() -> None:
    values = FRAME["x"].dropna().to_numpy()
    column = Numbers(grid(values, values.min(), values.max()))
    count(duckdb.from_df(FRAME), {"x": column}, "day")
    assert column.column.rows == len(FRAME) and len(column.column.counts) == FRAME["day"].nunique()
    assert column.column.missing.tolist() == FRAME["x"].isna().groupby(FRAME["day"]).sum().tolist()
    assert column.column.counts.sum(axis=1).tolist() == FRAME.groupby("day")["x"].count().tolist()
    assert column.mean == pytest.approx(values.mean(), rel=1e-12)
    assert column.deviation == pytest.approx(values.std(), rel=1e-9), "also far from 0"
    assert (column.low, column.high) == (values.min(), values.max())


@pytest.mark.usefixtures("batch")
def test_categories_are_those_of_pandas() -> None:
    column = Categories(["a", "c"])
    count(duckdb.from_df(FRAME), {"place": column}, "day")
    table = pd.crosstab(FRAME["day"], FRAME["place"])
    assert column.column.counts.tolist() == table[["a", "c", "b"]].to_numpy().tolist()
    assert {name: facts[0] for name, facts in column.values.items()} == FRAME["place"].value_counts().to_dict()
    assert all(facts[1:] == [-3, 8] for facts in column.values.values())


def test_categories_forget_after_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "MOST", 10)
    column = Categories([])
    count(duckdb.sql("SELECT CAST(range AS VARCHAR) AS id FROM range(100)"), {"id": column}, "true")
    assert len(column.values) == 10 and column.more == 90 and column.column.rows == 100


@pytest.mark.parametrize("block", ["true", "NULL", "hash(day) % 5", "day // 2"])
def test_count_takes_any_block(block: str) -> None:
    column = Categories(["a"])
    count(duckdb.from_df(FRAME), {"place": column}, block)
    assert column.column.rows == len(FRAME)


def test_numbers_take_odd_values_for_missing() -> None:
    rows = duckdb.sql("SELECT unnest(['1', 'NaN', 'inf', '-inf', NULL]::DOUBLE[]) AS x")
    column = Numbers(grid(np.array([1.0]), 1, 1))
    count(rows, {"x": column}, "true")
    assert column.column.missing.tolist() == [4] and column.mean == 1
    sample = look_at(rows, ["x"])["x"]
    assert (sample.values.tolist(), sample.low, sample.high) == ([1], 1, 1)


def test_look_at_draws_the_same_rows_again() -> None:
    rows = duckdb.sql("SELECT range::DOUBLE AS x FROM range(300_000)")
    first, second = (look_at(rows, ["x"])["x"] for _ in range(2))
    assert 90_000 < len(first.values) < 110_000 and np.array_equal(first.values, second.values)
    assert (first.low, first.high) == (0, 299_999)
    assert look_at(rows, []) == {}


def test_new_is_what_no_other_block_has() -> None:
    frame = pd.DataFrame({"block": np.repeat(range(10), 2), "x": 10 * [0.0, 1.0], "place": 10 * ["a", "b"]})
    frame.loc[8, ["x", "place"]] = [5.0, "z"]  # in block 4
    spans = windows(10, 2, 10)
    columns = {"x": Numbers(grid(frame["x"].to_numpy(), 0, 5)), "place": Categories(["a", "b"])}
    count(duckdb.from_df(frame), columns, "block")
    expected = [0, 0, 0, 0.25, 0.25, 0, 0, 0, 0]
    assert new_numbers(columns["x"].column, spans, columns["x"].grid.middles).tolist() == expected
    assert new_categories(columns["place"], spans).tolist() == expected


def test_text_of_an_older_contract_is_a_missing_number() -> None:
    column = Numbers(grid(np.array([1.0, 2.0, 3.0]), 1.0, 3.0))
    count(duckdb.sql("SELECT unnest(['1.5', 'L', '2.5']) AS x, 0 AS day"), {"x": column}, "day")
    assert (column.column.rows, column.column.missing) == (3, 1)
