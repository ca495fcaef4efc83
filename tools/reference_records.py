"""What a project leaves behind, for the reference: from the classes that say it, or from what it has written."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bike_demand.data import contract, load
from reference import code, fields_of, table
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from daybook import champion, change, jobs, models, runs
from daybook.backtest import Comparison, Condition
from daybook.checks import Check
from daybook.decision import Decision, Inputs, Reference
from daybook.log import Log
from daybook.recorder import Recorder

JSON = {dict: "object", list: "array", str: "string", int: "integer", float: "number", bool: "boolean"}


async def accept(request: Request) -> JSONResponse:
    """The service behind the recorder."""
    await request.body()
    request.scope["daybook.key"] = "ci"
    return JSONResponse({"accepted": 1})


def simulate(home: Path) -> None:
    """Leave all kinds of records behind: of two models, of predictions, of actuals in requests and a table, of jobs."""

    def run(job: str, **args: Any) -> runs.Run:
        ended = jobs.run(job, {name: str(value) for name, value in args.items()}, runs_url=str(home / "runs"))
        if ended.status != "done":
            raise RuntimeError(f"{job}: {ended.error}")
        return ended

    first, better = (run("train", end=end, max_iter=20).model for end in ("2011-06-01", "2012-01-01"))
    run("promote", candidate=first)
    rows = load()
    rows = rows[rows["dteday"].between("2012-01-01", "2012-01-31")].assign(hum=lambda rows: rows["hum"] / 2)
    log = Log(contract)
    log.backfill(rows, models.load(first).predict(rows), first, "2012-02-01")
    [ids] = log.predictions().project("prediction_id").fetchnumpy().values()
    actuals = [{"prediction_id": id, "actual": int(n)} for id, n in zip(ids, rows["cnt"], strict=True)]
    rows[["dteday", "hr", "cnt"]].to_parquet(labels := home / "actuals.parquet")
    service = Starlette(routes=[Route("/actuals", accept, methods=["POST"])])
    for bento, max_body in ((None, 10), ("bike-demand:1", 2**20)):  # the first cuts the bodies
        recorder = Recorder(service, lambda: log.folder, lambda bento=bento: (first, bento), max_body=max_body)
        with TestClient(recorder) as client:
            client.post("/actuals", json={"actuals": actuals})
    run("drift")
    run("backtest", tolerated=100)
    run("backtest", tolerated=0.1, candidates=better, labels=labels)
    run("backtest", min_rows=10**6, candidates=better)
    run("compact")


def kinds(values: Iterable[Any]) -> str:
    """The JSON types of values, null as the last."""
    names = {JSON.get(type(value), "null") for value in values}
    return " or ".join(sorted(names, key=lambda kind: (kind == "null", kind)))


def shape(values: Sequence[Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Path and types of what several JSON values hold; a key that is itself a value is shown as <what it names>."""
    if path and (kind := kinds(values)) != "object":
        lists = (value for value in values if isinstance(value, list))
        yield path, kind.replace("array", f"array of {kinds(item for value in lists for item in value)}")
    inside = defaultdict(list)
    for value in values:
        for key, item in value.items() if isinstance(value, dict) else ():
            if ":" in key:
                key = "<model>"
            elif key in {*contract.fields, "prediction"}:
                key = "<column>"
            inside[f"{path}.{key}".removeprefix(".")].append(item)
    for each, items in inside.items():
        yield from shape(items, each)


def fields(kind: type) -> str:
    """The fields of a class as a table."""
    rows = ([code(name), code(annotation), said] for name, (annotation, said) in fields_of(kind).items())
    return table(["field", "type", "meaning"], rows)


def records(home: Path) -> Iterator[str]:
    """What is kept: from the classes that say it, or else from what is there after `simulate`."""

    def left_by(job: str) -> str:
        contents = [json.loads(path.read_bytes()) for path in sorted(home.glob(f"runs/{job}/*/d*.json"))]
        return table(["field", "type"], ([code(path), kind] for path, kind in shape(contents)))

    log = Log(contract)
    segments = log.folder.glob("archive/*/*")
    lines = [json.loads(line) for path in segments for line in path.read_bytes().splitlines()]
    lines.sort(key=lambda line: line["ts"])
    names = dict.fromkeys(name for line in lines for name in line)
    yield "## Records\n\n### A line of the log\n\n[The record](record.md#one-record) says what each field means.\n"
    types = ([code(name), kinds(line[name] for line in lines if name in line)] for name in names)
    yield table(["field", "type"], types)
    for read in (Log.predictions, Log.actuals, Log.requests):
        columns = zip(read(log).columns, map(str, read(log).types), strict=True)
        own = "the fields of `Row`"
        shown = {own if name in contract.columns.values() else code(name): kind for name, kind in columns}
        yield f"### The table {read.__name__}\n\n{read.__doc__} Types are those of DuckDB.\n"
        yield table(["column", "type"], (shown | ({own: ""} if own in shown else {})).items())
    yield f"### run.json\n\nIn the folder of each run.\n\n{fields(runs.Run)}"
    yield f"### champion.json\n\nIn the project.\n\n{fields(champion.Champion)}"
    yield f"### drift.json\n\nIn the folder of a run of `drift`.\n\n{left_by('drift')}"
    yield f"Each of `columns` has its `reasons` to count as moved, and\n\n{fields(change.Change)}"
    schema = json.dumps(Decision.model_json_schema(), indent=2)
    yield f"### decision.json\n\nIn the folder of a run of `backtest`. Its fields:\n\n{fields(Decision)}"
    for part in (Check, Condition, Comparison, Reference, Inputs):
        yield f"#### {part.__name__}\n\n{part.__doc__}\n\n{fields(part)}"
    yield f"Its JSON schema, also `Decision.model_json_schema()` of `daybook.decision`:\n\n```json\n{schema}\n```\n"
