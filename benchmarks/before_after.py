"""Measure two installed projects by turns, in one run: one of an older release, and one of this tree.

build/env/bin/python benchmarks/before_after.py --before FOLDER --after FOLDER [--pairs N] [--only jobs serving log]

To make them: `git worktree add --detach ../old COMMIT` and `build/env/bin/cookiecutter --no-input -o OUT ../old` (or
`cookiecutter --checkout TAG` with the template's address) for the older one, `build/env/bin/python tools/template.py
bake OUT` for this tree's; then `uv sync` in each, with the same Python and, where they can, the same `uv.lock`.
It needs Linux and two cores, and takes about ten minutes on a quiet machine. The services listen on 127.0.0.1 alone.
All that is written goes to a temporary folder, but for a notebook among those of each project, which is removed again.
"""

import argparse
import contextlib
import ctypes
import itertools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from jobs import SMALL, notebook
from serving import CLIENT_CORE, SERVER_CORE, machine, predict, spread
from sides import Side, cost, serve

CONNECTIONS = (1, 8)
SEGMENT = 50_000  # log entries in a raw file
Table = dict[str, list[dict[str, float]]]  # what was measured -> pair by pair, the value of `before` and of `after`


def by_turns(sides: Sequence[Side], number: int) -> Sequence[Side]:
    """Both sides; every second time the later one comes first."""
    return sides[:: -1 if number % 2 else 1]


def add(table: Table, names: Sequence[str], values: dict[str, Sequence[float]]) -> None:
    """Add what was measured of both sides, each value under its name."""
    for position, name in enumerate(names):
        table.setdefault(name, []).append({side: own[position] for side, own in values.items()})
    print(", ".join(names), {side: [round(value, 2) for value in own] for side, own in values.items()}, flush=True)


def measure_jobs(sides: Sequence[Side], pairs: int, runs: int) -> Table:
    """A sweep of a small notebook, and one training with few trees."""
    ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: what a command leaves behind is waited for, and counted
    sweep = ("sweep", "benchmark", "-p", f"seed={','.join(map(str, range(runs)))}", "--workers", "2")
    jobs = {f"sweep of {runs} small jobs": sweep, "job `train`, 5 trees": ("run", "train", "-p", "max_iter=5")}
    table: Table = {}
    try:
        for side in sides:
            notebook(side.project, "benchmark", [source.replace("daybook.runs", side.runs) for source in SMALL])
        for number, (name, args) in itertools.product(range(pairs + 1), jobs.items()):
            values = {side.name: side.job(*args) for side in by_turns(sides, number)}
            if number:  # the first time, files come from the disk and caches are made
                add(table, [f"{name}: s", f"{name}: CPU s"], values)
    finally:
        for side in sides:
            (side.project / "nbs" / "benchmark.ipynb").unlink(missing_ok=True)
    return table


def measure_serving(sides: Sequence[Side], pairs: int, slices: int, seconds: float) -> Table:
    """Starts, and load by turns in slices, of services that are started anew for each pair."""
    table: Table = {}
    for number in range(pairs + 1):
        with contextlib.ExitStack() as stack:
            starts = {side.name: [stack.enter_context(serve(side))] for side in by_turns(sides, number)}
            stack.callback(os.sched_setaffinity, 0, {SERVER_CORE, CLIENT_CORE})
            os.sched_setaffinity(0, {CLIENT_CORE})
            for side in sides:
                cost(side, seconds, 8)
            if not number:  # the first time, files come from the disk
                continue
            add(table, ["start to /readyz: s"], starts)
            for turn, connections in itertools.product(range(slices), CONNECTIONS):
                values = {side.name: cost(side, seconds, connections) for side in by_turns(sides, turn)}
                units = ("CPU µs a request", "requests a second (more is better)")
                add(table, [f"{connections} connection{'s'[: connections - 1]}: {unit}" for unit in units], values)
    return table


