"""What a body may cost, before anybody has shown a key."""

import asyncio
import json
import tracemalloc
from datetime import date, datetime
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from daybook import bodies
from daybook.bodies import BodyReader, fields_of_rows
from daybook.endpoints import Endpoint

STRICT = ConfigDict(extra="forbid")
HOUR = create_model("Hour", __config__=STRICT, hour=(int, Field(lt=24)), note=(str, ""), day=(date, None))
WIDE = create_model("Wide", __config__=STRICT, **{f"field_{n}": (float, ...) for n in range(300)})


def refused(row: type[BaseModel], body: str | bytes) -> dict:
    """The response that refuses a body."""
    endpoint = Endpoint(create_model("Input", rows=(list[row], ...)), lambda: pytest.fail("it was called"))
    status, response = asyncio.run(endpoint.respond(bytearray(body.encode() if isinstance(body, str) else body)))
    assert status == 400
    return json.loads(response)


@pytest.mark.parametrize(
    ("row", "error"),
    [
        (b'{"day": [%b]}' % b",".join([b"[]"] * 50_000), "hour: field required (row 0)"),
        (b'{"day": {%b}}' % b",".join(b'"%d":{}' % n for n in range(20_000)), "hour: field required (row 0)"),
        (b'{"day": "%b"}' % (b"1" * 100_000), "hour: field required (row 0)"),
        (b'{"x": {"y": [%b]}}' % b", ".join([b'{"z": 1}'] * 20_000), "hour: field required (row 0); x: the contract"),
        (b"{%b}" % b",".join(b'"x%d":1' % n for n in range(20_000)), "hour: field required (row 0); x0: the contract"),
        (b"[%b]" % b",".join([b"1"] * 50_000), "rows: input should be an object (row 0)"),
        (b'"%b"' % (b"1" * 100_000), "rows: input should be an object (row 0)"),
    ],
)
def test_large_row_is_not_kept_once_for_each_field_that_it_lacks(
    monkeypatch: pytest.MonkeyPatch, row: bytes, error: str
) -> None:
    """10 MB became 7 GB: so its names are looked at first, without what stands there."""
    monkeypatch.setattr(bodies, "read_body", lambda kind, body: pytest.fail("the row was read"))
    assert refused(HOUR, b'{"rows": [%b]}' % row)["error"].startswith(error)


@pytest.mark.parametrize("value", ["[]", "{}", "1", '""', "null"])
def test_large_body_is_told_what_is_wrong_with_its_values(value: str) -> None:
    hours = ",".join(['{"hour": 8}'] * 9_000)
    error = refused(HOUR, f'{{"rows": [{hours}, {{"hour": 8, "day": {value}, "note": 5}}]}}')["error"]
    assert "note: input should be a valid string (row 9000)" in error


def test_large_body_is_taken_however_it_is_written() -> None:
    async def count(rows: list[BaseModel]) -> BaseModel:
        return create_model("Output", count=(int, ...))(count=len(rows))

    endpoint = Endpoint(create_model("Input", rows=(list[HOUR], ...)), lambda: count)
    rows = [{"hour": 8, "note": note} for note in ("", "}, {", '"[[', ",,,,,,", "x" * 100_000)] + [{"hour": 9}] * 9000
    for body in (json.dumps({"rows": rows}), json.dumps({"rows": rows}, indent=1), json.dumps({"rows": rows[5:]})):
        for hours in (body, body.replace("9,", "9.0,"), body.replace("9}", "9.0}")):  # which is forgiven
            assert asyncio.run(endpoint.respond(hours.encode())) == (200, b'{"count":%d}' % body.count("hour"))


FORGIVEN = [
    ("int", int, ["8.0", "8", "-8.0", "1e3", "9e18"], ["8.5", "true", '"8"', "1e300", "1e19", "NaN", "null"]),
    ("bool", bool, ["0", "1", "1.0", "true"], ["2", '"yes"', "0.5"]),
    ("date", date, ['"2024-02-01"', '"2024-02-01T00:00:00Z"', '"2024-02-01 00:00"'], ['"2024-02-01T05:00"', '"soon"']),
    ("datetime", datetime, ['"1706745600"', '"2024-02-01"', '"2024-02-01T05:00"'], ['"2024-02-31"', '"tomorrow, "']),
    ("float", float, ["8", "8.5"], ['"8"', "true", "Infinity"]),
    ("Literal", Literal[1, 2], ["1"], ["3", '"1"']),
]


