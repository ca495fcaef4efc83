"""Drift: its measures are SciPy's, planted changes are found, and odd columns are a line in the table."""

from datetime import date
from typing import Any, Literal

import duckdb
import numpy as np
import pandas as pd
import pytest
import scipy.stats
from pydantic import BaseModel, Field
from scipy.spatial.distance import jensenshannon

from daybook import example
from daybook.change import comparable, words
from daybook.contract import Contract
from daybook.drift import compare

KINDS = comparable(example.contract)


def table(values: list[Any], kind: str) -> duckdb.DuckDBPyRelation:
    """A column, x."""
    return duckdb.from_df(pd.DataFrame({"x": pd.Series(values, dtype=object)})).project(f"CAST(x AS {kind}) AS x")


def changes(before: pd.DataFrame, after: pd.DataFrame, **options: Any) -> dict[str, Any]:
    """Each column's change, by name."""
    found = compare(duckdb.from_df(before), duckdb.from_df(after), options.pop("kinds", KINDS), **options)
    return {change.name: change for change in found}


def test_comparable_follows_the_contract() -> None:
    class Row(BaseModel):
        day: date
        carrier: Literal["ship", "rail"]
        level: Literal[1, 2]
        is_express: bool = Field(alias="express")
        weight: float | None = None
        sender: str = Field(json_schema_extra={"iolog": "hash"})
        note: str = Field(json_schema_extra={"iolog": "drop"})
        version: int

    class LabelledRow(Row):
        late: bool

    contract = Contract(LabelledRow, target="late", key=("day",), time="day", name="parcels")
    expected = {"carrier": "category", "level": "number", "express": "category", "weight": "number"}
    assert comparable(contract) == expected | {"version_": "number"}


def test_measures_are_scipys() -> None:
    before, after = example.sample(60, seed=1), example.sample(40, "2024-05-01", seed=2)
    found = changes(before, after)
    assert set(found) == {"hour", "temp", "weather", "holiday"}
    for name, change in found.items():
        a, b = before[name].dropna(), after[name].dropna()
        assert (change.rows, change.reference_rows) == (len(after), len(before))
        assert change.nulls == pytest.approx(after[name].isna().mean())
        if change.kind == "number":
            a, b = a.astype(float), b.astype(float)
            distance = scipy.stats.wasserstein_distance(a, b) / a.std(ddof=0)
            assert change.wasserstein == pytest.approx(distance, abs=5e-3), name
            assert change.mean == pytest.approx(b.mean()) and change.deviation == pytest.approx(b.std(ddof=0))
            assert change.reference_mean == pytest.approx(a.mean()) and change.seen == (a.min(), a.max())
            continue
        p, q = (x.value_counts().reindex(before[name].dropna().unique()).fillna(0).to_numpy() for x in (a, b))
        assert change.jensen_shannon == pytest.approx(jensenshannon(p, q, base=2), abs=1e-12)
        relative = scipy.stats.entropy(p, q) + scipy.stats.entropy(q, p)
        assert change.psi == pytest.approx(relative, abs=1e-12)


def test_index_of_numbers_is_that_of_deciles() -> None:
    random = np.random.default_rng(0)
    before, after = (pd.DataFrame({"x": random.normal(by, 1, 20_000)}) for by in (0, 0.6))
    edges = [-np.inf, *np.quantile(before["x"], np.arange(1, 10) / 10), np.inf]
    p, q = (np.histogram(frame["x"], edges)[0] for frame in (before, after))
    change = changes(before, after, kinds={"x": "number"})["x"]
    assert change.psi == pytest.approx(scipy.stats.entropy(p, q) + scipy.stats.entropy(q, p), rel=0.01)
    assert change.jensen_shannon == pytest.approx(jensenshannon(p, q, base=2), rel=0.01)


def test_compare_names_why_a_column_moved() -> None:
    random = np.random.default_rng(0)
    before = pd.DataFrame({"same": random.normal(size=4000), "risen": random.normal(size=4000)})
    before["place"] = random.choice(["north", "south"], 4000)
    after = pd.DataFrame({"same": random.normal(size=1000), "risen": random.normal(0.8, size=1000)})
    after["place"] = random.choice(["north", "west"], 1000)
    kinds = {"same": "number", "risen": "number", "place": "category", "absent": "number"}
    found = changes(before, after, kinds=kinds)
    assert {name: change.reasons for name, change in found.items()} == {
        "place": ["distribution", "unseen categories", "lost categories"],
        "risen": ["distribution"],
        "same": [],
    }
    assert list(found)[2] == "same", "what has moved comes first"
    gaps = changes(before, after.assign(same=after["same"].where(random.random(1000) < 0.7)), kinds=kinds)
    assert gaps["same"].reasons == ["missing values"]
    assert gaps["same"].nulls == pytest.approx(0.3, abs=0.05)