def fill(side: Side, folder: Path, rows: int) -> None:
    """A log of so many entries with one row each, made after one that the side's own service has written."""
    with serve(side):
        predict(side.server, 0)
    entry = json.loads(next(side.log.glob("raw/*/*.jsonl")).read_bytes().splitlines()[-1])
    shutil.copytree(side.log / "contracts", folder / "contracts")
    (folder / "raw" / "dt=2012-07-04").mkdir(parents=True)
    for first in range(0, rows, SEGMENT):
        segment = folder / "raw" / "dt=2012-07-04" / f"benchmark-{first // SEGMENT}.jsonl"
        with segment.open("w", encoding="utf-8") as file:
            for number in range(first, min(first + SEGMENT, rows)):
                entry |= {"id": f"{number:032x}", "ts": f"2012-07-04T12:00:{number // 1000 % 60:02}.{number:06}Z"}
                entry["in"]["rows"][0] |= {"hr": number % 24, "hum": number % 97 / 100}
                entry["out"] |= {"request_id": entry["id"], "predictions": [number % 1009 / 7]}
                file.write(json.dumps(entry, separators=(",", ":")) + "\n")


def measure_log(sides: Sequence[Side], pairs: int, rows: int) -> Table:
    """Compaction of the same number of log entries, in a process of its own each time."""
    table: Table = {}
    for side in sides:
        fill(side, side.scratch / "full", rows)
    for number in range(pairs + 1):
        values = {}
        for side in by_turns(sides, number):
            folder = Path(shutil.copytree(side.scratch / "full", side.scratch / "copy"))
            *values[side.name], compacted, quarantined = json.loads(side.run("python", "-c", side.compact, folder))
            assert (compacted, quarantined) == (rows, 0), f"{side.name}: {compacted} compacted, {quarantined} not"
            shutil.rmtree(folder)
        if number:
            add(table, [f"compaction of {rows:,} rows: {unit}" for unit in ("s", "MB at the peak")], values)
    return table


def report(table: Table) -> str:
    """The medians of both sides, and of the ratios within a pair, as Markdown."""
    lines = ["| measured | before | after | after/before | pairs |", "|---|--:|--:|--:|--:|"]
    for name, pairs in table.items():
        before, after = (median(pair[side] for pair in pairs) for side in ("before", "after"))
        ratio = spread([pair["after"] / pair["before"] for pair in pairs])
        lines.append(f"| {name} | {before:,.2f} | {after:,.2f} | {ratio} | {len(pairs)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure what is wanted, and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, required=True, help="a project of an older release, with its .venv")
    parser.add_argument("--after", type=Path, required=True, help="a project of this tree, with its .venv")
    parser.add_argument("--only", nargs="+", choices=("jobs", "serving", "log"), default=("jobs", "serving", "log"))
    parser.add_argument("--pairs", type=int, default=5, help="of jobs, of processes that serve, and of compactions")
    parser.add_argument("--slices", type=int, default=6, help="of load for each pair of processes")
    parser.add_argument("--seconds", type=float, default=1.5, help="of a slice")
    parser.add_argument("--runs", type=int, default=32, help="of the sweep")
    parser.add_argument("--rows", type=int, default=200_000, help="to compact")
    args = parser.parse_args()
    table: Table = {}
    with tempfile.TemporaryDirectory(prefix="daybook-benchmark-") as folder:
        sides = [Side("before", args.before, Path(folder)), Side("after", args.after, Path(folder))]
        for side in sides:
            compilation = [side.bin / "python", "-m", "compileall", "-q", side.bin.parent / "lib"]
            subprocess.run(compilation, stdout=subprocess.DEVNULL, check=False)  # some files are no valid Python
        if "jobs" in args.only:
            table |= measure_jobs(sides, args.pairs, args.runs)
        for side in sides:
            side.job("run", "train", "-p", "max_iter=100")  # the latest model is served
        if "serving" in args.only:
            table |= measure_serving(sides, args.pairs, args.slices, args.seconds)
        if "log" in args.only:
            table |= measure_log(sides, args.pairs, args.rows)
    print(f"\n{machine()}; pairs by turns, medians; ratios within a pair, the least and the greatest in brackets\n")
    print(report(table))


if __name__ == "__main__":
    main()
