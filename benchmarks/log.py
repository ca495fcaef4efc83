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
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daybook.log import Log

HERE = Path(__file__).resolve().parent
BENCH = HERE.parent / "build" / "bench" / "log"
ROW = {"dteday": "2012-07-04", "hr": 17, "holiday": True, "workingday": False, "weathersit": 1, "temp": 0.8}
ROW |= {"atemp": 0.75, "hum": 0.5, "windspeed": 0.1}
BODY = json.dumps({"rows": [ROW]}).encode()
RESPONSE = b'{"request_id":"4c5d7f0b1a2e4f6a9b8c7d6e5f4a3b2c","model":"bike_demand:v1","predictions":[308.30730882391]}'
DAYS = 30
SMALL_DAYS = 60  # of small files
MEMORY = bytes(2**20)


async def respond(scope: dict, receive: Callable, send: Callable) -> None:
    """An application that costs nothing, so that only the log is measured."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": RESPONSE})


async def respond_after_work(scope: dict, receive: Callable, send: Callable) -> None:
    """An application that does other work first, about as long as a model, so that the log finds the caches cold."""
    MEMORY.count(b"1")
    sorted(map(str, range(200)))
    json.dumps(json.loads(BODY))
    scope["daybook.is_json"] = True  # as the service's own endpoints say
    await respond(scope, receive, send)


async def call(app: Callable, times: int) -> None:
    """Send requests straight into an application."""
    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": [(b"content-type", b"application/json")]}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": BODY}

    async def send(message: dict[str, Any]) -> None:
        pass

    for _ in range(times):
        await app(scope, receive, send)


def recorder(folder: Path, sync: bool = False, app: Callable = respond) -> Callable:
    """An application behind the log."""
    from bike_demand.data import contract

    from daybook.log_writer import RecorderSettings
    from daybook.recorder import Recorder
    from daybook.redaction import Redaction

    redaction, settings = Redaction(contract, None), RecorderSettings(sync=sync)
    answered_by = lambda: ("bike_demand:v1", None)  # noqa: E731
    return Recorder(app, lambda: folder, answered_by, redaction=redaction, settings=settings)


def write(times: int, rounds: int) -> dict[str, float]:
    """CPU µs a record, and records a second from one process and from four at once."""
    costs, rates = [], []
    for _ in range(rounds):
        spent = []
        for app in (respond, recorder(Path(tempfile.mkdtemp(dir=BENCH)))):
            began = time.process_time()
            asyncio.run(call(app, times))
            spent.append((time.process_time() - began) / times * 1e6)
        costs.append(spent[1] - spent[0])
        rates.append(1e6 / spent[1])
    among, base = among_work(times // 20, 4 * rounds)
    folder = Path(tempfile.mkdtemp(dir=BENCH))
    began = time.perf_counter()
    children = []
    for _ in range(4):
        if not (child := os.fork()):
            asyncio.run(call(recorder(folder), times))
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    together = 4 * times / (time.perf_counter() - began)
    cost = {"cpu_us": median(costs), "among_us": among, "work_us": base}
    return cost | {"one_process": median(rates), "four_processes": together}


def among_work(times: int, rounds: int) -> tuple[float, float]:
    """CPU µs of a record where a request does other work, and of the request without it, in turn."""
    apps = respond_after_work, recorder(Path(tempfile.mkdtemp(dir=BENCH)), app=respond_after_work)
    turns = []
    for _ in range(rounds):
        spent = []
        for app in apps:
            began = time.process_time()
            asyncio.run(call(app, times))
            spent.append((time.process_time() - began) / times * 1e6)
        turns.append(spent)
    return median(logged - plain for plain, logged in turns), median(plain for plain, _ in turns)


async def call_at_once(app: Callable, times: int, connections: int = 8) -> None:
    """Send requests from several connections at once."""
    await asyncio.gather(*(call(app, times // connections) for _ in range(connections)))


def with_sync(times: int, rounds: int) -> dict[str, float]:
    """Seconds of requests from eight connections, with and without `IOLOG_SYNC`; the requests that shared a sync."""
    ratios, shared = [], []
    for _ in range(rounds):
        seconds, syncs, fsync = [], [], os.fsync
        os.fsync = lambda descriptor, syncs=syncs, fsync=fsync: (syncs.append(descriptor), fsync(descriptor))
        for sync in (False, True):
            app = recorder(Path(tempfile.mkdtemp(dir=BENCH)), sync)
            seconds.append(timed(lambda app=app: asyncio.run(call_at_once(app, times)))[0] / times * 1e6)
        os.fsync = fsync
        ratios.append(seconds)
        shared.append(times / max(1, len(syncs)))
    return {"without_us": median(one for one, _ in ratios), "with_us": median(one for _, one in ratios)} | {
        "shared": median(shared)
    }


def in_bulk(folder: Path, segments: int = 5) -> dict[str, float]:
    """CPU µs a line to unfold segments in bulk, and line by line, in turn; both give the same tables."""
    from bike_demand.data import contract

    from daybook.bulk import unfold_segment
    from daybook.entries import RowReaders, read_lines
    from daybook.unfolding import unfold

    readers, turns = RowReaders(folder, contract), []
    for path in sorted(folder.glob("raw/*/*"))[: segments + 1]:
        began = time.process_time()
        bulk, _ = unfold_segment(path.read_bytes(), path.stem, readers)
        between = time.process_time()
        lines = read_lines(path)
        exact, _ = unfold(lines, path.stem, readers)
        turns.append([(between - began) / len(lines) * 1e6, (time.process_time() - between) / len(lines) * 1e6])
        assert all(exact[name].equals(table) for name, table in bulk.items()) and bulk.keys() == exact.keys()
    turns = turns[1:]  # the first one loads libraries
    return {
        "bulk_us": median(bulk for bulk, _ in turns),
        "exact_us": median(exact for _, exact in turns),
        "ratio": median(exact / bulk for bulk, exact in turns),
    }


def write_small_files(folder: Path, rows: int = 20) -> None:
    """Days of 96 small files a table, as compaction leaves those of four workers that write a segment an hour."""
    from bike_demand.data import contract

    from daybook.compaction import put_table
    from daybook.entries import RowReaders
    from daybook.files import Folder
    from daybook.redaction import Redaction
    from daybook.segments import write_schema
    from daybook.unfolding import unfold

    write_schema(folder, "bike_demand:v1", Redaction(contract, None).schema)
    readers, store, day = RowReaders(folder, contract), Folder.at(folder), date(2012, 1, 1)
    for number in range(96):
        head = {"v": 1, "ts": f"{day}T{number % 24:02}:00:00.000000Z", "route": "/predict", "status": 200, "ms": 3.125}
        head |= {"model": "bike_demand:v1", "bento": None, "rate": 1.0, "in": {"rows": [ROW]}}
        heads = (head | {"id": f"{number:016x}{row:016x}", "out": {"predictions": [row / 7]}} for row in range(rows))
        lines = [json.dumps(each, separators=(",", ":")).encode() + b"\n" for each in heads]
        for path, table in unfold(lines, f"host-{number % 4}-0123abcd-{number}", readers)[0].items():
            put_table(store, path, table)
    for table in ("requests", "predictions/model=bike_demand"):
        for number in range(1, SMALL_DAYS):
            target = folder / table / f"dt={day + timedelta(days=number)}"
            shutil.copytree(folder / table / f"dt={day}", target)


READ = """
import json, resource, sys, time; from bike_demand.data import contract; from daybook.log import Log
log = Log(contract, sys.argv[1])
def read():
    rows = log.predictions().aggregate("dt, count(*), round(avg(prediction), 6)", "dt").order("dt")
    return [[str(day), *rest] for day, *rest in rows.fetchall()]
