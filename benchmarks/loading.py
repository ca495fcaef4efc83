"""Measure how long a table takes to load: the reader beside pandas.read_csv with validation; prints a table.

build/library/bike-demand/.venv/bin/python benchmarks/loading.py [--rows N] [--rounds N] [--shuffled]

Run it with the Python of a project, and with PYTHONPATH on the library. The table is like the flights of a year's
departures: 12 columns with dates, times with a zone, categories, codes and numbers with gaps. Each side runs in a
process of its own, by turns. CPU seconds stand beside wall-clock seconds, as the machine may be busy with other things.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv
from pydantic import BaseModel, Field

from daybook.contract import Contract

if TYPE_CHECKING:
    import pandas as pd

CARRIERS = ("UA", "AA", "DL", "B6", "WN", "EV", "9E", "F9")


class Flight(BaseModel):
    """A flight as it is planned, and the weather."""

    flight_id: str = Field(max_length=12)
    day: date
    scheduled: datetime
    carrier: Literal[CARRIERS]
    flight: int = Field(ge=1)
    tail: str | None = Field(max_length=8)
    origin: str = Field(max_length=3)
    dest: str = Field(max_length=3)
    distance: int = Field(ge=0)
    temp: float | None = Field(ge=-60, le=60)
    wind: float | None = Field(ge=0)


class LabelledFlight(Flight):
    """And its delay."""

    arr_delay: float


CONTRACT = Contract(LabelledFlight, target="arr_delay", key=("flight_id",), time="day", name="flights")


def write_table(path: Path, rows: int, is_shuffled: bool) -> None:
    """Write flights of ten years as CSV."""
    r = np.random.default_rng(0)
    day = np.sort(r.integers(0, 3650, rows)).astype("timedelta64[D]") + np.datetime64("2014-01-01")
    minute = day.astype("datetime64[m]") + r.integers(0, 1440, rows).astype("timedelta64[m]")

    def gaps(values: np.ndarray, share: float) -> pa.Array:
        return pa.array(values, mask=r.random(rows) < share)

    airports = np.array([f"{chr(65 + k // 26)}{chr(65 + k % 26)}{chr(65 + k * 7 % 26)}" for k in range(120)])
    tails = np.array([f"N{number:05d}" for number in range(4000)])
    table = pa.table(
        {
            "flight_id": [f"F{number:010d}" for number in range(rows)],
            "day": day,
            "scheduled": np.char.add(np.datetime_as_string(minute, unit="s"), "+00:00"),
            "carrier": np.array(CARRIERS)[r.integers(0, len(CARRIERS), rows)],
            "flight": r.integers(1, 9999, rows),
            "tail": gaps(tails[r.integers(0, 4000, rows)], 0.01),
            "origin": airports[r.integers(0, 3, rows)],
            "dest": airports[r.integers(0, 120, rows)],
            "distance": r.integers(80, 5000, rows),
            "temp": gaps(r.normal(12, 9, rows).round(6), 0.05),
            "wind": gaps(r.gamma(2, 6, rows).round(6), 0.05),
            "arr_delay": r.normal(5, 40, rows).round(6),
        }
    )
    table = table.take(r.permutation(rows)) if is_shuffled else table
    pyarrow.csv.write_csv(table, path)


def read(path: Path) -> "pd.DataFrame":
    """The reader."""
    from daybook.reading import read

    return read(CONTRACT, path)


def pandas_alone(path: Path) -> "pd.DataFrame":
    """pandas, told the types and what is a date, but checking nothing."""
    import pandas as pd

    texts = dict.fromkeys(["flight_id", "carrier", "tail", "origin", "dest"], "str")
    return pd.read_csv(path, dtype=texts, parse_dates=["day", "scheduled"])


def pandas_validated(path: Path) -> "pd.DataFrame":
    """pandas, then the contract's rules, then the order."""
    frame = CONTRACT.validate(pandas_alone(path))
    return frame.sort_values(["day", "flight_id"], ignore_index=True)


SIDES: dict[str, Callable] = {
    "daybook: read": read,
    "pandas.read_csv": pandas_alone,
    "pandas.read_csv, validate, sort": pandas_validated,
}


def measure(side: str, path: Path) -> dict[str, float]:
    """Seconds and GB of one side, imports included, in this process."""
    began = time.perf_counter()
    frame = SIDES[side](path)
    wall = time.perf_counter() - began
    usage = resource.getrusage(resource.RUSAGE_SELF)
    status = Path("/proc/self/status").read_text()  # ru_maxrss would be that of the process that started this one
    (peak,) = (int(line.split()[1]) / 2**20 for line in status.splitlines() if line.startswith("VmHWM"))
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "peak": peak, "rows": len(frame)}


def main() -> None:
    """Measure all sides by turns, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=3_300_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shuffled", action="store_true")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        print(json.dumps(measure(args.side, args.path)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flights.csv"
        write_table(path, args.rows, args.shuffled)
        print(f"{args.rows:,} rows, {path.stat().st_size / 1e6:,.0f} MB, Python {platform.python_version()}")
        found: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
        for _ in range(args.rounds):
            for side, results in found.items():
                command = [sys.executable, __file__, "--side", side, "--path", str(path)]
                results.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
    print("\n| | wall s | CPU s | peak GB |\n|---|---:|---:|---:|")
    for side, results in found.items():
        wall, cpu, peak = (median(result[unit] for result in results) for unit in ("wall", "cpu", "peak"))
        print(f"| {side} | {wall:.1f} | {cpu:.1f} | {peak:.2f} |")


if __name__ == "__main__":
    main()
