"""What a service returns and which actuals it takes, for each kind of target."""

import asyncio
import json
from datetime import date, datetime
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model

from daybook import example
from daybook.contract import Contract
from daybook.endpoints import Endpoint
from daybook.predictions import align, as_response, check_predictions, class_names
from daybook.project import DaybookError
from daybook.responses import Actuals, ClassesResponse, PredictResponse, actuals_type


class Row(BaseModel):
    """A row of one number."""

    x: float


def contract_of(target: Any) -> Contract:
    """A contract with a target of a type."""
    return Contract(create_model("LabelledRow", __base__=Row, y=(target, ...)), target="y", name="odd")


COLOURS = contract_of(Literal["red", "green", "blue"])


def accepts(contract: Contract, actual: Any) -> bool:
    """Whether a service of a contract takes an actual."""
    body = f'[{{"prediction_id": "r:0", "actual": {actual}}}]'
    try:
        return bool(TypeAdapter(actuals_type(contract)).validate_json(body))
    except ValidationError:
        return False


@pytest.mark.parametrize(
    ("target", "taken", "refused"),
    [
        (float, ["3", "2.5", "-1e9"], ['"red"', "null", "NaN"]),
        (bool, ["0", "1", "true", "false", "1.0"], ['"late"', '"true"', '"1"', "null", "0.5", "2", "NaN", "[]"]),
        (Literal["red", "blue"], ['"red"', '"blue"'], ['"Red"', '"green"', "0", "null", '""']),
        (Literal[1, 2, 3], ["1", "3"], ["4", "1.5", '"1"', "null", "true"]),
    ],
)
def test_actuals_are_values_of_the_target(target: Any, taken: list[str], refused: list[str]) -> None:
    contract = contract_of(target)
    assert all(accepts(contract, actual) for actual in taken)
    assert not any(accepts(contract, actual) for actual in refused)


def test_actuals_of_numbers_are_as_they_were() -> None:
    assert actuals_type(example.contract) is Actuals
    assert list(PredictResponse.model_fields) == list(ClassesResponse.model_fields)


def test_actuals_twice_are_refused_for_classes_too() -> None:
    sent = [{"prediction_id": "r:0", "actual": "red"}] * 2
    with pytest.raises(ValidationError, match="more than one actual for r:0"):
        TypeAdapter(actuals_type(COLOURS)).validate_python(sent)


def test_schema_of_actuals_lists_the_classes() -> None:
    schema = TypeAdapter(actuals_type(COLOURS)).json_schema()
    actual = schema["$defs"]["Actual"]["properties"]["actual"]
    assert actual["enum"] == ["red", "green", "blue"] and actual["description"] == "the value that turned out"


def test_response_names_classes_by_texts() -> None:
    stars = contract_of(Literal[1, 2])
    assert class_names(stars) == ["1", "2"]
    assert as_response(stars, np.array([[0.25, 0.75]])) == [{"1": 0.25, "2": 0.75}]
    assert as_response(example.contract, np.array([0.25])) == [0.25]


@pytest.mark.parametrize("values", [[[0.2, 0.2, 0.2]], [[1.0, 0.5, -0.5]], [[np.nan, 0.5, 0.5]], [[1.0, 0.0]], [1.0]])
def test_check_predictions_refuses_what_are_no_probabilities(values: list) -> None:
    with pytest.raises(DaybookError, match="predict returned"):
        check_predictions(values, 1, 3)


def test_check_predictions_takes_probabilities_of_32_bits() -> None:
    values = np.random.default_rng(0).dirichlet(np.ones(20), 1000).astype(np.float32)
    assert check_predictions(values, 1000, 20).dtype == np.float32


