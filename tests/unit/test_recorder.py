"""A recorder before an application of Starlette: what is logged, and what its caller gets."""

import asyncio
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, Field, SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from daybook.contract import Contract
from daybook.log_writer import RecorderSettings
from daybook.project import DaybookError
from daybook.recorder import Recorder, request_id
from daybook.redaction import Redaction


def lines(recorder: Recorder) -> list[bytes]:
    """All that is in the log's segments."""
    paths = sorted(recorder.segments.folder.glob("raw/*/*"))
    return [line for path in paths for line in path.read_bytes().splitlines(keepends=True)]


def records(recorder: Recorder) -> list[dict[str, Any]]:
    """The log entries."""
    return [json.loads(line) for line in lines(recorder)]


async def double(request: Request) -> JSONResponse:
    """Twice a number, and its inverse."""
    number = await request.json()
    return JSONResponse({"double": 2 * number, "inverse": 1 / number, "id": request_id.get()})


async def count(request: Request) -> JSONResponse:
    """How many bytes there were."""
    return JSONResponse(len(await request.body()))


async def stream(request: Request) -> StreamingResponse:
    """A response in pieces, whose last is larger than the recorder holds."""
    return StreamingResponse(iter([b"[1", b",1" * 2000, b"]"]), media_type="application/json")


async def failure(request: Request, error: Exception) -> JSONResponse:
    """An application's own 500."""
    return JSONResponse({"error": str(error)}, 500)


def service(folder: Path, **options: Any) -> Recorder:
    """An application behind a recorder."""
    routes = [Route(path, double, methods=["POST"]) for path in ("/double", "/actuals")]
    routes += [Route("/stream", stream, methods=["POST"]), Route("/count", count, methods=["POST"])]
    routes += [Route("/page", lambda _: PlainTextResponse("hello"))]
    app = Starlette(routes=routes, exception_handlers={ZeroDivisionError: failure})
    return Recorder(app, folder=lambda: folder, answered_by=lambda: ("doubler:1", "bento:2"), **options)


def call(app: Callable, *requests: tuple[str, str], method: str = "POST", **headers: str) -> list[httpx.Response]:
    """Send bodies to routes, one after the other."""

    async def responses() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            return [await client.request(method, route, content=body, headers=names) for route, body in requests]

    return asyncio.run(responses())


def test_recorder_logs_before_the_response_leaves(tmp_path: Path) -> None:
    recorder = service(tmp_path)
    at_release = []

    async def watch(scope: dict, receive: Callable, send: Callable) -> None:
        async def counted(message: dict) -> None:
            at_release.append(len(lines(recorder)))
            await send(message)

        await recorder(scope, receive, counted)

    call(watch, ("/double", "21"))
    assert at_release == [1, 1]


def test_recorder_logs_the_documented_form(tmp_path: Path) -> None:
    recorder = service(tmp_path)
    [response] = call(recorder, ("/double", "21"), x_request_id="order-17")
    [entry] = records(recorder)
    assert list(entry) == ["v", "id", "ts", "route", "status", "ms", "model", "bento", "rate", "in", "out"]
    assert {name: entry[name] for name in entry if name not in ("ts", "ms")} == {
        "v": 1,
        "id": "order-17",
        "route": "/double",
        "status": 200,
        "model": "doubler:1",
        "bento": "bento:2",
        "rate": 1.0,
        "in": 21,
        "out": response.json(),
    }
    assert response.json()["id"] == response.headers["x-request-id"] == "order-17"


def test_recorder_adds_the_id_to_an_errors_body(tmp_path: Path) -> None:
    recorder = service(tmp_path)
    failed, unknown = call(recorder, ("/double", "0"), ("/nowhere", ""))
    assert (failed.status_code, failed.json()["request_id"]) == (500, failed.headers["x-request-id"])
    assert (unknown.status_code, unknown.text) == (404, "Not Found")
    assert [entry["out"] for entry in records(recorder)] == [failed.json(), "Not Found"]


def test_recorder_passes_pages_untouched(tmp_path: Path) -> None:
    recorder = service(tmp_path)
    [response] = call(recorder, ("/page", ""), method="GET")
    assert response.text == "hello" and "x-request-id" not in response.headers
    assert lines(recorder) == []


