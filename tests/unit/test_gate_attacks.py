"""Made-up paths, many bodies, two headers, other protocols: what the gate keeps away."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from gates import KEY, KEYS, call, chunks, gate
from starlette.responses import JSONResponse

from daybook.gate import Gate
from daybook.recorder import Recorder
from daybook.service_settings import Keys, ServiceSettings


def test_gate_logs_the_name_of_a_key(tmp_path: Path) -> None:
    recorder = Recorder(gate(keys=KEYS), lambda: tmp_path, lambda: ("demand:1", None))
    for key in ("s3cret", "0123", "neither"):
        call(recorder, "POST", "/size", content=b"[]", headers={"X-API-Key": key})
    [segment] = tmp_path.glob("raw/*/*")
    assert [json.loads(line).get("key") for line in segment.read_bytes().splitlines()] == ["alice", "ci", None]


def test_gate_knows_the_name_of_a_key_that_is_also_that_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_API_KEY", "0123")
    monkeypatch.setenv("SERVICE_API_KEYS", "alice:0123")
    assert Keys.of(ServiceSettings.read()).name_of(b"0123") == "alice"


def test_gate_lets_nothing_pass_that_has_no_route(tmp_path: Path) -> None:
    """What stands behind it may count requests by path; a refusal is logged, and comes after that of the key."""
    passed = []

    async def app(scope: dict, receive: Callable, send: Callable) -> None:
        passed.append(scope["path"])
        await JSONResponse("here")(scope, receive, send)

    behind = Gate(app, 100, 1, KEYS, has_route=lambda scope: scope["path"] == "/size")
    recorder = Recorder(behind, lambda: tmp_path, lambda: ("demand:1", None))
    statuses = [
        call(recorder, method, path, headers=headers).status_code
        for path in ("/size", "/made-up")
        for method in ("GET", "POST")
        for headers in ({}, KEY)
    ]
    assert statuses == [401, 200, 401, 200, 401, 404, 401, 404] and set(passed) == {"/size"}
    [segment] = tmp_path.glob("raw/*/*")
    entries = [json.loads(line) for line in segment.read_bytes().splitlines()]
    assert [(entry["route"], entry["status"]) for entry in entries] == [
        ("/size", 401),
        ("/size", 200),
        ("/made-up", 401),
        ("/made-up", 404),
    ]


def test_gate_refuses_a_websocket_without_the_key() -> None:
    async def app(scope: dict, receive: Callable, send: Callable) -> None:
        await send({"type": "websocket.accept"})

    def first_message(**headers: str) -> str:
        sent = []

        async def send(message: dict) -> None:
            sent.append(message)

        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "websocket", "path": "/size", "headers": raw}
        asyncio.run(Gate(app, 100, 1, KEYS)(scope, None, send))
        return sent[0]["type"]

    assert first_message() == "websocket.close"
    assert first_message(authorization="Bearer 0123") == "websocket.accept"


def test_gate_holds_no_more_bodies_than_it_has_room_for() -> None:
    """Bodies that never end, of many callers: each is within its limit."""

    async def statuses(count: int, app: Gate) -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
            calls = [client.post("/size", content=chunks(10, pause=0.01)) for _ in range(count)]
            together = [response.status_code for response in await asyncio.gather(*calls)]
            return [*sorted(together), (await client.post("/size", content=b"1" * 100)).status_code]

    app = gate(max_bodies=350)
    assert asyncio.run(statuses(10, app)) == [200] * 3 + [503] * 7 + [200]
    assert app.room.taken == 0


def test_gate_holds_one_copy_of_a_body_behind_a_recorder(tmp_path: Path) -> None:
    received = []

    async def app(scope: dict, receive: Callable, send: Callable) -> None:
        received.append((await receive())["body"] is scope["daybook.body"].content)
        await JSONResponse("here")(scope, receive, send)

    for bound, is_shared in ((100, True), (10, False)):
        recorder = Recorder(Gate(app, 100, 1), lambda: tmp_path, lambda: ("m:1", None), max_body=bound)
        assert call(recorder, "POST", "/size", content=b"1" * 100).status_code == 200
        assert received.pop() == is_shared


def test_gate_looks_at_the_header_that_is_read_later() -> None:
    """Of two, the first: the second could hide a pickle."""
    twice = [("Content-Type", "application/vnd.bentoml+pickle"), ("Content-Type", "application/json")]
    assert call(gate(), "POST", "/size", content=b"[]", headers=twice).status_code == 415