def test_compare_looks_for_new_values_in_all_learned_rows() -> None:
    before, after = (pd.DataFrame({"x": np.arange(100.0) + shift}) for shift in (0, 50))
    both = duckdb.from_df(pd.concat([before, after]))
    assert changes(before, after, kinds={"x": "number"})["x"].new == 0.41, "a tenth of the range is not far"
    assert changes(before, after, kinds={"x": "number"}, learned=both)["x"].new == 0


def test_bars_share_out_all_values() -> None:
    before, after = example.sample(60, seed=1), example.sample(40, "2024-01-01", seed=2)
    for change in changes(before, after).values():
        assert len(change.labels) == len(change.shares) == len(change.reference_shares)
        assert 0.95 < sum(change.shares) <= 1.0001 and 0.95 < sum(change.reference_shares) <= 1.0001


NUMBERS = [k / 7 for k in range(500)]
NOTHING: list[Any] = 500 * [None]
INFINITE = [*NUMBERS[1:], float("inf")]


@pytest.mark.parametrize(
    "before, after, kind, reasons",
    [
        (NOTHING, NUMBERS, "DOUBLE", ["out of range", "fewer missing values"]),
        (NUMBERS, NOTHING, "DOUBLE", ["missing values"]),
        (NOTHING, NOTHING, "DOUBLE", []),
        (INFINITE, NUMBERS, "DOUBLE", []),
        (NUMBERS, INFINITE, "DOUBLE", []),
        (NUMBERS, [*NUMBERS[100:], *(100 * [float("-inf")])], "DOUBLE", ["distribution", "missing values"]),
        ([1.0] * 500, [1.0] * 500, "DOUBLE", []),
        ([1.0] * 500, [2.0] * 500, "DOUBLE", ["distribution", "out of range", "lost values"]),
        (NUMBERS, [2.5], "DOUBLE", []),
        ([2.5], [2.5], "DOUBLE", []),
        (NOTHING, 500 * ["a"], "VARCHAR", ["unseen categories", "fewer missing values"]),
        (500 * ["a"], NOTHING, "VARCHAR", ["missing values"]),
        (NOTHING, NOTHING, "VARCHAR", []),
        (500 * ["a"], 500 * ["a"], "VARCHAR", []),
        (500 * [True], 500 * [False], "BOOLEAN", ["distribution", "unseen categories", "lost categories"]),
        ([True], [None], "BOOLEAN", []),
        (["a"], ["b"], "VARCHAR", []),
    ],
)
def test_odd_column_is_a_line(before: list[Any], after: list[Any], kind: str, reasons: list[str]) -> None:
    kinds = {"x": "number" if kind == "DOUBLE" else "category"}
    [change] = compare(table(before, kind), table(after, kind), kinds)
    assert change.reasons == reasons
    assert np.isfinite([change.psi, change.threshold, change.jensen_shannon, change.nulls, change.new]).all()


def test_category_that_names_rows_is_left_out() -> None:
    names = [f"order {number}" for number in range(500)]
    assert compare(table(names, "VARCHAR"), table(names, "VARCHAR"), {"x": "category"}) == []