def test_recorder_streams_what_is_too_large_to_be_held(tmp_path: Path) -> None:
    recorder = service(tmp_path, max_body=2000)
    [response] = call(recorder, ("/stream", ""))
    assert response.json() == [1] * 2001
    [entry] = records(recorder)
    assert entry["out"] == response.text[:1000] and entry["cut"]["out"] == 4002


class Person(BaseModel):
    """A row with a secret."""

    day: date
    name: str = Field(json_schema_extra={"iolog": "drop"})
    account: str = Field("", json_schema_extra={"iolog": "hash"})


class LabelledPerson(Person):
    """And its target."""

    cost: float


PEOPLE = Contract(LabelledPerson, target="cost", time="day", name="people")


def test_recorder_logs_what_the_contract_lets_it(tmp_path: Path) -> None:
    recorder = service(tmp_path, redaction=Redaction(PEOPLE, SecretStr("k")), max_body=100)
    bodies = ['{"rows": [{"day": "2024-01-01", "name": "Ada"}]}', "Ada", '{"rows": [{"name": "Ada"}]}' + 3000 * " "]
    call(recorder, *[("/count", body) for body in bodies], ("/nowhere", ""))
    assert b"Ada" not in b"".join(lines(recorder))
    assert [(entry["in"], entry.get("cut", {}).get("in")) for entry in records(recorder)] == [
        ({"rows": [{"day": "2024-01-01"}]}, None),
        (None, 3),
        (None, 3027),
        (None, None),
    ]
    assert [entry["out"] for entry in records(recorder)] == [48, 3, 3027, None], "an error may quote its request"
    assert json.loads((tmp_path / "contracts" / "doubler" / "1.json").read_bytes()) == {
        **PEOPLE.schema,
        "x-device": "cpu",
    }


def test_recorder_refuses_to_start_without_the_key_for_hashes(tmp_path: Path) -> None:
    with pytest.raises(DaybookError, match="set IOLOG_HASH_KEY"):
        service(tmp_path, redaction=Redaction(PEOPLE))


@pytest.mark.parametrize("on_error", ["warn", "fail"])
def test_recorder_says_once_that_the_log_fails_and_recovers(
    on_error: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    blocked = tmp_path / "raw"
    blocked.write_text("a file where a folder should be")
    recorder = service(tmp_path, settings=RecorderSettings(on_error=on_error), always=["/actuals"])

    def statuses(route: str) -> set[int]:
        return {response.status_code for response in call(recorder, *[(route, "21")] * 50)}

    assert statuses("/double") == {200 if on_error == "warn" else 503}
    assert statuses("/actuals") == {503}
    assert call(recorder, ("/readyz", ""), method="GET")[0].status_code == (404 if on_error == "warn" else 503)
    blocked.unlink()
    assert call(recorder, ("/readyz", ""), method="GET")[0].status_code == 404, "the application has no such page"
    assert statuses("/double") == {200}
    assert [record.levelname for record in caplog.records if record.name == "iolog"] == ["ERROR", "WARNING"]
    assert "100 requests are not logged" in caplog.text
    recorder.log.count()
    assert [recorder.log.counters[name]._value.get() for name in ("written", "failed")] == [50, 100]
    assert len(lines(recorder)) == 50


def test_recorder_logs_a_sample_and_all_actuals(tmp_path: Path) -> None:
    recorder = service(tmp_path, settings=RecorderSettings(sample_rate=0.2), always=("/actuals",))
    for number in [*range(100), *range(100)]:
        call(recorder, ("/double", "1"), ("/actuals", "1"), x_request_id=f"r{number}")
    sample = [entry["id"] for entry in records(recorder) if entry["route"] == "/double"]
    assert len(sample) == 2 * len(set(sample)) and 10 < len(set(sample)) < 40
    rates = {(entry["route"], entry["rate"]) for entry in records(recorder)}
    assert rates == {("/double", 0.2), ("/actuals", 1.0)}
    assert len(records(recorder)) - len(sample) == 200
    assert recorder.log.counters["sampled_out"]._value.get() == 200 - len(sample)
