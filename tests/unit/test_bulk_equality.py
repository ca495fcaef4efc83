"""A segment in bulk gives what it gives line by line, whatever its lines hold."""

import json
import tempfile
from collections.abc import Callable
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from segments_of import write_schema

from daybook import bulk
from daybook.bulk import unfold_segment
from daybook.contract import Contract
from daybook.entries import RowReaders
from daybook.unfolding import unfold


class Kind(Enum):
    """Values of a field."""

    A, B = "a", "b"


class Row(BaseModel):
    """A row with fields of all types."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    day: date
    n: int
    m: int | None = None
    x: float = Field(ge=-1e6)
    y: float | None = 1.5
    on: bool = True
    text: str = "none"
    kind: Kind | None = None
    size: Literal[1, 2] | None = None
    at: datetime | None = None


class LabelledRow(Row):
    """The same with its target."""

    target: float


class Flower(Row):
    """A row of classes."""

    target: Literal["a b", "c", "ü"]


class LooseRow(Row):
    """A row that takes other names, and changes values."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)
    n: Annotated[int, AfterValidator(abs)]


class Loose(LooseRow):
    """The same with its target."""

    target: float


class RedactedRow(Row):
    """A row of which the log keeps a part."""

    m: int | None = Field(None, json_schema_extra={"iolog": "drop"})
    text: str = Field("none", json_schema_extra={"iolog": "hash"})


class Redacted(RedactedRow):
    """The same with its target."""

    target: float


CONTRACTS = {
    row.__name__: Contract(row, target="target", name="demand") for row in (LabelledRow, Flower, Loose, Redacted)
}
numbers = st.one_of(
    st.integers(-3, 3),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 1.0, 17.0, 1e308, 5e-324, 2.0**53, 2.0**63, -1e7]),
)
texts = st.one_of(
    st.text(max_size=4), st.sampled_from(["a", "b", " a ", "2", "é\u2028", '"', "\\", "\x00", "null", ""])
)
days = st.sampled_from(
    ["2024-01-02", "2024-02-30", "2024-1-2", "0001-01-01", "2024-01-02T00:00:00", "20240102", "9999-12-31"]
)
times = st.sampled_from(
    [
        "2024-01-02T03:04:05Z",
        "2024-01-02T03:04:05",
        "2024-01-02T03:04:05.123456+02:00",
        "2024-01-02",
        "2024-01-02 03:04",
    ]
    + [
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59-05:00",
        "2024-01-02T24:00:00Z",
        "2024-01-02T03:04:60Z",
        "1704164645",
    ]
    + ["2024-01-02T03:04:05.1234567Z", "2024-01-02T03:04Z", "2024-01-02T03:04:05z", "noon"]
)
anything = st.one_of(
    st.none(), st.booleans(), numbers, texts, days, times, st.lists(st.none(), max_size=1), st.just({})
)
usual = {
    "day": st.sampled_from(["2024-01-02", "2024-01-03"]),
    "n": st.integers(-3, 3),
    "m": st.none() | st.integers(0, 3),
}
usual |= {"x": st.floats(0, 1), "y": st.none() | st.floats(0, 1), "on": st.booleans(), "text": st.text(max_size=3)}
usual |= {
    "kind": st.sampled_from(["a", "b", None]),
    "size": st.sampled_from([1, 2, None]),
    "at": st.sampled_from(["2024-01-02T03:04:05Z", None]),
}
unusual = {name: values | anything for name, values in usual.items()} | {"day": days, "at": times, "more": anything}


@st.composite
def rows(draw: Callable) -> dict[str, Any]:
    """A row: nearly always a usual one."""
    names = draw(st.permutations(list(usual)))
    absent = draw(st.sets(st.sampled_from(names), max_size=2)) if draw(st.integers(0, 3)) == 0 else set()
    row = {name: draw(usual[name]) for name in names if name not in absent}
    if draw(st.integers(0, 9)) == 0:
        name = draw(st.sampled_from(list(unusual)))
        row[name] = draw(unusual[name])
    return row


def dumps(value: Any, blanks: bool = False, ascii: bool = False) -> str:
    """JSON as the service or a client may write it."""
    return json.dumps(value, separators=(", ", ": ") if blanks else (",", ":"), ensure_ascii=ascii)


