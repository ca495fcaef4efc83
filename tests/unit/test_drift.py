"""Drift: its measures are SciPy's, planted changes are found, and odd columns are a line in the table."""

from collections import Counter
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
from daybook.change import comparable
from daybook.contract import Contract
from daybook.drift import BINS, compare

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
        if change.kind == "number":
            a, b = a.astype(float), b.astype(float)
            edges = np.unique(np.quantile(a, np.arange(1, BINS) / BINS, method="inverted_cdf"))
            p, q = (np.histogram(x, [-np.inf, *np.nextafter(edges, np.inf), np.inf])[0] for x in (a, b))
            distance = scipy.stats.wasserstein_distance(a, b) / a.std(ddof=0)
            assert change.wasserstein == pytest.approx(distance, abs=1e-12)
            assert change.p_value == pytest.approx(scipy.stats.ks_2samp(a, b, method="asymp").pvalue, abs=1e-12)
        else:
            p, q = (x.value_counts().reindex(before[name].dropna().unique()).fillna(0).to_numpy() for x in (a, b))
        p, q = (np.append(counts, frame[name].isna().sum()) for counts, frame in ((p, before), (q, after)))
        p, q = ((counts[(p + q) > 0]).astype(float) for counts in (p, q))
        assert change.jensen_shannon == pytest.approx(jensenshannon(p, q, base=2), abs=1e-12)
        if change.kind == "category":
            pvalue = scipy.stats.chi2_contingency([p, q], correction=False).pvalue
            assert change.p_value == pytest.approx(pvalue, abs=1e-12)
        if min(p.min(), q.min()) > 0:
            relative = scipy.stats.entropy(p, q) + scipy.stats.entropy(q, p)
            assert change.psi == pytest.approx(relative, abs=1e-12)


def test_compare_names_why_a_column_moved() -> None:
    random = np.random.default_rng(0)
    before = pd.DataFrame({"same": random.normal(size=4000), "risen": random.normal(size=4000)})
    before["place"] = random.choice(["north", "south"], 4000)
    after = pd.DataFrame({"same": random.normal(size=1000), "risen": random.normal(0.8, size=1000)})
    after["place"] = random.choice(["north", "west"], 1000)
    kinds = {"same": "number", "risen": "number", "place": "category", "absent": "number"}
    found = changes(before, after, kinds=kinds)
    assert {name: change.reasons for name, change in found.items()} == {
        "place": ["distribution", "unseen categories"],
        "risen": ["distribution"],
        "same": [],
    }
    assert list(found) == ["place", "risen", "same"], "what has moved most comes first"
    gaps = changes(before, after.assign(same=after["same"].where(random.random(1000) < 0.7)), kinds=kinds)
    assert gaps["same"].reasons == ["distribution", "missing values"]
    assert gaps["same"].nulls == pytest.approx(0.3, abs=0.05)


def test_compare_looks_for_new_values_in_all_learned_rows() -> None:
    before, after = (pd.DataFrame({"x": np.arange(100.0) + shift}) for shift in (0, 50))
    both = duckdb.from_df(pd.concat([before, after]))
    assert changes(before, after, kinds={"x": "number"})["x"].new == 0.5
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
        (NOTHING, NUMBERS, "DOUBLE", ["distribution", "out of range"]),
        (NUMBERS, NOTHING, "DOUBLE", ["distribution", "missing values"]),
        (NOTHING, NOTHING, "DOUBLE", []),
        (INFINITE, NUMBERS, "DOUBLE", []),
        (NUMBERS, INFINITE, "DOUBLE", []),
        (NUMBERS, [*NUMBERS[100:], *(100 * [float("-inf")])], "DOUBLE", ["distribution", "missing values"]),
        ([1.0] * 500, [1.0] * 500, "DOUBLE", []),
        ([1.0] * 500, [2.0] * 500, "DOUBLE", ["distribution", "out of range"]),
        (NUMBERS, [2.5], "DOUBLE", []),
        ([2.5], [2.5], "DOUBLE", []),
        (NOTHING, 500 * ["a"], "VARCHAR", ["distribution", "unseen categories"]),
        (500 * ["a"], NOTHING, "VARCHAR", ["distribution", "missing values"]),
        (NOTHING, NOTHING, "VARCHAR", []),
        (500 * ["a"], 500 * ["a"], "VARCHAR", []),
        (500 * [True], 500 * [False], "BOOLEAN", ["distribution", "unseen categories"]),
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


def _season(past: pd.DataFrame, start: pd.Timestamp) -> pd.DataFrame:
    """Rows of the same days of the year, and of a week around them."""
    days = pd.date_range(start - pd.Timedelta(days=7), periods=42).day_of_year
    return past[past["day"].dt.day_of_year.isin(days)]


def calibrate(months: range) -> Counter:
    """Of windows of four weeks: those with a false alert, and those in which a planted change was found."""
    past, found = example.sample(366, seed=0), Counter()
    learned = duckdb.from_df(past)
    for month in months:
        start = pd.Timestamp(2024, month, 1)
        rows, season = example.sample(28, f"{start:%Y-%m-%d}", month), duckdb.from_df(_season(past, start))
        often = rows["weather"].where(np.arange(len(rows)) % 2 > 0, "rain")
        planted = {"none": rows, "sensor": rows.assign(temp=rows["temp"] * 0.6), "often": rows.assign(weather=often)}
        planted["gaps"] = rows.assign(temp=rows["temp"].where(np.arange(len(rows)) % 10 > 0))
        block = f"datediff('day', DATE '{start:%Y-%m-%d}', CAST(day AS DATE)) // 3"
        for name, window in planted.items():
            changed = compare(season, duckdb.from_df(window), KINDS, learned, block)
            moved = {change.name for change in changed if change.reasons}
            column = {"none": moved, "sensor": {"temp"}, "often": {"weather"}, "gaps": {"temp"}}[name]
            found[name] += bool(moved & column)
    return found


def test_planted_changes_are_found_and_their_absence_is_not() -> None:
    assert calibrate(range(2, 12, 4)) == {"none": 0, "sensor": 3, "often": 3, "gaps": 3}
