"""No secret reaches the log, wherever it stands in a request or in the response to it."""

import json
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr

from daybook.contract import Contract
from daybook.project import DaybookError
from daybook.redaction import Redaction, hash_value

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
).map(lambda value: json.dumps(value).encode())
BODIES = JSON | st.binary() | st.tuples(JSON, st.binary(max_size=3)).map(b"".join)
KEY = SecretStr("key")


class Person(BaseModel):
    """A row with secrets."""

    day: date
    name: str = Field(json_schema_extra={"iolog": "drop"})
    account: str = Field(alias="Account No", json_schema_extra={"iolog": "hash"})
    age: int


class LabelledPerson(Person):
    """And its target."""

    cost: float


class Plain(BaseModel):
    """A row without secrets."""

    day: date


class LabelledPlain(Plain):
    """And its target."""

    cost: float


def redaction_of(row: type[BaseModel], key: SecretStr | None = KEY) -> Redaction:
    """What a contract of these rows lets the log keep."""
    return Redaction(Contract(row, target="cost", time="day", name="people"), key)


def kept(body: bytes) -> object:
    """What the log keeps of a request."""
    return json.loads(redaction_of(LabelledPerson).request(body))


@settings(max_examples=100, deadline=None)
@given(
    body=BODIES,
    inside=st.sampled_from([b"%s", b'{"rows": [%s]}', b'{"rows": [{"name": %s}]}', b'{"rows": [{"Account No": %s}]}']),
)
def test_redaction_keeps_no_secret_wherever_it_stands(body: bytes, inside: bytes) -> None:
    redaction = redaction_of(LabelledPerson)
    secret = b'"sEcReT' + body[:20].hex().encode() + b'"'
    result = redaction.request(inside % secret)
    assert b"sEcReT" not in result
    json.loads(result)
    redaction.request(inside % body)
    json.loads(redaction.response(inside % body, 400))
    json.loads(redaction.response(b'{"error": 1, "detail": [{"loc": [%s], "type": null}, %s]}' % (body, body), 400))


def test_redaction_drops_hashes_and_keeps_by_field() -> None:
    row = {"day": "2024-01-01", "name": "Ada", "Account No": "A-17", "age": 36}
    assert kept(json.dumps({"rows": [row, row]}).encode()) == {
        "rows": [{"day": "2024-01-01", "Account No": hash_value("A-17", b"key"), "age": 36}] * 2
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"nmae": "Ada", "age": 36}', {"age": 36}),
        (b'{"rows": ["Ada", {"age": 36, "first": {"name": "Ada"}}]}', {"rows": [None, {"age": 36}]}),
        (b'{"rows": {"name": "Ada", "age": 36}}', {"rows": {"age": 36}}),
        (b'{"rows": "Ada"}', {"rows": None}),
        (b'["Ada"]', None),
        (b'"Ada"', None),
        (b'{"Ada', None),
        (b'{"age": NaN}', None),
        (b"", None),
    ],
)
def test_redaction_keeps_of_a_broken_request_only_what_the_contract_knows(body: bytes, expected: object) -> None:
    assert kept(body) == expected


def test_redaction_leaves_actuals_as_they_are() -> None:
    body = b'{"actuals":[{"prediction_id":"a:0","actual":3.0,"event_time":"2024-01-01T00:00:00Z"}]}'
    assert redaction_of(LabelledPerson).request(body) == body


def test_redaction_of_a_field_that_is_called_rows() -> None:
    class Row(BaseModel):
        """A field has the name of the list that rows come in."""

        day: date
        rows: int
        name: str = Field(json_schema_extra={"iolog": "drop"})

    class LabelledRow(Row):
        """And its target."""

        cost: float

    result = redaction_of(LabelledRow).request(b'{"rows": [{"rows": 3, "name": "Ada"}]}')
    assert json.loads(result) == {"rows": [{"rows": 3}]}


def test_redaction_of_an_error_keeps_its_kind_and_place_and_no_text() -> None:
    detail = {"type": "extra_forbidden", "loc": ["rows", 0, "Ada"], "msg": "Ada is unknown", "input": "Ada"}
    known = {"type": "missing", "loc": ["rows", 0, "Account No"], "msg": "Field required", "input": {"name": "Ada"}}
    error = {"error": "2 errors", "request_id": "r1", "detail": [detail, known, "Ada"], "more": "Ada"}
    assert json.loads(redaction_of(LabelledPerson).response(json.dumps(error).encode(), 400)) == {
        "request_id": "r1",
        "detail": [
            {"type": "extra_forbidden", "loc": ["rows", 0, "?"]},
            {"type": "missing", "loc": ["rows", 0, "Account No"]},
        ],
    }


def test_redaction_of_an_error_without_details_keeps_its_sentence() -> None:
    error = b'{"error":"there is no such route","request_id":"r1"}'
    assert redaction_of(LabelledPerson).response(error, 400) == error


def test_redaction_looks_into_values_that_should_be_none() -> None:
    """A name that is kept, with an object in place of its value."""
    body = {"rows": [{"day": {"name": "Ada"}}], "actuals": [{"prediction_id": "r:0", "actual": ["Ada"]}]}
    assert "Ada" not in redaction_of(LabelledPerson).request(json.dumps(body).encode()).decode()


def test_redaction_writes_json_that_can_be_read() -> None:
    """A number may be too large for one of 64 bits."""
    assert redaction_of(LabelledPerson).request(b'{"actuals": [{"actual": 1e999}]}') == b'{"actuals":[{"actual":null}]}'


def test_redaction_has_one_hash_of_a_number() -> None:
    assert hash_value(1.0, b"key") == hash_value(1, b"key") != hash_value(1.5, b"key")


def test_redaction_of_an_error_that_is_no_object_keeps_nothing() -> None:
    for body in (b"", b"Ada", b'"Ada"', b"[1]"):
        assert redaction_of(LabelledPerson).response(body, 400) == b"null"


def test_redaction_requires_a_key_only_for_hashes() -> None:
    redaction_of(LabelledPerson).require_key()
    redaction_of(LabelledPlain, key=None).require_key()
    with pytest.raises(DaybookError, match="the log keeps a hash of Account No: set IOLOG_HASH_KEY"):
        redaction_of(LabelledPerson, key=None).require_key()


def test_redaction_is_needed_only_where_a_field_is_not_kept() -> None:
    assert redaction_of(LabelledPerson).is_needed and not redaction_of(LabelledPlain).is_needed


def test_redaction_has_the_schema_of_the_rows_by_alias() -> None:
    schema = redaction_of(LabelledPerson).schema("cuda")
    assert list(json.loads(schema)["properties"]) == ["day", "name", "Account No", "age"]
    assert json.loads(schema)["x-device"] == "cuda"
    assert schema.startswith(b'{\n  "')


def test_hash_value_depends_on_the_key_and_fits_texts_that_are_none() -> None:
    assert len(hash_value("\ud800", b"key")) == 32
    assert hash_value("a", b"key") == hash_value("a", b"key") != hash_value("a", b"another key")