rows = read()
wall, cpu = time.perf_counter(), time.process_time()
assert read() == rows
cost = [time.perf_counter() - wall, time.process_time() - cpu]
cost.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
print(json.dumps([rows, cost]))
"""
MERGE = """
import json, resource, sys, time; from daybook import merging; from daybook.files import Folder
merging.GRACE, store = 0, Folder.at(sys.argv[1])
wall, cpu = time.perf_counter(), time.process_time()
merged = sum(merging.merge_days(store) for _ in range(3))
cost = [time.perf_counter() - wall, time.process_time() - cpu]
cost.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
print(json.dumps([merged, cost]))
"""


def small_files(folder: Path) -> dict[str, Any]:
    """What it costs to read days of small files, before and after they are merged, and to merge them."""
    write_small_files(folder)

    def run(code: str) -> list:
        done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    (before, separate), (files, merging), (after, merged) = run(READ), run(MERGE), run(READ)
    assert before == after and len(before) == SMALL_DAYS, "they do not agree"
    shutil.rmtree(folder)
    return {"files": files, "separate": separate, "merging": merging, "merged": merged}


def write_until_killed(write: Callable[[bytes], None], acknowledged: mmap.mmap) -> None:
    """Write records, and count those whose response a client would have."""
    number = 0
    while True:
        write(b'{"v":1,"id":"%d","in":%s,"out":%s}\n' % (number, BODY, RESPONSE))
        number += 1
        acknowledged[:8] = number.to_bytes(8)


def kills(times: int) -> dict[str, dict[str, int]]:
    """Responses that are not logged after SIGKILL: by the log, and by a file that Python buffers."""
    from daybook.segments import SegmentWriter

    def segment(folder: Path) -> Callable[[bytes], None]:
        writer = SegmentWriter(folder)
        return lambda line: writer.write(line, "2012-07-04")

    def buffered(folder: Path) -> Callable[[bytes], None]:
        (folder / "raw" / "dt=2012-07-04").mkdir(parents=True)
        file = (folder / "raw" / "dt=2012-07-04" / "buffered.jsonl").open("ab")
        return file.write

    result = {}
    for name, way in (("log", segment), ("buffered file", buffered)):
        responses = lost = 0
        for _ in range(times):
            folder, acknowledged = Path(tempfile.mkdtemp(dir=BENCH)), mmap.mmap(-1, 8)
            if not (child := os.fork()):
                write_until_killed(way(folder), acknowledged)
            time.sleep(random.uniform(0.05, 0.3))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            count = int.from_bytes(acknowledged[:8])
            content = b"".join(path.read_bytes() for path in folder.glob("raw/*/*"))
            responses += count
            lost += max(0, count - content.count(b"\n"))
            shutil.rmtree(folder)
        result[name] = {"responses": responses, "lost": lost}
    return result


def fill(folder: Path, records: int) -> None:
    """Records of a month, in segments as a service would leave them."""
    from bike_demand.data import contract

    from daybook.redaction import Redaction
    from daybook.segments import SegmentWriter

    schema = Redaction(contract, None).schema
    writer = SegmentWriter(folder, lambda: ("bike_demand:v1", schema))
    generator, start = random.Random(0), datetime(2012, 7, 1, tzinfo=UTC)
    step = timedelta(days=DAYS) / records
    for number in range(records):
        time = (start + number * step).isoformat(timespec="microseconds")
        row = ROW | {"dteday": time[:10], "hr": int(time[11:13]), "temp": round(generator.random(), 4)}
        head = {"v": 1, "id": f"{number:032x}", "ts": f"{time[:26]}Z", "route": "/predict", "status": 200, "ms": 3.125}
        head |= {"model": "bike_demand:v1", "bento": None, "rate": 1.0, "in": {"rows": [row]}}
        out = {"request_id": head["id"], "model": "bike_demand:v1", "predictions": [round(900 * generator.random(), 6)]}
        writer.write(json.dumps(head | {"out": out}, separators=(",", ":")).encode() + b"\n", time[:10])
    writer.close()


def log(folder: Path) -> "Log":
    """The log in a folder."""
    from bike_demand.data import contract

    from daybook.log import Log

    return Log(contract, folder)


def with_the_log(folder: Path) -> list[tuple]:
    """Predictions and their mean, day by day, from the compacted log."""
    rows = log(folder).predictions().aggregate("dt, count(*), avg(prediction)", "dt").order("dt")
    return [(str(day), count, round(mean, 6)) for day, count, mean in rows.fetchall()]


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
    days = rows.groupby("dt")["prediction"].agg(["count", "mean"])
    return [(str(day), count, round(mean, 6)) for day, count, mean in days.itertuples()]


def add_actuals(folder: Path) -> None:
    """An actual for each prediction, as compaction would leave them."""
    columns = "prediction_id, prediction AS actual, ts AS event_time, ts AS received, request_id"
    path = folder / "actuals" / "dt=2012-08-01" / "benchmark.parquet"
    path.parent.mkdir(parents=True)
    log(folder).predictions().project(columns).write_parquet(str(path))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and the result."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def measure(records: int) -> dict[str, Any]:
    """All of it, with the project's Python."""
    shutil.rmtree(BENCH / "iolog", ignore_errors=True)
    folder = BENCH / "iolog"
    measured: dict[str, Any] = {"write": write(20_000, 5), "sync": with_sync(4_000, 5), "kills": kills(20)}
    measured["small"] = small_files(folder)
    fill(folder, records)
    measured["bulk"] = in_bulk(folder)
    raw = sum(path.stat().st_size for path in folder.glob("raw/*/*"))
    code = (
        "import json, resource, sys, time; from bike_demand.data import contract; from daybook.log import Log; "
        "began = time.perf_counter(); done = vars(Log(contract, sys.argv[1]).compact()); "
        "took = time.perf_counter() - began; "
        "print(json.dumps([took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, done]))"
    )
    compacting = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    seconds, peak, done = json.loads(compacting.stdout)
    assert done["predictions"] == records and not done["quarantined"]
    tables = sum(path.stat().st_size for path in folder.glob("predictions/**/*.parquet"))
    measured["compact"] = {"seconds": seconds, "raw_mb": raw / 1e6, "tables_mb": tables / 1e6}
    measured["compact"] |= {"segments": done["segments"], "peak_mb": peak / 1024}
    ways = {"the log": with_the_log, "DuckDB over JSONL": with_duckdb, "pandas over JSONL": with_pandas}
    turns: dict[str, list[float]] = {name: [] for name in ways}
    results = {name: way(folder) for name, way in ways.items()}  # which also warms the page cache
    assert results["the log"] == results["DuckDB over JSONL"] == results["pandas over JSONL"], "they do not agree"
    for _ in range(3):
        for name, way in ways.items():
            turns[name].append(timed(lambda way=way: way(folder))[0])
    measured["read"] = {
        name: {
            "seconds": median(times),
            "ratio": median(own / log for own, log in zip(times, turns["the log"], strict=True)),
        }
        for name, times in turns.items()
    }
    day = "2012-07-15"
    measured["day"] = timed(lambda: log(folder).predictions(day, "2012-07-16").df())[0]
    add_actuals(folder)
    loss = "avg(abs(prediction - actual))"
    measured["labelled"] = timed(lambda: log(folder).labelled().aggregate(loss).fetchall())[0]
    shutil.rmtree(folder)
    return measured