def rows_of(values: Any, days: int = 40) -> duckdb.DuckDBPyRelation:
    """A column x, over some days."""
    frame = pd.DataFrame({"x": values})
    return duckdb.from_df(frame.assign(day=np.arange(len(frame)) * days // len(frame)))


def test_rounding_moves_nothing() -> None:
    values = np.nextafter(np.random.default_rng(0).choice(np.arange(1, 10) / 10, 4000), 0)
    for other in (values.round(10), values.astype(np.float32)):
        [change] = compare(rows_of(values), rows_of(other), {"x": "number"}, block="day // 5")
        assert change.reasons == [] and change.psi < 1e-9


def test_a_few_more_gaps_move_nothing() -> None:
    random = np.random.default_rng(0)
    values = random.random(4000)
    some, more = (rows_of(np.where(random.random(4000) < share, np.nan, values)) for share in (0.707, 0.75))
    [change] = compare(some, more, {"x": "number"}, block="day // 5")
    assert change.reasons == []


def test_gaps_that_vanish_are_a_change() -> None:
    random = np.random.default_rng(0)
    values = random.random(4000)
    some = rows_of(np.where(random.random(4000) < 0.3, np.nan, values))
    [change] = compare(some, rows_of(values), {"x": "number"}, block="day // 5")
    assert change.reasons == ["fewer missing values"] and change.gaps < 0


def test_many_valued_category_moves_by_its_frequent_values_and_its_rest() -> None:
    random = np.random.default_rng(0)
    names = np.array([f"plane {number}" for number in range(2000)])
    often = 1 / np.arange(1, 2001)
    before, usual, other = (random.choice(names, 8000, p=p / p.sum()) for p in (often, often, often[::-1]))
    [change] = compare(rows_of(before), rows_of(usual), {"x": "category"}, block="day // 4")
    assert "distribution" not in change.reasons and len(change.labels) == 10
    assert change.labels[-2:] == ["other", "unseen"] and sum(change.shares) == pytest.approx(1)
    [change] = compare(rows_of(before), rows_of(other), {"x": "category"}, block="day // 4")
    assert "distribution" in change.reasons


def test_usual_new_names_are_no_change() -> None:
    random = np.random.default_rng(0)
    learned = pd.DataFrame({"day": np.repeat(np.arange(364), 50)})
    learned["x"] = [f"order of week {day // 7 if random.random() < 0.1 else 'any'}" for day in learned["day"]]
    window = learned[learned["day"] < 28].assign(day=lambda frame: frame["day"] + 364)
    window["x"] = window["x"].str.replace("week 0", "week 90")
    both = [duckdb.from_df(frame) for frame in (learned, window)]
    [change] = compare(*both, {"x": "category"}, block="(day - 364) // 4")
    assert change.new > 0.02 and change.new_threshold > change.new and change.reasons == []
    [change] = compare(*both, {"x": "category"})
    assert "unseen categories" in change.reasons, "without blocks nobody knows"


def test_lost_value_of_a_number_of_few_values_is_a_change() -> None:
    levels = np.random.default_rng(0).choice([1, 2, 3], 4000, p=[0.7, 0.2, 0.1])
    [change] = compare(rows_of(levels), rows_of(levels[levels < 3]), {"x": "number"}, block="day // 5")
    assert "lost values" in change.reasons and change.lost_values == ["3"]


def test_wide_tables_are_compared_in_parts() -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(400, 60)), columns=[f"x{n}" for n in range(60)])
    kinds = dict.fromkeys(frame.columns, "number")
    assert len(changes(frame, frame.tail(200), kinds=kinds)) == 60


def test_column_that_had_no_value_does_not_stand_still() -> None:
    day = np.arange(2000) // 30
    before = pd.DataFrame({"x": np.full(2000, np.nan), "day": day})
    after = pd.DataFrame({"x": np.random.default_rng(0).normal(20, 5, 300), "day": np.arange(300) // 43})
    change = changes(before, after, kinds={"x": "number"}, block="day")["x"]
    assert "stands still" not in change.reasons


def test_largest_number_stands_for_a_missing_value() -> None:
    random, day = np.random.default_rng(0), np.arange(2000) // 30
    values = np.where(np.arange(2000) % 10, random.normal(size=2000), np.finfo(float).max)
    before, after = pd.DataFrame({"x": values, "day": day}), pd.DataFrame({"x": values[:300], "day": day[:300] // 2})
    change = changes(before, after, kinds={"x": "number"}, block="day")["x"]
    assert change.reasons == [] and change.nulls == pytest.approx(0.1)


def test_gaps_of_each_day_are_seen_behind_an_outage() -> None:
    random, day = np.random.default_rng(0), np.arange(3000) // 30
    values = np.where((day >= 40) & (day < 42), np.nan, random.normal(size=3000))
    before, after = pd.DataFrame({"x": values, "day": day}), pd.DataFrame({"x": values[:300], "day": day[:300]})
    [same] = changes(before, after, kinds={"x": "number"}, block="day").values()
    assert same.reference_nulls == pytest.approx(0.02) and same.reference_typical_nulls == 0 and same.reasons == []
    gaps = after.assign(x=np.where(random.random(300) < 0.15, np.nan, after["x"]))
    [change] = changes(before, gaps, kinds={"x": "number"}, block="day").values()
    assert change.reasons == ["missing values"] and " missing on most days instead of 0 %" in words(change)
    often = before.assign(x=np.where(random.random(3000) < 0.3, np.nan, random.normal(size=3000)))
    assert changes(often, after, kinds={"x": "number"}, block="day")["x"].reasons == ["fewer missing values"]
