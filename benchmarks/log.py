"""Measure the I/O log alone: writing, being killed, compacting and reading a million records; write benchmarks/log.md.

build/env/bin/python benchmarks/log.py [--records N]

It bakes and installs a project under build/bench, and runs itself again with that project's Python.
"""

import argparse
import asyncio
import json
import mmap
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
BENCH = HERE.parent / "build" / "bench" / "log"
ROW = {"dteday": "2012-07-04", "hr": 17, "holiday": True, "workingday": False, "weathersit": 1, "temp": 0.8}
ROW |= {"atemp": 0.75, "hum": 0.5, "windspeed": 0.1}
BODY = json.dumps({"rows": [ROW]}).encode()
ANSWER = b'{"request_id":"4c5d7f0b1a2e4f6a9b8c7d6e5f4a3b2c","model":"bike_demand:v1","predictions":[308.307308823916]}'
DAYS = 30


async def answer(scope: dict, receive: Callable, send: Callable) -> None:
    """An application that costs nothing, so that what is measured is the log."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": ANSWER})


async def ask(app: Callable, times: int) -> None:
    """Send requests straight into an application."""
    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": [(b"content-type", b"application/json")]}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": BODY}

    async def send(message: dict[str, Any]) -> None:
        pass

    for _ in range(times):
        await app(scope, receive, send)


def recorder(folder: Path) -> Callable:
    """The application behind the log."""
    from bike_demand.data import Row
    from bike_demand.ops.recorder import Middleware, Redaction

    redaction = Redaction(Row, None)
    return Middleware(answer, lambda: folder, lambda: ("bike_demand:v1", None), redaction=redaction)


def write(times: int, rounds: int) -> dict[str, float]:
    """CPU µs a record, and records a second from one process and from four at once."""
    costs, rates = [], []
    for _ in range(rounds):
        spent = []
        for app in (answer, recorder(Path(tempfile.mkdtemp(dir=BENCH)))):
            began = time.process_time()
            asyncio.run(ask(app, times))
            spent.append((time.process_time() - began) / times * 1e6)
        costs.append(spent[1] - spent[0])
        rates.append(1e6 / spent[1])
    folder = Path(tempfile.mkdtemp(dir=BENCH))
    began = time.perf_counter()
    children = []
    for _ in range(4):
        if not (child := os.fork()):
            asyncio.run(ask(recorder(folder), times))
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    together = 4 * times / (time.perf_counter() - began)
    return {"cpu_us": median(costs), "one_process": median(rates), "four_processes": together}


def write_until_killed(write: Callable[[bytes], None], acknowledged: mmap.mmap) -> None:
    """Write records, and count those that a client would have been answered."""
    number = 0
    while True:
        write(b'{"v":1,"id":"%d","in":%s,"out":%s}\n' % (number, BODY, ANSWER))
        number += 1
        acknowledged[:8] = number.to_bytes(8)


def kills(times: int) -> dict[str, dict[str, int]]:
    """Answers that are missing after SIGKILL: of the log, and of a file that Python buffers."""
    from bike_demand.ops.recorder import SegmentWriter

    def segment(folder: Path) -> Callable[[bytes], None]:
        writer = SegmentWriter(folder)
        return lambda line: writer.write(line, "2012-07-04")

    def buffered(folder: Path) -> Callable[[bytes], None]:
        (folder / "raw" / "dt=2012-07-04").mkdir(parents=True)
        file = (folder / "raw" / "dt=2012-07-04" / "buffered.jsonl").open("ab")
        return file.write

    result = {}
    for name, way in (("log", segment), ("buffered file", buffered)):
        answered = lost = 0
        for _ in range(times):
            folder, acknowledged = Path(tempfile.mkdtemp(dir=BENCH)), mmap.mmap(-1, 8)
            if not (child := os.fork()):
                write_until_killed(way(folder), acknowledged)
            time.sleep(random.uniform(0.05, 0.3))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            count = int.from_bytes(acknowledged[:8])
            content = b"".join(path.read_bytes() for path in folder.glob("raw/*/*"))
            answered += count
            lost += max(0, count - content.count(b"\n"))
            shutil.rmtree(folder)
        result[name] = {"answered": answered, "lost": lost}
    return result


def fill(folder: Path, records: int) -> None:
    """Records of a month, in segments as a service would leave them."""
    from bike_demand.data import Row
    from bike_demand.ops.recorder import Redaction, SegmentWriter

    redaction = Redaction(Row, None)
    writer = SegmentWriter(folder, lambda: ("bike_demand:v1", redaction.contract))
    dice, start = random.Random(0), datetime(2012, 7, 1, tzinfo=UTC)
    step = timedelta(days=DAYS) / records
    for number in range(records):
        time = (start + number * step).isoformat(timespec="microseconds")
        row = ROW | {"dteday": time[:10], "hr": int(time[11:13]), "temp": round(dice.random(), 4)}
        head = {"v": 1, "id": f"{number:032x}", "ts": f"{time[:26]}Z", "route": "/predict", "status": 200, "ms": 3.125}
        head |= {"model": "bike_demand:v1", "bento": None, "rate": 1.0, "in": {"rows": [row]}}
        out = {"request_id": head["id"], "model": "bike_demand:v1", "predictions": [round(900 * dice.random(), 6)]}
        writer.write(json.dumps(head | {"out": out}, separators=(",", ":")).encode() + b"\n", time[:10])
    writer.close()


def with_the_log(folder: Path) -> list[tuple]:
    """Predictions and their mean, day by day, from the compacted log."""
    from bike_demand.ops import iolog

    found = iolog.predictions(folder=folder).aggregate("dt, count(*), avg(prediction)", "dt").order("dt")
    return [(str(day), count, round(mean, 6)) for day, count, mean in found.fetchall()]


def with_duckdb(folder: Path) -> list[tuple]:
    """The same, from the archived lines, with DuckDB's reader of JSON."""
    import duckdb

    types = "{ts: 'TIMESTAMP', out: 'STRUCT(predictions DOUBLE[])'}"
    lines = f"SELECT ts, unnest(out.predictions) AS p FROM read_json('{folder}/archive/*/*.jsonl', columns = {types})"
    sql = f"SELECT ts::DATE AS dt, count(*), avg(p) FROM ({lines}) GROUP BY 1 ORDER BY 1"
    return [(str(day), count, round(mean, 6)) for day, count, mean in duckdb.sql(sql).fetchall()]