def report(measured: dict[str, Any], records: int, versions: str) -> str:
    """The page."""
    rows = [f"| {name} | {one['seconds']:.2f} s | {one['ratio']:.1f} |" for name, one in measured["read"].items()]
    kills = [f"| {name} | {one['responses']:,} | {one['lost']:,} |" for name, one in measured["kills"].items()]
    compact, write, sync, bulk, small = (measured[name] for name in ("compact", "write", "sync", "bulk", "small"))
    separate, merging, merged = (small[name] for name in ("separate", "merging", "merged"))
    return f"""# The log alone

Made by `make bench` on {date.today()}, on {os.cpu_count()} cores of {cpu()}, Python {platform.python_version()},
{versions}.
Every number is of one run on that machine; on another it is another, the ratios less so.

## Writing

A record costs {write["cpu_us"]:.1f} µs of CPU: a request that goes through the recorder, less the same without it,
median of five rounds of 20,000. One process writes {write["one_process"]:,.0f} records in a second of CPU time, four at
once {write["four_processes"]:,.0f} in a second. In a request that does {write["work_us"]:.0f} µs of other work, so that
the log finds the caches cold, a record costs {write["among_us"]:.1f} µs.

With `IOLOG_SYNC=1`, a request of eight connections takes {sync["with_us"]:.0f} µs of time instead of
{sync["without_us"]:.0f}, and {sync["shared"]:.0f} requests share a sync, median of five rounds of 4,000. There is no
model: with one, the wait is a smaller part.

## Killing

Twenty processes each way, each killed with SIGKILL while it writes as fast as it can. A response counts once its write
has returned; it is lost if the file does not have it.

| writer | responses | lost |
|---|---:|---:|
{chr(10).join(kills)}

## Compacting {records:,} records

{compact["segments"]} segments with {compact["raw_mb"]:,.0f} MB of JSON became {compact["tables_mb"]:,.0f} MB of Parquet
in {compact["seconds"]:.1f} s, by one process of {compact["peak_mb"]:,.0f} MB at its peak.
With Daybook 0.2 it took 30.7 s.

To unfold a segment in bulk takes {bulk["bulk_us"]:.1f} µs of CPU time a line, and {bulk["exact_us"]:.1f} line by line,
which is {bulk["ratio"]:.1f} times as much (median of five segments); both give the same tables.

## Merging small files

{SMALL_DAYS} days of 96 small files a table, with 20 records each, as of four workers that write a segment an hour: to
count the predictions of each day takes {separate[1]:.2f} s of CPU time and {separate[0]:.2f} s of time, by a process of
{separate[2]:,.0f} MB. Merged, it takes {merged[1]:.3f} s of CPU time, {merged[0]:.3f} s of time and {merged[2]:,.0f}
MB, which is {separate[1] / merged[1]:.0f} times less CPU time. To merge {small["files"]:,} files, all three steps, took
{merging[1]:.1f} s of CPU time and {merging[0]:.1f} s of time, by a process of {merging[2]:,.0f} MB.

## Reading {records:,} records

Predictions a day and their mean, {DAYS} days, the same result from all three; the median of three turns each, taken
alternately, and the median of the ratios within a turn.

| reader | time | times the log's |
|---|---:|---:|
{chr(10).join(rows)}

One day of it as a frame takes {measured["day"]:.2f} s; the mean absolute error of all of it, joined with an actual for
each prediction, {measured["labelled"]:.1f} s.
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
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.records)))
        return
    sys.path.insert(0, str(HERE.parent / "tools"))
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
    measured = json.loads(
        run(str(Path(__file__).resolve()), "--measure", "--records", str(args.records)).splitlines()[-1]
    )
    page = report(measured, args.records, versions)
    (HERE / "log.md").write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
