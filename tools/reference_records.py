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

# What each field of the log's line means, and each column of its tables; `records` checks that none is missing.
LINE = {
    "v": "version of this format: 1",
    "id": "the request's id: the caller's `X-Request-ID` if it is 1 to 128 printable ASCII characters without blanks,"
    " else a new one. The response carries it in its header, and as `request_id` in a body that is an object. Ids that"
    " callers choose can occur twice; an actual counts for none of them if their rows differ",
    "ts": "when the line was written, UTC, to the microsecond",
    "route": "the path that was called",
    "status": "the HTTP status of the response; 499 if the caller hung up, or the service was stopped, before it",
    "ms": "milliseconds from the arrival of the request to the line",
    "model": "the model in service, `name:version`",
    "bento": "the bento in service, `name:version`; null if the project's folder is served without one",
    "rate": "the share of requests that are logged; a line stands for 1 / `rate` requests",
    "key": "only where the caller showed a key of `SERVICE_API_KEYS`: its name",
    "cut": 'only where a body is not logged as a whole: `{"in": <bytes it had>}`, or `"out"`',
    "in": "the body of the request",
    "out": "the body of the response",
}
COLUMNS = {
    "prediction_id": "`<request id>:<k>`, for prediction number k of a request, counted from 0",
    "request_id": "`id` of the line",
    "ts": "as in the line",
    "version": "of the model",
    "bento": "as in the line",
    "rate": "as in the line",
    "prediction": "a number, the probability of a yes, or the class",
    "model": "name of the model",
    "dt": "the UTC day of `ts`, or of `received`",
    "actual": "the value that turned out",
    "event_time": "when it happened, as the caller said",
    "received": "when the service received it",
    "route": "as in the line",
    "status": "as in the line",
    "ms": "as in the line",
    "key": "as in the line",
    "in": "the body of the request, if it is in no other table",
    "out": "the body of the response, if it is in no other table",
}
EXAMPLE = """\
{"v":1,"id":"first","ts":"2026-11-26T07:50:57.999524Z","route":"/predict","status":200,"ms":5.295,
"model":"bike_demand:43gevzhjnwezeax4","bento":"bike-demand:7ts3pghjnwaucax4","rate":1.0,
"in":{"rows": [{"dteday": "2012-07-04", "hr": 17,   "holiday": true, "workingday": false, "weathersit": 1,
"temp": 0.8, "atemp": 0.75, "hum": 0.5, "windspeed": 0.1}]},
"out":{"request_id":"first","model":"bike_demand:43gevzhjnwezeax4","predictions":[308.58542788243005]}}
"""
BODIES = """\
`in` and `out` are the bodies as they were, numbers and blanks included; line breaks become blanks. A body that is not
JSON, or contains NaN, is a string. An empty body is null, and so is one that the service did not read, as that of a
caller without a key. Of a body over `SERVICE_MAX_BODY_MB`, and of one that did not arrive as a whole, the first
thousand bytes are kept, as a string, and `cut` says how many there were.

In the tables, a field of `Row` is a column under its alias. If the table has a column of that name itself, in capitals
or not, an underscore follows: `model_`. Of several classes, `prediction` is the most probable one as a text, and
`probabilities` has those of all; `actual` is a text too, or a number where classes are integers. [The
loop](loop.md#the-log) says what the log promises, and how to read it.
"""

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
    if wrong := names.keys() ^ LINE.keys():
        raise ValueError(f"LINE does not describe the fields of a line as they are: {', '.join(sorted(wrong))}")
    yield f"## Records\n\n### A line of the log\n\nWrapped here:\n\n```text\n{EXAMPLE}```\n"
    types = ([code(name), kinds(line[name] for line in lines if name in line), LINE[name]] for name in names)
    yield table(["field", "type", "meaning"], types)
    yield BODIES
    for read in (Log.predictions, Log.actuals, Log.requests):
        columns = zip(read(log).columns, map(str, read(log).types), strict=True)
        own = "the fields of `Row`"
        kept = {own if name in contract.columns.values() else name: kind for name, kind in columns}
        rows = ([name, "", ""] if name == own else [code(name), kind, COLUMNS[name]] for name, kind in kept.items())
        yield f"### The table {read.__name__}\n\n{read.__doc__} Types are those of DuckDB.\n"
        yield table(["column", "type", "meaning"], rows)
    yield f"### run.json\n\nIn the folder of each run.\n\n{fields(runs.Run)}"
    yield f"### champion.json\n\nIn the project.\n\n{fields(champion.Champion)}"
    yield f"### drift.json\n\nIn the folder of a run of `drift`.\n\n{left_by('drift')}"
    yield f"Each of `columns` has its `reasons` to count as moved, and\n\n{fields(change.Change)}"
    schema = json.dumps(Decision.model_json_schema(), indent=2)
    yield f"### decision.json\n\nIn the folder of a run of `backtest`. Its fields:\n\n{fields(Decision)}"
    for part in (Check, Condition, Comparison, Reference, Inputs):
        yield f"#### {part.__name__}\n\n{part.__doc__}\n\n{fields(part)}"
    yield f"Its JSON schema, also `Decision.model_json_schema()` of `daybook.decision`:\n\n```json\n{schema}\n```\n"
