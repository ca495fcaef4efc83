"""Whatever comes in and goes out, a request is one line in the log that can be read."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from daybook.example import contract
from daybook.log import Log
from daybook.log_writer import RecorderSettings
from daybook.recorder import Recorder

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


def exchange(recorder: Recorder, app: Callable, scope: dict[str, Any], messages: list[dict[str, Any]]) -> list[dict]:
    """What a server would send for one request."""
    sent, waiting = [], list(messages)

    async def receive() -> dict[str, Any]:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    recorder.app = app
    try:
        asyncio.run(recorder(scope, receive, send))
    except RuntimeError as error:
        assert str(error) == "too late", error
    return sent


def lines(recorder: Recorder) -> list[bytes]:
    """All that is in the log's segments."""
    paths = sorted(recorder.segments.folder.glob("raw/*/*"))
    return [line for path in paths for line in path.read_bytes().splitlines(keepends=True)]


@settings(max_examples=200, deadline=None)
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
def logs_one_line(
    recorder: Recorder, body: bytes, answer: bytes, sizes: list[int], headers: list, path: str, status: int, ending: str
) -> None:
    """Check that any request becomes one line."""

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
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in chunked(body, sizes)]
    if ending != "hang up":
        messages[-1]["more_body"] = False
    before = len(lines(recorder))
    sent = exchange(recorder, app, scope, messages)
    [line] = lines(recorder)[before:]
    entry = json.loads(line)
    assert list(entry)[:9] == ["v", "id", "ts", "route", "status", "ms", "model", "bento", "rate"]
    assert entry["status"] == {"fail": 500, "say nothing": 499}.get(ending, status)
    declared = dict(headers).get(b"content-length", b"")
    if len(body) <= 2000 and not (declared.isdigit() and int(declared) > len(body)):
        if body not in BOMBS and (meant := parsed(body)) is not NOT_JSON:
            assert entry["in"] == meant
        elif body not in BOMBS:
            assert entry["in"] == body.decode("utf-8", "backslashreplace")
    else:
        assert entry["cut"]["in"] >= len(body)
    assert [message["type"] for message in sent[:1]] == ["http.response.start"] * bool(sent)
    if ending in ("answer", "fail late", "hang up") and status < 400:
        assert b"".join(message.get("body", b"") for message in sent) == answer


def test_recorder_logs_any_request_as_one_line(tmp_path: Path) -> None:
    recorder = Recorder(None, folder=lambda: tmp_path, answered_by=lambda: ("fuzz:1", None), max_body=2000)
    logs_one_line(recorder)
    recorder.segments.close()
    count, log = len(lines(recorder)), Log(contract, tmp_path)
    assert count >= 200
    done = log.compact()
    assert (done.requests, done.quarantined, done.segments) == (count, 0, 1)
    assert len(log.requests()) == count


SCOPE = {"type": "http", "method": "POST", "path": "/predict", "headers": [(b"x-request-id", b"r1")]}


def stream(pieces: list[bytes], is_failing: bool = False) -> Callable:
    """An application that sends its response in pieces, and may fail before the last."""

    async def app(scope: dict, receive: Callable, send: Callable) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        if is_failing:
            raise ValueError("half way")
        await send({"type": "http.response.body", "body": b""})

    return app


def test_recorder_replaces_a_response_that_fails_half_way(tmp_path: Path) -> None:
    recorder = Recorder(None, folder=lambda: tmp_path, answered_by=lambda: ("m:1", None))
    start, body = exchange(recorder, stream([b'{"predictions": [1'], is_failing=True), SCOPE, [])
    error = {"error": "the service failed; its log says why", "request_id": "r1"}
    assert (start["status"], json.loads(body["body"])) == (500, error)
    [entry] = map(json.loads, lines(recorder))
    assert (entry["status"], entry["out"], entry.get("cut")) == (500, error, None)


def test_recorder_sends_nothing_after_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "raw").write_text("a file where a folder should be")
    settings = RecorderSettings(on_error="fail")
    recorder = Recorder(None, lambda: tmp_path, lambda: ("m:1", None), settings=settings, max_body=10)
    sent = exchange(recorder, stream([b"1" * 20, b"2" * 20]), SCOPE, [])
    assert [(message["type"], message.get("more_body")) for message in sent] == [
        ("http.response.start", None),
        ("http.response.body", False),
    ]
    assert sent[0]["status"] == 503
    assert json.loads(sent[1]["body"]) == {
        "error": "the request could not be logged, and so is not answered: try again later",
        "request_id": "r1",
    }