@st.composite
def bodies(draw: Callable, classes: tuple[str, ...]) -> tuple[str, str]:
    """A request and its response, as JSON."""
    kind = draw(st.sampled_from(["rows"] * 12 + ["actuals"] * 4 + ["both", "other"]))
    one = st.floats(0, 1) | st.integers(0, 1)
    usual_one = st.tuples(*[one] * len(classes)).map(lambda values: dict(zip(classes, values, strict=True)))
    prediction = usual_one if classes else one
    if draw(st.integers(0, 9)) == 0:
        prediction = prediction | anything | st.just({"c": 1, "a b": 0.5, "ü": 2})
    actual = st.fixed_dictionaries(
        {"prediction_id": st.sampled_from(["r1:0", "é"])},
        optional={"actual": one, "event_time": usual["at"], "more": st.just(1)}
        if draw(st.integers(0, 3))
        else {"actual": one | anything, "event_time": times | st.none(), "more": anything},
    )
    request: Any = {}
    response: Any = {"request_id": "r", "model": "demand:v1"}
    if kind in ("rows", "both"):
        request["rows"] = draw(st.lists(rows() if draw(st.integers(0, 9)) else rows() | anything, max_size=3))
        size = len(request["rows"]) + (draw(st.integers(0, 9)) == 0)
        response["predictions"] = draw(st.lists(prediction, min_size=size, max_size=size))
    if kind in ("actuals", "both"):
        request["actuals"] = draw(st.lists(actual, max_size=3))
    if kind == "other":
        request, response = draw(anything), draw(anything)
    elif draw(st.integers(0, 9)) == 0:
        target = draw(st.sampled_from([request, response]))
        target[draw(st.sampled_from(["more", "rows", "predictions", "bento"]))] = draw(anything)
    return tuple(dumps(body, draw(st.booleans()), draw(st.booleans())) for body in (request, response))


@st.composite
def lines(draw: Callable, classes: tuple[str, ...]) -> bytes:
    """A line of a segment: nearly always a log entry."""
    request, response = draw(bodies(classes))
    head = {"v": 1, "id": draw(st.sampled_from(["r1", "r2", "é", 'q"'])), "ts": "2024-01-01T10:00:00.000000Z"}
    head |= {"route": "/predict", "status": draw(st.sampled_from([200] * 19 + [400])), "ms": 2.5}
    head |= {"model": draw(st.sampled_from(["demand:v1"] * 18 + ["demand:v2", "other:v1"])), "bento": None, "rate": 1.0}
    if draw(st.integers(0, 19)) == 0:
        key = draw(st.sampled_from([*head, "cut", "day", "key"]))
        head[key] = draw(anything | st.sampled_from(["2024-01-02T10:00:00.000000Z", "2024-01-01T10:00:00.00000+00:00"]))
    if draw(st.integers(0, 39)) == 0:
        del head[draw(st.sampled_from(list(head)))]
    line = f'{dumps(head)[:-1]},"in":{request},"out":{response}}}\n'.encode("utf-8", "surrogatepass")
    mutation = draw(st.integers(0, 39))
    if mutation == 0:
        position = draw(st.integers(0, len(line)))
        return (
            line[:position]
            + draw(st.sampled_from([b"", b"\xff", b"\n", b"\r", b" ", b"\\", b'"', b"{", b"0"]))
            + line[position:]
        )
    if mutation == 1:
        old, new = draw(
            st.sampled_from([(b"1", b"NaN"), (b"null", b"Infinity"), (b'"n"', b'"m"'), (b"0", b"-0"), (b":1", b":1.0")])
        )
        return line.replace(old, new)
    return line[: draw(st.integers(0, len(line)))] if mutation == 2 else line


def sorted_rows(table: pa.Table) -> list[str]:
    """The rows of a table, in an order that depends on nothing else; times as numbers, as years end in 9999."""
    times = {
        name: table[name].cast(pa.int64()) for name in table.column_names if pa.types.is_timestamp(table[name].type)
    }
    for name, column in times.items():
        table = table.set_column(table.column_names.index(name), name, column)
    return sorted(map(repr, table.to_pylist()))


@pytest.mark.parametrize("name", CONTRACTS)
@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_bulk_is_equal_to_line_by_line(name: str, data: st.DataObject) -> None:
    contract = CONTRACTS[name]
    segment = data.draw(st.lists(lines(tuple(map(str, contract.classes))), max_size=8))
    with tempfile.TemporaryDirectory() as folder:
        if data.draw(st.integers(0, 9)):
            write_schema(Path(folder), contract.schema)
        content = b"".join(segment)
        expected, rest = unfold(content.splitlines(keepends=True), "s", RowReaders(Path(folder), contract))
        bulk.SMALL, bulk.AT_ONCE = 0, data.draw(st.sampled_from([1, 2, 500]))  # so that many lines are read in bulk
        try:
            tables, others = unfold_segment(content, "s", RowReaders(Path(folder), contract))
        finally:
            bulk.SMALL, bulk.AT_ONCE = 50_000, 500
    assert others == rest
    assert {path: table.schema for path, table in tables.items()} == {
        path: table.schema for path, table in expected.items()
    }
    for path, table in tables.items():
        assert sorted_rows(table) == sorted_rows(expected[path]), path