def with_pandas(folder: Path) -> list[tuple]:
    """The same, from the archived lines, as pandas reads them."""
    import pandas as pd

    frame = pd.concat([pd.read_json(path, lines=True) for path in sorted(folder.glob("archive/*/*.jsonl"))])
    rows = pd.DataFrame(
        {"dt": pd.to_datetime(frame["ts"]).dt.date, "prediction": frame["out"].map(lambda out: out["predictions"][0])}
    )
    found = rows.groupby("dt")["prediction"].agg(["count", "mean"])
    return [(str(day), count, round(mean, 6)) for day, count, mean in found.itertuples()]


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and the result."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def measure(records: int) -> dict[str, Any]:
    """All of it, with the project's Python."""
    from bike_demand.ops import iolog

    shutil.rmtree(BENCH / "iolog", ignore_errors=True)
    folder = BENCH / "iolog"
    found: dict[str, Any] = {"write": write(20_000, 5), "kills": kills(20)}
    fill(folder, records)
    raw = sum(path.stat().st_size for path in folder.glob("raw/*/*"))
    code = (
        "import json, resource, sys, time; from bike_demand.ops import iolog; began = time.perf_counter(); "
        "done = vars(iolog.compact(sys.argv[1])); took = time.perf_counter() - began; "
        "print(json.dumps([took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, done]))"
    )
    compacting = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    seconds, peak, done = json.loads(compacting.stdout)
    assert done["predictions"] == records and not done["quarantined"]
    tables = sum(path.stat().st_size for path in folder.glob("predictions/**/*.parquet"))
    found["compact"] = {"seconds": seconds, "raw_mb": raw / 1e6, "tables_mb": tables / 1e6}
    found["compact"] |= {"segments": done["segments"], "peak_mb": peak / 1024}
    ways = {"the log": with_the_log, "DuckDB over JSONL": with_duckdb, "pandas over JSONL": with_pandas}
    turns: dict[str, list[float]] = {name: [] for name in ways}
    answers = {name: way(folder) for name, way in ways.items()}  # which also warms the page cache
    assert answers["the log"] == answers["DuckDB over JSONL"] == answers["pandas over JSONL"], "they do not agree"
    for _ in range(3):
        for name, way in ways.items():
            turns[name].append(timed(lambda way=way: way(folder))[0])
    found["read"] = {
        name: {
            "seconds": median(times),
            "ratio": median(own / log for own, log in zip(times, turns["the log"], strict=True)),
        }
        for name, times in turns.items()
    }
    day = "2012-07-15"
    found["day"] = timed(lambda: iolog.predictions(day, "2012-07-16", folder=folder).df())[0]
    found["labelled"] = timed(
        lambda: (
            iolog.labelled(
                folder=folder,
                labels=iolog.predictions(folder=folder).project("prediction_id, prediction AS actual").df(),
                key=["prediction_id"],
            )
            .aggregate("avg(abs(prediction - actual))")
            .fetchall()
        )
    )[0]
    shutil.rmtree(folder)
    return found


