"""What a log entry is made of: bodies, ids, samples."""

import json
import os

import pytest
from pydantic_core import from_json

from daybook.record import (
    Body,
    as_json,
    is_sampled,
    is_shallow,
    now,
    origin_json,
    printable,
    record,
    request_id_of,
    with_request_id,
)


@pytest.mark.parametrize(
    ("body", "entry"),
    [
        (b'{"hr": 8,\r\n "temp": 0.30}', b'{"hr": 8,   "temp": 0.30}'),
        (b"", b"null"),
        (b'{"temp": NaN}', b'"{\\"temp\\": NaN}"'),
        (b"no JSON", b'"no JSON"'),
        (b'"\xff"', b'"\\"\\\\xff\\""'),
    ],
)
def test_as_json_is_one_line_of_json(body: bytes, entry: bytes) -> None:
    assert as_json(body) == entry
    json.loads(entry)


def test_as_json_is_a_string_for_what_no_reader_could_parse() -> None:
    assert isinstance(json.loads(as_json(b"[" * 100_000)), str)


@pytest.mark.parametrize("inner", [b"[%b]", b'{"a":%b}', b"[1, %b]", b'{"a":\t%b, "b": {}}'])
@pytest.mark.parametrize("depth", range(195, 200))
def test_as_json_leaves_room_for_the_entry_around_it(inner: bytes, depth: int) -> None:
    """A reader of JSON stops at some depth, and the entry is one level more than the body."""
    body = b'{"rows": [{"hour": 8}], "note": %b}'
    for _ in range(depth):
        body %= inner
    body %= b"1"
    entry = record("r", now(), "/predict", 200, 1.0, origin_json("m:1", None, 1.0), as_json(body), b"null")
    assert from_json(entry)["in"] in (from_json(body), body.decode()) and not is_shallow(body)
    assert is_shallow(b'{"rows": [%b]}' % b", ".join([b'{"hour": 8}'] * 1000))


def test_body_of_one_over_the_bound_is_its_beginning() -> None:
    body = Body(bound=5000)
    for _ in range(1000):
        body.add(b"0123456789")
        assert len(body.content) <= 5000
    entry, size = body.entry()
    assert (json.loads(entry), size) == ("0123456789" * 100, 10_000)


def test_body_that_did_not_come_whole_has_the_declared_size() -> None:
    body = Body(bound=5000, declared=100)
    assert body.entry() == (b"null", 100)
    body.add(b'{"rows": [')
    assert body.entry() == (b'"{\\"rows\\": ["', 100)
    body.add(b"1" * 88 + b"]}")
    assert body.entry() == (b'{"rows": [' + b"1" * 88 + b"]}", 0)


def test_request_id_of_takes_visible_ascii_only() -> None:
    for usable in (b"a", b"order-17", b"x" * 128):
        assert request_id_of(usable) == usable.decode()
    made = {request_id_of(unusable) for unusable in (b"", b"two words", b"x" * 129, b"\xc3\xa9", b"a\n")}
    assert len(made) == 5 and {len(name) for name in made} == {32}


def test_with_request_id_changes_objects_only() -> None:
    assert json.loads(with_request_id(b'{"error": "no"}', "r1")) == {"error": "no", "request_id": "r1"}
    for body in (b"", b"[1]", b"Not Found", b'"error"'):
        assert with_request_id(body, "r1") == body


def test_is_sampled_is_the_same_for_the_same_request_and_about_the_share() -> None:
    names = [f"r{number}" for number in range(2000)]
    sample = {name for name in names if is_sampled(name, 0.25)}
    assert sample == {name for name in reversed(names) if is_sampled(name, 0.25)}
    assert 400 < len(sample) < 600
    assert sample < {name for name in names if is_sampled(name, 0.5)}
    assert all(is_sampled(name, 1) for name in names) and not any(is_sampled(name, 0) for name in names)
    is_sampled("\ud800", 0.5)


def test_printable_is_short_and_can_be_written() -> None:
    assert printable("/\ud800") == "/\\ud800"
    assert len(printable("/" * 5000)) == 1000


def test_record_is_a_line_with_the_bodies_as_they_are() -> None:
    line = record("r1", now(), "/predict", 200, 2.5, origin_json("m:v1", None, 1.0), b'{"temp": 0.30}', b"null")
    assert line.endswith(b',"in":{"temp": 0.30},"out":null}\n') and line.count(b"\n") == 1
    names = ["v", "id", "ts", "route", "status", "ms", "model", "bento", "rate", "in", "out"]
    assert list(json.loads(line)) == names
    assert len(now()) == len("2024-01-01T00:00:00.000000Z") and now().endswith("Z")


@pytest.mark.parametrize("text", ['"', "\\", '\\"', "</", "a" * 128, "{}", "%b%d", "\x7f"])
def test_record_can_be_read_whatever_its_fields_are(text: str) -> None:
    entry = json.loads(record(text, now(), f"/{text}", 404, 0.0, origin_json(text, text, 0.5, text), b"null", b"null"))
    assert [entry[name] for name in ("id", "route", "model", "bento", "key")] == [text, f"/{text}", text, text, text]


def test_new_ids_are_all_different_also_after_a_fork() -> None:
    request_id_of(b"")
    read, write = os.pipe()
    if not (child := os.fork()):
        os.write(write, request_id_of(b"").encode())
        os._exit(0)
    os.waitpid(child, 0)
    ids = [request_id_of(b"") for _ in range(1000)]
    assert len({*ids, os.read(read, 100).decode()}) == 1001
    assert {len(each) for each in ids} == {32} and all(int(each, 16) >= 0 for each in ids)
    os.close(read)
    os.close(write)
