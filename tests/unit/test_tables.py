"""Log entries become tables: types, names, and what becomes of entries that do not fit."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pytest
from pydantic import AfterValidator, BaseModel, Field, create_model
from segments_of import ROW, answered, line, received, write_schema

from daybook.columns import Column, column_like, schema_columns
from daybook.contract import Contract
from daybook.entries import RowReaders
from daybook.example import contract
from daybook.unfolding import unfold

PREDICTIONS = "predictions/model=demand/dt=2024-01-01/s-v1.parquet"


@pytest.fixture
def readers(tmp_path: Path) -> RowReaders:
    write_schema(tmp_path)
    return RowReaders(tmp_path, contract)


def contract_of(**fields: Any) -> Contract:
    row = create_model("Row", day=(date, ...), **fields)
    return Contract(create_model("LabelledRow", __base__=row, y=(float, ...)), target="y", time="day", name="demand")


def readers_of(folder: Path, contract: Contract) -> RowReaders:
    write_schema(folder, contract.schema)
    return RowReaders(folder, contract)


def test_unfold_makes_three_tables(readers: RowReaders) -> None:
    lines = [answered(1, [ROW, ROW], [1, 2.5]), received(2, {"r1:0": 5}), line(3, 400, request="{", response=None)]
    tables, rest = unfold(lines, "s", readers)
    assert rest == []
    counts = {path: table.num_rows for path, table in tables.items()}
    assert counts == {PREDICTIONS: 2, "actuals/dt=2024-01-01/s.parquet": 1, "requests/dt=2024-01-01/s.parquet": 3}
    requests = tables["requests/dt=2024-01-01/s.parquet"]
    assert requests["in"].to_pylist() == [None, None, "{"]
    columns = "request_id ts route status ms model version bento rate key in out"
    assert requests.column_names == columns.split()
    columns = "prediction_id request_id ts version bento rate day hour temp weather holiday prediction"
    assert tables[PREDICTIONS].column_names == columns.split()
    columns = "prediction_id actual event_time received request_id"
    assert tables["actuals/dt=2024-01-01/s.parquet"].column_names == columns.split()


def test_unfold_keeps_the_name_of_a_key(readers: RowReaders) -> None:
    named = answered(1, [ROW], [1]).replace(b'"rate": 1.0', b'"rate": 1.0, "key": "ci"')
    tables, rest = unfold([named, answered(2, [ROW], [1])], "s", readers)
    assert rest == [] and tables["requests/dt=2024-01-01/s.parquet"]["key"].to_pylist() == ["ci", None]


def test_unfold_keeps_what_the_model_was_given(readers: RowReaders) -> None:
    careless = {"day": "2024-01-02T00:00:00", "hour": "8", "holiday": "yes"}
    [row] = unfold([answered(1, [careless], [1])], "s", readers)[0][PREDICTIONS].to_pylist()
    assert [row[name] for name in contract.columns] == [date(2024, 1, 2), 8, None, None, True]


def test_unfold_sets_aside_what_is_no_entry(readers: RowReaders) -> None:
    good = answered(1, [ROW], [1])
    broken = [b"not an entry\n", b'{"v":2}\n', b"{}\n", b"\xff\n", good.replace(b"demand:v1", b"../x:v1")]
    broken += [good.replace(b"2024-01-01T", b"2024-13-01T"), good.replace(b"T00:01", b"Tnoon"), good[:-1]]
    broken += [answered(2, ["a"], [1]), answered(3, [ROW, ROW], [1]), good.replace(b"2.5", b"NaN")]
    tables, rest = unfold([good, *broken], "s", readers)
    assert rest == broken
    assert {path: len(table) for path, table in tables.items()} == dict.fromkeys(tables, 1)


def test_unfold_sets_aside_all_rows_of_a_request_that_does_not_fit(readers: RowReaders) -> None:
    wide = answered(1, [ROW, ROW | {"hour": 2**70}], [1, 2])
    tables, rest = unfold([wide, answered(2, [ROW], [3])], "s", readers)
    assert rest == [wide]
    assert {path: len(table) for path, table in tables.items()} == dict.fromkeys(tables, 1)


def test_unfold_keeps_answered_rows_that_the_contract_refuses_today(readers: RowReaders) -> None:
    tables, rest = unfold([answered(1, [ROW | {"hour": 24}, ROW], [1, 2])], "s", readers)
    assert rest == [] and tables[PREDICTIONS]["hour"].to_pylist() == [24, 7]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_answered_rows_that_are_not_quite_json_are_in_the_table(readers: RowReaders, number: str) -> None:
    text = f'{{"rows": [{{"temp": {number}}}]}}'
    tables, rest = unfold([answered(1, text, [3.0]), answered(2, [ROW], [4.0])], "s", readers)
    assert rest == [] and len(tables[PREDICTIONS]) == 2
    assert sorted(map(str, tables[PREDICTIONS]["temp"].to_pylist())) == sorted([str(float(number)), "4.0"])


@pytest.mark.parametrize("request_", [None, "not JSON", '{"rows": []}', [ROW]])
def test_answers_without_their_rows_are_set_aside(readers: RowReaders, request_: Any) -> None:
    lost = line(1, request=request_, response={"predictions": [1.0]})
    assert unfold([lost], "s", readers) == ({}, [lost])


def test_answers_of_other_routes_keep_their_bodies(readers: RowReaders) -> None:
    other = line(1, request={"text": "a"}, response={"predictions": [1.0]})
    [table] = unfold([other], "s", readers)[0].values()
    assert (table["in"].to_pylist(), table["out"].to_pylist()) == (['{"text": "a"}'], ['{"predictions": [1.0]}'])


def test_failed_requests_keep_their_bodies_as_they_came(readers: RowReaders) -> None:
    [table] = unfold([line(1, 500, request={"rows": [ROW], "x": 1}, response={"error": "!"})], "s", readers)[0].values()
    assert json.loads(table["in"][0].as_py()) == {"rows": [ROW], "x": 1}


def test_rows_of_an_older_contract_have_the_types_of_its_schema(readers: RowReaders, tmp_path: Path) -> None:
    properties = {"day": {"type": "string", "format": "date"}, "wind": {"type": "number", "default": 1}}
    write_schema(tmp_path, {"properties": properties}, "demand:v0")
    rows = [{"day": "2024-01-02", "wind": "3"}, {"day": "2024-01-02", "more": [1]}, {"wind": None}]
    tables, _ = unfold([answered(1, rows, [1, 2, 3], model="demand:v0")], "s", readers)
    table = tables[PREDICTIONS.replace("v1", "v0")]
    assert table["wind"].to_pylist() == [3.0, 1.0, None]
    assert table["more"].to_pylist() == [None, "[1]", None]
    assert table.schema.field("day").type == pa.date32()


def test_rows_without_a_contract_have_the_types_of_their_values(readers: RowReaders) -> None:
    row = {"n": 1, "x": 1.5, "t": "a", "b": True, "Version": 2, "N": 3}
    tables, _ = unfold([answered(1, [row, {}], ["calm", "storm"], model="other:v1")], "s", readers)
    table = tables["predictions/model=other/dt=2024-01-01/s-v1.parquet"].slice(0, 1)
    own = dict(zip(table.column_names, table.to_pylist()[0].values(), strict=True))
    assert own.items() >= {"n": 1, "x": 1.5, "t": "a", "b": True, "Version_": 2, "N_": 3, "prediction": "calm"}.items()


def test_a_version_without_a_contract_is_read_by_another(readers: RowReaders) -> None:
    table = unfold([answered(1, [ROW], [1], model="demand:v2")], "s", readers)[0]
    assert table[PREDICTIONS.replace("v1", "v2")].schema.field("day").type == pa.date32()


def test_parts_of_other_types_make_one_table(readers: RowReaders) -> None:
    lines = [answered(number, [{"n": number if number < 3 else 0.5}], [1], model="other:v1") for number in range(5)]
    [table] = [each for path, each in unfold(lines, "s", readers, at_once=2)[0].items() if "predictions" in path]
    assert table["n"].to_pylist() == [0.0, 1.0, 2.0, 0.5, 0.5]
    assert unfold(lines, "s", readers, at_once=2)[0] == unfold(lines, "s", readers)[0]


def test_validators_that_return_another_type_leave_the_value_that_came(tmp_path: Path) -> None:
    halved = Annotated[int, AfterValidator(lambda value: value / 2)]
    readers = readers_of(tmp_path, contract_of(n=(halved, ...)))
    lines = [answered(number, [{"day": "2024-01-01", "n": number}], [1]) for number in (3, 4)]
    tables, rest = unfold(lines, "s", readers)
    assert rest == [] and tables[PREDICTIONS]["n"].to_pylist() == [3, 4]


def test_redacted_rows_have_no_dropped_field_and_text_for_a_hash(tmp_path: Path) -> None:
    a, b = (Field(json_schema_extra={"iolog": rule}) for rule in ("drop", "hash"))
    fields = {"a": (float, a), "b": (int, b)}
    readers = readers_of(tmp_path, contract_of(**fields, c=(datetime, datetime(2024, 1, 1))))
    row = {"day": "2024-01-01", "b": "0f" * 16}
    [logged] = unfold([answered(1, [row], [1])], "s", readers)[0][PREDICTIONS].to_pylist()
    assert "a" not in logged and logged["b"] == "0f" * 16 and logged["c"].year == 2024


def test_schema_columns_of_every_kind_of_property() -> None:
    class Row(BaseModel):
        texts: list[str]
        either: int | str
        key: Annotated[str, Field(pattern="a")] | None = None
        Key: float

    kinds = {alias: (name, column.kind) for alias, (name, column) in schema_columns(Row.model_json_schema()).items()}
    assert kinds == {"texts": ("texts", None), "either": ("either", None), "key": ("key", str), "Key": ("Key_", float)}


def test_column_like_values() -> None:
    kinds = [column_like(values).kind for values in ([1, None], [1, 2.5], [True], [True, 1], ["a"], [[1]], [])]
    assert kinds == [int, float, bool, None, str, None, None]
    assert Column(None).array([{"a": 1}, None, "b"]).to_pylist() == ['{"a": 1}', None, "b"]


def test_unfold_keeps_requests_whose_texts_a_validator_has_converted(tmp_path: Path) -> None:
    """When the contract is another one by now; the text is null, and the other rows are whole."""
    write_schema(tmp_path, contract_of(x=(float, ...)).schema)
    rows = [{"day": "2024-01-02", "x": 1.0}, {"day": "2024-01-02", "x": "1,5"}]
    lines = [line(1, request={"rows": rows}, response={"predictions": [1.0, 2.0]})]
    tables, rest = unfold(lines, "s", RowReaders(tmp_path, contract_of(x=(float, ...), z=(float, 0.0))))
    assert (rest, tables[PREDICTIONS].column("x").to_pylist()) == ([], [1.0, None])