def report(found: dict[str, Any], records: int, versions: str) -> str:
    """The page."""
    rows = [f"| {name} | {one['seconds']:.2f} s | {one['ratio']:.1f} |" for name, one in found["read"].items()]
    kills = [f"| {name} | {one['answered']:,} | {one['lost']:,} |" for name, one in found["kills"].items()]
    compact, write = found["compact"], found["write"]
    return f"""# The log alone

Made by `make bench` on {date.today()}, on {os.cpu_count()} cores of {cpu()}, Python {platform.python_version()},
{versions}.
Every number is of one run on that machine; on another it is another, the ratios less so.

## Writing

A record costs {write["cpu_us"]:.1f} µs of CPU: a request that goes through the recorder, less the same without it,
median of five rounds of 20,000. One process writes {write["one_process"]:,.0f} records in a second of CPU time, four at
once {write["four_processes"]:,.0f} in a second.

## Killing

Twenty processes each way, each killed with SIGKILL while it writes as fast as it can. An answer counts once its write
has returned; it is lost if the file does not have it.

| writer | answered | lost |
|---|---:|---:|
{chr(10).join(kills)}

## Compacting {records:,} records

{compact["segments"]} segments with {compact["raw_mb"]:,.0f} MB of JSON became {compact["tables_mb"]:,.0f} MB of Parquet
in {compact["seconds"]:.1f} s, by one process of {compact["peak_mb"]:,.0f} MB at its peak.

## Reading {records:,} records

Predictions a day and their mean, {DAYS} days, the same answer from all three; the median of three turns each, taken
alternately, and the median of the ratios within a turn.

| reader | time | times the log's |
|---|---:|---:|
{chr(10).join(rows)}

One day of it as a frame takes {found["day"]:.2f} s; the mean absolute error of all of it, joined with a truth for each
prediction, {found["labelled"]:.1f} s.
"""


def cpu() -> str:
    """What the processor calls itself."""
    facts = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in facts.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


def main() -> None:
    """Prepare a project, measure with its Python, write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--measure", action="store_true", help="in the project's Python")
    asked = parser.parse_args()
    if asked.measure:
        print(json.dumps(measure(asked.records)))
        return
    sys.path.insert(0, str(HERE.parent / "tests"))
    from template import bake, environment, install

    shutil.rmtree(BENCH, ignore_errors=True)
    project = bake(BENCH)
    commands = install(project)

    def run(*words: str) -> str:
        """Run the project's Python, and return what it prints."""
        return subprocess.run(
            [commands / "python", *words], cwd=project, env=environment(), stdout=subprocess.PIPE, text=True, check=True
        ).stdout

    names = ("duckdb", "pandas", "pyarrow", "pydantic")
    versions = run(
        "-c", f"from importlib.metadata import version; print(*(f'{{n}} {{version(n)}}' for n in {names}), sep=', ')"
    ).strip()
    found = json.loads(
        run(str(Path(__file__).resolve()), "--measure", "--records", str(asked.records)).splitlines()[-1]
    )
    page = report(found, asked.records, versions)
    (HERE / "log.md").write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
