"""Whatever comes in and goes out, a request is one line on record that can be read."""

import asyncio
import errno
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr

from {{cookiecutter.package}}.ops import iolog, recorder
from {{cookiecutter.package}}.ops.recorder import Middleware, Redaction, Settings

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
).map(lambda value: json.dumps(value).encode())
BODIES = JSON | st.binary() | st.tuples(JSON, st.binary(max_size=3)).map(b"".join)
HEADERS = st.lists(
    st.tuples(st.sampled_from([b"x-request-id", b"content-type", b"content-encoding", b"content-length"]), st.binary())
)
BOMBS = [
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"1" * 5_000,
    b"1e999",
    b"NaN",
    b'"\\ud800"',
    b"\x1f\x8b\x08",
    b"\xff\xfe{\x00}\x00",
]


NOT_JSON = object()


def parsed(body: bytes) -> Any:
    """What a body means, or that it means nothing; NaN and infinity are no JSON."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    try:
        return json.loads(body, parse_constant=refuse) if body else None
    except ValueError:
        return NOT_JSON


def chunked(body: bytes, sizes: list[int]) -> list[bytes]:
    """A body in pieces of some sizes."""
    pieces = []
    for size in sizes:
        pieces.append(body[:size])
        body = body[size:]
    return [*pieces, body]


def exchange(log: Middleware, app: Callable, scope: dict[str, Any], messages: list[dict[str, Any]]) -> list[dict]:
    """What a server would send for one request."""
    sent, waiting = [], list(messages)

    async def receive() -> dict[str, Any]:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    log.app = app
    try:
        asyncio.run(log(scope, receive, send))
    except RuntimeError as error:
        assert str(error) == "too late", error
    return sent


def lines(log: Middleware) -> list[bytes]:
    """All that is in the log's segments."""
    return [line for path in iolog.segments(log.writer.folder) for line in path.read_bytes().splitlines(keepends=True)]


@pytest.fixture(scope="module")
def log() -> Middleware:
    """A recorder that cuts bodies over 2000 bytes."""
    folder = Path(tempfile.mkdtemp())
    return Middleware(None, folder=lambda: folder, answered_by=lambda: ("fuzz:1", None), max_body=2000)


@settings(max_examples=400, deadline=None)
@given(
    body=BODIES | st.sampled_from(BOMBS),
    answer=BODIES | st.sampled_from(BOMBS),
    sizes=st.lists(st.integers(0, 50), max_size=4),
    headers=HEADERS,
    path=st.text(),
    status=st.sampled_from([200, 204, 400, 404, 500]),
    ending=st.sampled_from(["answer", "fail", "fail late", "say nothing", "hang up"]),
)
@example(b'{"rows":\n[1]}', b"{}", [], [(b"x-request-id", b"mine")], "/\ud800", 200, "answer")
def test_a_request_is_one_line_whatever_it_is(
    log: Middleware, body: bytes, answer: bytes, sizes: list[int], headers: list, path: str, status: int, ending: str
) -> None:
    async def app(scope: dict, receive: Callable, send: Callable) -> None:
        while (await receive()).get("more_body", False):
            pass
        if ending == "fail":
            raise ValueError("in the middle")
        if ending == "say nothing":
            return
        await send({"type": "http.response.start", "status": status, "headers": []})
        *first, last = chunked(answer, sizes)
        for piece in first:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": last})
        if ending == "fail late":
            raise RuntimeError("too late")

    scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
    pieces = chunked(body, sizes)
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    if ending != "hang up":
        messages[-1]["more_body"] = False
    before = len(lines(log))
    sent = exchange(log, app, scope, messages)
    [line] = lines(log)[before:]
    record = json.loads(line)
    assert list(record)[:9] == ["v", "id", "ts", "route", "status", "ms", "model", "bento", "rate"]
    assert record["status"] == {"fail": 500, "say nothing": 499}.get(ending, status)
    declared = dict(headers).get(b"content-length", b"")
    if len(body) <= 2000 and not (declared.isdigit() and int(declared) > len(body)):
        if body not in BOMBS and (meant := parsed(body)) is not NOT_JSON:
            assert record["in"] == meant
        elif body not in BOMBS:
            assert record["in"] == body.decode("utf-8", "backslashreplace")
    else:
        assert record["cut"]["in"] >= len(body)
    assert [message["type"] for message in sent[:1]] == ["http.response.start"] * bool(sent)
    if ending in ("answer", "fail late", "hang up") and status < 400:
        assert b"".join(message.get("body", b"") for message in sent) == answer


def test_every_line_of_it_can_be_compacted(log: Middleware) -> None:
    log.writer.close()
    found = len(lines(log))
    assert found >= 400
    done = iolog.compact(log.writer.folder)
    assert (done.requests, done.quarantined, done.segments) == (found, 0, 1)
    assert len(iolog.requests(folder=log.writer.folder)) == found


class Person(BaseModel):
    """A contract with secrets."""

    name: str = Field(json_schema_extra={"iolog": "drop"})
    account: str = Field(json_schema_extra={"iolog": "hash"})
    age: int


@settings(max_examples=200, deadline=None)
@given(
    body=BODIES,
    inside=st.sampled_from([b"%s", b'{"rows": [%s]}', b'{"rows": [{"name": %s}]}', b'{"rows": [{"account": %s}]}']),
)
def test_no_secret_is_entered_wherever_it_stands(body: bytes, inside: bytes) -> None:
    redaction = Redaction(Person, SecretStr("key"))
    secret = b'"sEcReT' + body[:20].hex().encode() + b'"'
    kept = redaction.request(inside % secret)
    assert b"sEcReT" not in kept
    json.loads(kept)
    redaction.request(inside % body)
    json.loads(redaction.error(inside % body))
    json.loads(redaction.error(b'{"error": 1, "detail": [{"loc": [%s], "type": null}, %s]}' % (body, body)))


@pytest.mark.parametrize("on_error", ["warn", "fail"])
def test_a_log_that_fails_says_so_once_and_recovers(
    on_error: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    async def app(scope: dict, receive: Callable, send: Callable) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    log = Middleware(
        app, lambda: tmp_path, lambda: ("m:1", None), settings=Settings(on_error=on_error), always=["/actuals"]
    )
    blocked = tmp_path / "raw"
    blocked.write_text("a file where a folder should be")

    def statuses(path: str) -> list[int]:
        scope = {"type": "http", "method": "POST", "path": path, "headers": []}
        return [exchange(log, app, scope, [])[0]["status"] for _ in range(50)]

    assert set(statuses("/predict")) == {200 if on_error == "warn" else 503}
    assert set(statuses("/actuals")) == {503}
    blocked.unlink()
    assert set(statuses("/predict")) == {200}
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "100 requests are not on record" in caplog.text
    assert [log.counters[name]._value.get() for name in ("written", "failed")] == [50, 100]
    assert len(lines(log)) == 50


@pytest.mark.skipif(recorder.fcntl is None, reason="there are no such locks on this system")
def test_where_there_are_no_locks_lines_are_written_and_nobody_adopts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(recorder.fcntl, "flock", refuse)
    writer = recorder.SegmentWriter(tmp_path)
    writer.write(b"{}\n", "2026-11-23")
    assert recorder.adopt(tmp_path) == 0
    writer.write(b"{}\n", "2026-11-23")
    assert writer.path.name.endswith(".open") and writer.path.read_bytes() == b"{}\n{}\n"
