"""One row, said once: what a contract refuses, and the arrays that it makes."""

from datetime import date
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from daybook.contract import Actual, Contract, each_once, harden
from daybook.project import DaybookError


class Order(BaseModel):
    """What is known of an order when it comes in."""

    day: date
    number: int
    weight: float | None = Field(None, alias="weight kg")
    region: Literal["north", "south"] | None
    model: str = "none"


class LabelledOrder(Order):
    """With its target."""

    late: bool


def made(labelled: type[BaseModel] = LabelledOrder, **options: Any) -> Contract:
    """A contract of orders."""
    return Contract(labelled, **{"target": "late", "key": ("number",), "time": "day", "name": "orders"} | options)


def labelled(**fields: Any) -> type[BaseModel]:
    """A labelled row of other fields."""
    row = type("Row", (BaseModel,), {"__annotations__": {"day": date} | fields})
    return type("LabelledRow", (row,), {"__annotations__": {"late": bool}})


@pytest.mark.parametrize(
    ("row", "options", "reason"),
    [
        (LabelledOrder, {"target": "lat"}, "no field lat"),
        (LabelledOrder, {"key": ["id"]}, "no field id"),
        (LabelledOrder, {"key": ["region"]}, "region may be missing"),
        (LabelledOrder, {"time": "number"}, "must be a date or a datetime"),
        (LabelledOrder, {"target": "region"}, "subclass of a row"),
        (labelled(Temp=float, temp=float), {"key": ()}, "Temp and temp cannot be told apart"),
        (labelled(rate=float, rate_=float), {"key": ()}, "rate and rate_ cannot be told apart"),
        (labelled(path=list[int]), {"key": ()}, "field path is"),
    ],
)
def test_contract_refuses_what_would_fail_later(row: type[BaseModel], options: dict[str, Any], reason: str) -> None:
    with pytest.raises(DaybookError, match=reason):
        made(row, **options)


def test_contract_refuses_a_target_that_may_be_missing() -> None:
    row = type("LabelledRow", (Order,), {"__annotations__": {"late": bool | None}})
    with pytest.raises(DaybookError, match="never missing"):
        made(row)


def test_contract_knows_its_task_names_and_schema() -> None:
    contract = made()
    assert contract.task == "binary"
    assert contract.columns["weight"] == "weight kg"
    assert contract.columns["model"] == "model_"
    assert "weight kg" in contract.schema["properties"]


def test_row_refuses_nan_unknown_fields_and_wide_integers() -> None:
    row = {"day": "2024-01-01", "number": 1, "region": None}
    assert made().Row(**row).model == "none"
    for wrong in ({"number": 2**63}, {"number": -(2**63) - 1}, {"weight kg": float("nan")}, {"colour": "red"}):
        with pytest.raises(ValidationError):
            made().Row(**row | wrong)


def test_row_that_is_strict_already_is_left_alone() -> None:
    class Strict(BaseModel):
        """Nothing to add."""

        model_config = ConfigDict(extra="forbid", allow_inf_nan=False, validate_default=True)

        hour: int = Field(ge=0, le=23)

    assert harden(Strict) is Strict


def test_row_keeps_the_bounds_that_it_has() -> None:
    class Bounded(BaseModel):
        """One bound is missing."""

        count: int = Field(ge=0)

    hard = harden(Bounded)
    for wrong in (-1, 2**63):
        with pytest.raises(ValidationError):
            hard(count=wrong)
    assert hard(count=2**63 - 1).count == 2**63 - 1


ROWS = [
    {"day": "2024-01-01", "number": 2**53, "weight kg": None, "region": "north"},
    {"day": "2024-02-29", "number": -1, "weight kg": 2.5, "region": None, "model": "α"},
]


def test_arrays_are_the_same_from_rows_frame_and_arrow() -> None:
    contract = made()
    expected = contract.arrays([contract.Row(**row) for row in ROWS])
    frame = contract.validate(pd.DataFrame(ROWS).assign(late=True, model=["none", "α"]))
    table = pa.table(
        {
            "day": pa.array([date(2024, 1, 1), date(2024, 2, 29)]),
            "number": pa.array([2**53, -1], pa.int64()),
            "weight kg": pa.array([None, 2.5]),
            "region": pa.array(["north", None]).dictionary_encode(),
            "model_": pa.array(["none", "α"]),
        }
    )
    for rows in (frame, table, table.to_batches()[0], expected):
        found = contract.arrays(rows)
        assert found.keys() == expected.keys()
        for name, array in expected.items():
            assert found[name].dtype == array.dtype, name
            np.testing.assert_array_equal(found[name], array)


def test_arrays_of_an_older_log_have_defaults_for_new_fields() -> None:
    contract = made()
    table = pa.table({"day": pa.array([date(2024, 1, 1)]), "number": [1], "region": pa.array(["north"])})
    found = contract.arrays(table)
    assert (found["model"].tolist(), np.isnan(found["weight"]).tolist()) == (["none"], [True])


def test_arrays_of_rows_from_before_a_field_was_added_have_its_default() -> None:
    columns = {"day": pa.array([date(2024, 1, 1)] * 2), "number": [1, 2], "region": pa.array(["north"] * 2)}
    assert made().arrays(pa.table(columns | {"model_": pa.array([None, "α"])}))["model"].tolist() == ["none", "α"]


def test_arrays_without_a_required_field_are_one_sentence() -> None:
    with pytest.raises(DaybookError, match="no column number"):
        made().arrays(pa.table({"day": pa.array([date(2024, 1, 1)]), "region": pa.array(["north"])}))


def test_actuals_are_each_about_another_prediction() -> None:
    actual = Actual(prediction_id="a:0", actual=1)
    assert each_once([actual]) == [actual]
    with pytest.raises(ValueError, match="more than one actual for a:0"):
        each_once([actual, actual])


@pytest.mark.parametrize(
    "wrong",
    [
        *({"prediction_id": id} for id in ("a", ":0", "a b:0", "ä:0", "a:٣", "a:01")),
        {"actual": float("nan")},
        {"colour": "red"},
    ],
)
def test_actual_refuses(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Actual(**{"prediction_id": "a:0", "actual": 1} | wrong)
