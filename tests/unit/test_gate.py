"""What gets in, and what is refused with which sentence, before an application of Starlette."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from gates import KEY, KEYS, call, chunks, gate

from daybook.gate import Gate, Intake, Room, shown_key
from daybook.recorder import Recorder


def post(content: Any, headers: dict[str, str] | None = None, **options: Any) -> tuple[int, Any]:
    """Status and JSON of the response to a body."""
    response = call(gate(**options), "POST", "/size", content=content, headers=headers or {})
    return response.status_code, response.json()


def test_gate_hands_on_whole_bodies() -> None:
    assert post(b"[1, 2]") == (200, 6)
    assert post(chunks(10)) == (200, 100)
    assert post(b"1" * 100) == (200, 100)


def test_gate_refuses_what_is_too_large() -> None:
    sentence = {"error": "the body is larger than 100 bytes: send fewer rows at a time"}
    assert post(b"1" * 101) == (413, sentence)
    assert post(chunks(11)) == (413, sentence)


def test_gate_refuses_a_declared_size_without_reading() -> None:
    async def receive() -> dict:
        pytest.fail("the body was read")

    sent = []

    async def send(message: dict) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/size", "headers": [(b"content-length", b"101")]}
    asyncio.run(gate()(scope, receive, send))
    assert sent[0]["status"] == 413


def test_gate_refuses_a_body_that_does_not_arrive() -> None:
    assert post(chunks(9, pause=0.1)) == (408, {"error": "the body did not arrive within 0.2 seconds"})


def test_gate_gives_up_on_a_slow_application() -> None:
    assert post(b'"slow"') == (504, {"error": "there was no response within 0.2 seconds"})


def test_gate_passes_on_an_applications_own_timeout() -> None:
    with pytest.raises(TimeoutError, match="the application's own"):
        post(b'"late"')


@pytest.mark.parametrize(
    ("headers", "advice"),
    [
        ({"Content-Type": "text/plain"}, "content type text/plain is not supported: send application/json"),
        ({"Content-Type": "application/vnd.bentoml+pickle"}, "content type application/vnd.bentoml+pickle"),
        ({"Content-Type": "Multipart/Form-Data; boundary=x"}, "content type multipart/form-data"),
        ({"Content-Encoding": "gzip"}, "content encoding gzip is not supported: send the body as it is"),
    ],
)
def test_gate_refuses_any_form_but_plain_json(headers: dict[str, str], advice: str) -> None:
    status, body = post(b"[]", headers)
    assert status == 415 and body["error"].startswith(advice)


def test_gate_takes_json_however_it_is_named() -> None:
    assert post(b"[]", {"Content-Type": "Application/JSON; charset=utf-8", "Content-Encoding": "identity"}) == (200, 2)


def test_gate_wants_the_key_everywhere_but_at_the_probes() -> None:
    locked = gate(keys=KEYS)
    for method, path in (("POST", "/size"), ("GET", "/page"), ("GET", "/nowhere"), ("OPTIONS", "/size")):
        response = call(locked, method, path)
        assert response.status_code == 401 and response.headers["www-authenticate"] == "Bearer"
        assert "send `Authorization: Bearer <key>`" in response.json()["error"]
    assert {call(locked, "GET", path).status_code for path in Gate.probes} == {200}
    assert call(locked, "GET", "/page", headers=KEY).json() == "a page"
    assert call(locked, "POST", "/size", content=b"[]", headers={"Authorization": "Bearer s3cret"}).json() == 2


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": "s3cre"},
        {"X-API-Key": "é"},
        {"Authorization": "Basic s3cret"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wrong", "X-API-Key": "s3cret"},
    ],
)
def test_gate_refuses_a_wrong_key(headers: dict[str, str]) -> None:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    assert KEYS.name_of(shown_key(dict(raw))) is None


def test_shown_key_is_in_either_header() -> None:
    for headers in ({b"x-api-key": b"s3cret"}, {b"authorization": b"bearer  s3cret"}):
        assert shown_key(headers) == b"s3cret"


def test_intake_ends_if_the_caller_hangs_up() -> None:
    messages = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> dict:
        return messages.pop(0)

    assert asyncio.run(Intake(receive, 100, Room(100)).read()) is None


def test_gate_logs_rejections(tmp_path: Path) -> None:
    """Behind a recorder, what the gate refuses is in the log, with the id that its caller gets."""
    recorder = Recorder(gate(keys=KEYS), lambda: tmp_path, lambda: ("demand:1", None))
    responses = [
        call(recorder, "POST", "/size", content=b"[]"),
        call(recorder, "POST", "/size", content=b"1" * 101, headers=KEY),
        call(recorder, "POST", "/size", content=b"rows=1", headers=KEY | {"Content-Type": "text/plain"}),
        call(recorder, "POST", "/size", content=b'"slow"', headers=KEY),
    ]
    [segment] = tmp_path.glob("raw/*/*")
    entries = [json.loads(line) for line in segment.read_bytes().splitlines()]
    assert [(entry["status"], entry["id"], entry["out"]) for entry in entries] == [
        (status, response.headers["x-request-id"], response.json())
        for status, response in zip((401, 413, 415, 504), responses, strict=True)
    ]
    assert all(response.json()["request_id"] == response.headers["x-request-id"] for response in responses)
    assert [entry["in"] for entry in entries[2:]] == ["rows=1", "slow"]