@pytest.mark.parametrize(("name", "kind", "taken", "refused"), FORGIVEN)
def test_many_rows_are_forgiven_what_few_are(name: str, kind: type, taken: list[str], refused: list[str]) -> None:
    """And nothing else, wherever it stands."""
    config = ConfigDict(extra="forbid", allow_inf_nan=False)
    row = create_model("Row", __config__=config, **{name: (kind, ...)}, x=(float | None, None))
    kind = create_model("Input", rows=(list[row], ...))

    def read(values: list[str]) -> list:
        rows = ",".join(f'{{"{name}": {value}}}' for value in values)
        return [getattr(each, name) for each in BodyReader(kind).read(f'{{"rows": [{rows}]}}'.encode()).rows]

    for value in taken:
        assert read([taken[-1], value] * 10_000) == 10_000 * read([taken[-1], value]), value
    for value in refused:
        for many in (1, 20_000):
            with pytest.raises(ValidationError) as error:
                read([taken[0]] * many + [value])
            assert error.value.errors()[-1]["loc"] == ("rows", many, name), value


def test_integers_with_a_point_take_no_memory() -> None:
    """A million of them were a gigabyte of faults that were forgiven."""
    row = create_model("Row", __config__=STRICT, **{f"field_{n}": (int, ...) for n in range(100)})
    body = json.dumps({"rows": [{f"field_{n}": 8.0 for n in range(100)}] * 1000}).encode()
    tracemalloc.start()
    assert len(BodyReader(create_model("Input", rows=(list[row], ...))).read(body).rows) == 1000
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 10 * len(body)


def test_body_that_is_no_list_of_rows_is_taken() -> None:
    numbers = create_model("Input", numbers=(list[list[float]], ...))
    two = create_model("Input", rows=(list[HOUR], 1), x=(int, 2))
    assert fields_of_rows(numbers) == fields_of_rows(two) == []
    assert BodyReader(numbers).read(json.dumps({"numbers": [[1.5] * 50_000]}).encode()).numbers[0][1] == 1.5
    assert BodyReader(two).read(b'{"rows": [{"hour": 8}], "x": 3}').x == 3


def test_faults_that_may_be_very_many_are_told_of_the_first_row_that_has_some() -> None:
    """A list of all would take seconds, and gigabytes."""
    unknown, behind = "more: the contract has no such field, leave it out", "rows behind this one are not looked at"
    few, many = [{"hour": 1, "more": 2}] * 5_000, [{"hour": 1}] * 10 + [{"hour": 1, "more": 2}] * 30_001
    assert refused(HOUR, json.dumps({"rows": few}))["error"] == f"{unknown} (row 0 and 4,999 more)"
    assert refused(HOUR, json.dumps({"rows": many}))["error"] == f"{unknown} (row 10); {behind}"
    forgiven = [{"hour": 1.0}] * 30_000 + [{"hour": 1.5}]
    assert refused(HOUR, json.dumps({"rows": forgiven}))["error"].startswith("hour: input should be a valid integer")
    wide = refused(HOUR, json.dumps({"rows": [{"hour": 1} | {f"more{n}": 2 for n in range(10_001)}]}))
    assert "more are in the detail" in wide["error"] and len(wide["detail"]) <= 100


@pytest.mark.parametrize("rows", [[{}] * 10_000, [{"field_0": "x" * 60_000}] * 150])
def test_faults_of_rows_that_lack_all_fields_take_little(monkeypatch: pytest.MonkeyPatch, rows: list[dict]) -> None:
    """40 kB of empty rows took 2.4 GB, and 150 texts 4 GB."""
    known = []
    faults_of = "daybook.endpoints.faults_of"
    monkeypatch.setattr(faults_of, lambda kind, body, error: known.append(error.error_count()) or error.errors()[:1])
    monkeypatch.setattr("daybook.endpoints.sentence", lambda fault: fault["msg"])
    refused(WIDE, json.dumps({"rows": rows}))
    assert known == [300]
