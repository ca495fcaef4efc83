"""Drift as a job: what it says of a log, and its exit code. How often it is right: tests/unit/test_drift_alerts.py."""

import pytest
from helpers import REAL, Project
from loops import World

pytest_plugins = "loops"

SENSOR = """
import shutil, sys
from pathlib import Path
import pandas as pd
home = Path(sys.argv[1])
shutil.copytree(home / "iolog", home / "sensor")
for path in (home / "sensor").glob("predictions/*/*/*.parquet"):
    rows = pd.read_parquet(path, partitioning=None)
    rows.assign(hum=rows["hum"] * 0.6).to_parquet(path)
"""
SCIPY = """
import sys
import duckdb, numpy as np, scipy.stats
from bike_demand.data import contract, load
from daybook.change import comparable
from daybook.drift import compare

frame = load(sys.argv[1])
before, after = frame[frame["dteday"] < "2012-01-01"], frame[frame["dteday"] >= "2012-01-01"]
worst = 0.0
changes = compare(duckdb.from_df(before), duckdb.from_df(after), comparable(contract))
for change in changes:
    a, b = (rows[change.name].dropna().astype(float) for rows in (before, after))
    if change.kind == "number":
        distance = scipy.stats.wasserstein_distance(a, b) / a.std(ddof=0)
        worst = max(worst, abs(change.wasserstein - distance), abs(change.mean - b.mean()))
    else:
        p, q = (np.bincount(x.astype(int), minlength=2) for x in (a, b))
        worst = max(worst, abs(change.psi - scipy.stats.entropy(p, q) - scipy.stats.entropy(q, p)))
print(len(changes), worst)
"""


def test_drift_says_what_moved(world: World) -> None:
    output = world.run("drift", start="2012-06-01", end="2012-07-01")
    drift = world.read("drift", "drift.json")
    assert drift["verdict"] == "none" and drift["window"]["rows"] > 600
    assert drift["against"] == "the same season of the rows that the model learned from"
    assert {column["name"] for column in drift["columns"]} >= {"hr", "temp", "holiday", "prediction"}
    assert "moved            0" in output
    world.python(SENSOR, world.home)
    output = world.run("drift", start="2012-06-01", end="2012-07-01", folder=world.home / "sensor", code=3)
    assert "hum: mean" in output and "compared with the same season of the rows that the model learned from" in output
    assert "daybook run backtest" in output
    assert world.read("drift", "drift.json")["moved"] == {"hum": ["distribution"]}


def test_drift_page_says_first_what_moved(world: World) -> None:
    world.run("drift", start="2012-06-01", end="2012-07-01")
    page = (world.folder("drift") / "report.html").read_text(encoding="utf-8")
    assert "Nothing has moved among 9 columns" in page
    assert page.index("Nothing has moved") < page.index("<img") < page.index("How far")
    assert "Read as a chapter" not in page


@pytest.mark.parametrize(
    "against, words", [("before", "the window before"), ("reference", "all rows that the model learned from")]
)
def test_drift_compares_with_what_is_asked_for(world: World, against: str, words: str) -> None:
    world.run("drift", start="2012-06-01", end="2012-07-01", against=against, min_rows=10_000)
    assert world.read("drift", "drift.json")["against"] == words


def test_measures_are_scipys(project: Project) -> None:
    columns, difference = project.python(SCIPY, "sample").split()
    assert int(columns) == 8 and float(difference) < 0.005


@pytest.mark.long
def test_measures_of_the_real_file_are_scipys(project: Project) -> None:
    if not REAL.exists():
        pytest.skip("the real data set is not here")
    columns, difference = project.python(SCIPY, REAL).split()
    assert int(columns) == 8 and float(difference) < 0.005