def test_align_puts_classes_into_the_order_of_today() -> None:
    older = contract_of(Literal["blue", "black", "red"])
    assert align(np.array([[0.5, 0.3, 0.2]]), older, COLOURS).tolist() == [[0.2, 0.0, 0.5]]
    with pytest.raises(DaybookError, match="the target y is multiclass now, and a model was made when it was regress"):
        align(np.array([0.5]), contract_of(float), COLOURS)


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({"hour": 8, "windy": 1}, "windy: the contract has no such field, leave it out (row 0 and 876 more)"),
        ({}, "hour: field required (row 0 and 876 more)"),
        ({"hour": 24}, "hour: input should be less than 24 (row 0 and 876 more)"),
        (dict.fromkeys("abcde", 1), "; 3 more are in the detail"),
        (dict.fromkeys("abc", 1), "; 1 more is in the detail"),
    ],
)
def test_response_says_once_what_is_wrong_in_all_rows(row: dict[str, Any], error: str) -> None:
    hour = create_model("Hour", __config__=ConfigDict(extra="forbid"), hour=(int, Field(lt=24)))
    body = json.dumps({"rows": [row] * 877}).encode()
    endpoint = Endpoint(create_model("Input", rows=(list[hour], ...)), lambda: pytest.fail("it was called"))
    status, response = asyncio.run(endpoint.respond(body))
    assert (status, json.loads(response)["error"][-len(error) :]) == (400, error)
    assert {fault["count"] for fault in json.loads(response)["detail"]} == {877}
    assert len(response) < 2000


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({"day": "20240704"}, "day: a date is written as 2024-12-31, without a time of day (row 0)"),
        ({"day": "2024-07-04T08:30:00"}, "day: a date is written as 2024-12-31, without a time of day (row 0)"),
        ({"day": "2024-07-04", "code": "x"}, "code: x is no code, ask Ann (row 0)"),
    ],
)
def test_response_says_what_to_write(row: dict[str, Any], error: str) -> None:
    def known(code: str) -> str:
        raise ValueError(f"{code} is no code, ask Ann")

    kind = create_model("Row", day=(date, ...), code=(Annotated[str, AfterValidator(known)], ""))
    endpoint = Endpoint(create_model("Input", rows=(list[kind], ...)), lambda: pytest.fail("it was called"))
    status, response = asyncio.run(endpoint.respond(json.dumps({"rows": [row]}).encode()))
    assert (status, json.loads(response)["error"]) == (400, error)


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({"store": 45.0, "flag": 0, "calm": "no"}, "calm: input should be a valid number (row 0)"),
        (
            {"store": 45.5, "flag": 0, "calm": 1},
            "store: input should be a valid integer, got a number with a fractional part",
        ),
        ({"store": 45.0, "flag": 2, "calm": "no"}, "flag: input should be a valid boolean (row 0); calm: "),
        ({"store": 45.0, "flag": 1, "calm": 1, "day": "2024-02-30", "more": 1}, "day: input should be "),
    ],
)
def test_response_names_no_field_that_is_only_written_differently(row: dict[str, Any], error: str) -> None:
    fields = {"store": (int, ...), "flag": (bool, ...), "calm": (float, ...), "day": (date | None, None)}
    kind = create_model("Row", __config__=ConfigDict(extra="forbid"), **fields)
    endpoint = Endpoint(create_model("Input", rows=(list[kind], ...)), lambda: pytest.fail("it was called"))
    status, response = asyncio.run(endpoint.respond(json.dumps({"rows": [row]}).encode()))
    found = json.loads(response)
    assert status == 400 and found["error"].startswith(error)
    assert len(found["detail"]) == found["error"].count(";") + 1


def test_response_to_what_is_no_json_says_so() -> None:
    endpoint = Endpoint(create_model("Input", rows=(list[int], ...)), lambda: pytest.fail("it was called"))
    assert "invalid JSON: " in json.loads(asyncio.run(endpoint.respond(b'{"rows": ['))[1])["error"]


@pytest.mark.parametrize("digits", ["20240704", "2024", "1720112400", "-1.5"])
def test_digits_are_no_date(digits: str) -> None:
    """Pydantic takes them for seconds since 1970."""
    kinds = {"day": (date, ...), "at time": (datetime | None, None), "note": (str, "")}
    endpoint = Endpoint(create_model("Input", rows=(list[create_model("Row", **kinds)], ...)), lambda: taken)

    async def taken(rows: list[BaseModel]) -> BaseModel:
        return create_model("Output", days=(list[date], ...))(days=[row.day for row in rows])

    def respond(**row: str) -> tuple[int, bytes]:
        return asyncio.run(endpoint.respond(json.dumps({"rows": [row]}, indent=1).encode()))

    assert respond(day="2024-07-04", note=digits)[0] == 200
    assert respond(day=digits)[0] == 400
    status, body = respond(**{"day": "2024-07-04", "at time": digits})
    assert (status, json.loads(body)["error"]) == (400, "at time: a date or time is written as 2024-12-31T23:59:00Z")
