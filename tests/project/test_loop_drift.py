"""Drift as a job: what it says of a log, its exit code, and how often it is right about the sample."""

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
from daybook.drift import BINS, compare
from scipy.spatial.distance import jensenshannon

frame = load(sys.argv[1])
before, after = frame[frame["dteday"] < "2012-01-01"], frame[frame["dteday"] >= "2012-01-01"]
worst = 0.0
changes = compare(duckdb.from_df(before), duckdb.from_df(after), comparable(contract))
for change in changes:
    a, b = (rows[change.name].dropna().astype(float) for rows in (before, after))
    if change.kind == "number":
        edges = np.unique(np.quantile(a, np.arange(1, BINS) / BINS, method="inverted_cdf"))
        p, q = (np.histogram(x, [-np.inf, *np.nextafter(edges, np.inf), np.inf])[0] for x in (a, b))
        worst = max(worst, abs(change.wasserstein - scipy.stats.wasserstein_distance(a, b) / a.std(ddof=0)))
        worst = max(worst, abs(change.p_value - scipy.stats.ks_2samp(a, b, method="asymp").pvalue))
    else:
        p, q = (np.bincount(x.astype(int), minlength=2) for x in (a, b))
    p, q = (np.append(bins, rows[change.name].isna().sum()) for bins, rows in ((p, before), (q, after)))
    p, q = ((bins[(p + q) > 0]).astype(float) for bins in (p, q))
    worst = max(worst, abs(change.jensen_shannon - jensenshannon(p, q, base=2)))
    if min(p.min(), q.min()) > 0:
        worst = max(worst, abs(change.psi - scipy.stats.entropy(p, q) - scipy.stats.entropy(q, p)))
print(len(changes), worst)
"""

# A hundred windows of four weeks, each of another seed and so of another weather, beside the model's year: as they are,
# with a humidity sensor that reads too low, and with a kind of weather that comes too often.
CALIBRATION = """
import collections
import duckdb, numpy as np, pandas as pd
from bike_demand.data import contract, sample
from daybook.change import comparable
from daybook.drift import compare

past = contract.validate(sample(0))
past = past[past["dteday"] < "2012-01-01"]
learned, found = duckdb.from_df(past), collections.Counter()
for seed in range(1, 101):
    start = pd.Timestamp(2012, (seed - 1) % 12 + 1, 1)
    days = pd.date_range(start - pd.Timedelta(days=7), periods=42).day_of_year
    season = duckdb.from_df(past[past["dteday"].dt.day_of_year.isin(days)])
    rows = contract.validate(sample(seed))
    rows = rows[(rows["dteday"] >= start) & (rows["dteday"] < start + pd.Timedelta(days=28))]
    often = rows["weathersit"].where(np.arange(len(rows)) % 2 > 0, 3)
    planted = {"none": rows, "sensor": rows.assign(hum=rows["hum"] * 0.6), "often": rows.assign(weathersit=often)}
    block = f"datediff('day', DATE '{start:%Y-%m-%d}', CAST(dteday AS DATE)) // 3"
    for name, window in planted.items():
        changes = compare(season, duckdb.from_df(window), comparable(contract), learned, block)
        moved = {change.name for change in changes if change.reasons}
        found[name] += {"none": bool(moved), "sensor": "hum" in moved, "often": "weathersit" in moved}[name]
print(found["none"], found["sensor"], found["often"])
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
    assert "ALERT: hum moved, compared with the same season of the rows that the model learned from" in output
    assert world.read("drift", "drift.json")["moved"] == {"hum": ["distribution"]}


@pytest.mark.parametrize(
    "against, words", [("before", "the window before"), ("reference", "all rows that the model learned from")]
)
def test_drift_compares_with_what_is_asked_for(world: World, against: str, words: str) -> None:
    world.run("drift", start="2012-06-01", end="2012-07-01", against=against, min_rows=10_000)
    assert world.read("drift", "drift.json")["against"] == words


def test_measures_are_scipys(project: Project) -> None:
    columns, difference = project.python(SCIPY, "sample").split()
    assert int(columns) == 8 and float(difference) < 1e-12


@pytest.mark.long
def test_measures_of_the_real_file_are_scipys(project: Project) -> None:
    if not REAL.exists():
        pytest.skip("the real data set is not here")
    columns, difference = project.python(SCIPY, REAL).split()
    assert int(columns) == 8 and float(difference) < 1e-12


@pytest.mark.long
def test_planted_drift_is_found_and_its_absence_is_not(project: Project) -> None:
    false_alerts, sensor, often = map(int, project.python(CALIBRATION).split())
    print(f"of 100 windows: {false_alerts} false alerts, {sensor} sensors and {often} kinds of weather found")
    assert false_alerts <= 8 and sensor == 100 and often >= 90
