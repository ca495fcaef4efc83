"""Usual lines are read in bulk, others one by one, and the tables are those of reading line by line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict
from segments_of import ROW, write_schema

from daybook import bulk
from daybook.bulk import Bulk, unfold_segment
from daybook.contract import Contract
from daybook.entries import RowReaders
from daybook.example import contract
from daybook.unfolding import unfold

SERVED = {"day": "2024-01-02", "hour": 7, "temp": 4.5, "weather": None, "holiday": True}
Line = Callable[..., bytes]


def line(number: int, request: Any, response: Any, **more: Any) -> bytes:
    """A log entry exactly as the service writes it."""
    head = {"v": 1, "id": f"r{number}", "ts": "2024-01-01T10:00:00.000000Z", "route": "/predict", "status": 200}
    head |= {"ms": 2.5, "model": "demand:v1", "bento": None, "rate": 1.0} | more
    return json.dumps(head | {"in": request, "out": response}, separators=(",", ":")).encode() + b"\n"


def answered(number: int, *rows: Any, **more: Any) -> bytes:
    """A request that was answered with predictions."""
    return line(number, {"rows": list(rows)}, {"predictions": [0.5 + k for k in range(len(rows))]}, **more)


def received(number: int, **actual: Any) -> bytes:
    """A request that brought an actual."""
    return line(number, {"actuals": [{"prediction_id": "r1:0", **actual}]}, {"accepted": 1})


@pytest.fixture(autouse=True)
def nothing_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "SMALL", 0)


@pytest.fixture
def readers(tmp_path: Path) -> RowReaders:
    write_schema(tmp_path)
    return RowReaders(tmp_path, contract)


def left(lines: list[bytes], readers: RowReaders) -> list[bytes]:
    """The lines that have to be read one by one; all lines give what they give line by line."""
    content = b"".join(lines)
    tables, rest = unfold_segment(content, "s", readers)
    expected, others = unfold(content.splitlines(keepends=True), "s", readers)
    assert rest == others and tables.keys() == expected.keys()
    for path, table in tables.items():
        assert table.schema == expected[path].schema
        assert sorted(map(repr, table.to_pylist())) == sorted(map(repr, expected[path].to_pylist()))
    return bulk._add_usual(Bulk("s", readers), content)


@pytest.mark.parametrize(
    "entry",
    [
        answered(1, SERVED, SERVED),
        answered(1),
        answered(1, ROW),  # without fields that have a default
        answered(1, SERVED | {"temp": 4}),
        answered(1, SERVED | {"hour": 7.0}),
        answered(1, SERVED, bento="demand:b1", rate=0.5),
        answered(1, SERVED, key="ci"),
        answered(1, SERVED, id="é\\", cut={"in": 7}),
        line(1, {"rows": [SERVED]}, {"predictions": [3], "model": "demand:v1", "more": [{"a": None}, {"a": 1}]}),
        received(2, actual=5, event_time="2024-01-01T12:00:00Z"),
        received(2, actual=None, more="a"),
        answered(1, SERVED).replace(b'"rows":[{', b'"rows" : [ { '),
    ],
    ids=lambda entry: entry[120:200].decode(),
)
def test_usual_lines_are_read_in_bulk(readers: RowReaders, entry: bytes) -> None:
    assert left([entry, answered(3, SERVED)], readers) == []


@pytest.mark.parametrize(
    "entry",
    [
        answered(1, SERVED | {"hour": "7"}),
        answered(1, SERVED | {"hour": 7.5}),
        answered(1, SERVED | {"hour": 2**70}),
        answered(1, SERVED | {"day": "2024-01-02T00:00:00"}),
        answered(1, SERVED | {"wind": 3}),
        answered(1, SERVED | {"holiday": None}),
        answered(1, SERVED, None),
        answered(1, SERVED, status=500),
        answered(1, SERVED, key=7),
        answered(1, SERVED, model="demand:v2"),
        answered(1, SERVED).replace(b"4.5", b"-0"),
        answered(1, SERVED).replace(b"0.5", b"null"),
        answered(1, SERVED).replace(b"2.5", b"NaN"),
        answered(1, SERVED).replace(b'"hour":7', b'"hour":7,"hour":8'),
        answered(1, SERVED).replace(b'"bento":null,', b""),
        answered(1, SERVED).replace(b"10:00:00", b"noon"),
        answered(1, SERVED)[:-1] + b" {}\n",
        answered(1, SERVED)[:-9],
        line(1, {"rows": [SERVED]}, {"predictions": []}),
        line(1, {"rows": [SERVED], "actuals": []}, {"accepted": 1}),
        line(1, None, {"error": "no key"}, status=401),
        line(1, '{"rows": [NaN]}', {"predictions": [1]}),
        received(2, actual="many"),
        received(2, event_time="2024-01-01"),
        b"\n",
        b"\xff\n",
    ],
    ids=lambda entry: entry[60:].decode("utf-8", "replace"),
)
def test_unusual_lines_are_read_one_by_one(readers: RowReaders, entry: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "AT_ONCE", 1)
    expected = [] if b'"predictions":[null]' in entry else [entry]
    assert left([answered(0, SERVED), entry], readers) == expected


def test_one_unusual_line_leaves_the_others_in_bulk(readers: RowReaders) -> None:
    lines = [answered(number, SERVED) for number in range(2000)]
    lines[700] = answered(700, SERVED | {"hour": "7"})
    assert left(lines, readers) == [lines[700]]


def test_blocks_end_where_lines_end(readers: RowReaders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "BLOCK", 700)
    lines = [answered(number, *[SERVED] * (number % 5)) for number in range(40)]
    assert left(lines, readers) == []
    assert left([*lines, lines[0][:50]], readers) == [lines[0][:50]]


def test_days_and_models_have_files_of_their_own(readers: RowReaders) -> None:
    days = [f"2024-01-0{day}T10:00:00.000000Z" for day in (1, 2, 3)]
    lines = [answered(number, SERVED, ts=days[number % 3]) for number in range(9)]
    lines += [received(20, actual=1), answered(21, SERVED, model="demand:v2")]
    assert left(lines, readers) == lines[-1:]
    assert len(unfold_segment(b"".join(lines), "s", readers)[0]) == 8


def test_a_text_among_predictions_decides_about_all_of_them(readers: RowReaders) -> None:
    calm = line(2, {"rows": [SERVED]}, {"predictions": ["calm"]})
    assert left([answered(1, SERVED), calm], readers)
    tables, _ = unfold_segment(answered(1, SERVED) + calm, "s", readers)
    [predictions] = [table for path, table in tables.items() if path.startswith("predictions")]
    assert predictions["prediction"].to_pylist() == ["0.5", "calm"]


class Length(BaseModel):
    """A row of classes."""

    length: float


class Flower(Length):
    """The same with what it is."""

    species: Literal["rose", "Tulpe ü"]


@pytest.mark.parametrize(
    ("text", "is_usual"),
    [
        ('{"rose":0.5,"Tulpe ü":0.5}', True),
        ('{"rose":0,"Tulpe ü":1}', True),
        ('{"Tulpe ü":0.5,"rose":0.5}', False),
        ('{"rose":1}', False),
        ('{"rose":0.5,"Tulpe ü":0.25,"lily":0.25}', False),
        ('{"rose":0.5,"Tulpe ü":null}', False),
        ("0.5", False),
    ],
)
def test_probabilities_keep_their_order(tmp_path: Path, text: str, is_usual: bool) -> None:
    flowers = Contract(Flower, target="species", name="demand")
    write_schema(tmp_path, flowers.schema)
    entry = line(1, {"rows": [{"length": 1.5}]}, {"predictions": []}).replace(b"[]", f"[{text}]".encode())
    assert (left([entry], RowReaders(tmp_path, flowers)) == []) == is_usual


class Halved(BaseModel):
    """A row whose validator changes a value."""

    length: Annotated[float, AfterValidator(lambda value: value / 2)]


class Stripped(BaseModel):
    """A row whose texts lose their blanks."""

    model_config = ConfigDict(str_strip_whitespace=True)
    length: str


@pytest.mark.parametrize(("row", "value", "logged"), [(Halved, 3.0, 1.5), (Stripped, " a ", "a")])
def test_values_that_the_contract_changes_are_read_one_by_one(
    tmp_path: Path, row: type[BaseModel], value: Any, logged: Any
) -> None:
    changing = Contract(type("Labelled", (row,), {"__annotations__": {"y": float}}), target="y", name="demand")
    write_schema(tmp_path, changing.schema)
    readers, entry = RowReaders(tmp_path, changing), answered(1, {"length": value})
    assert left([entry], readers) == [entry]
    [table] = [each for path, each in unfold_segment(entry, "s", readers)[0].items() if path.startswith("predictions")]
    assert table["length"].to_pylist() == [logged]
