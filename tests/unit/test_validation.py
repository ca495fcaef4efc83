"""A whole table is checked by the rules of one row."""

from datetime import date, datetime
from enum import Enum
from io import BytesIO
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel, Field, create_model, field_validator, model_validator

from daybook.contract import Contract
from daybook.validation import ContractError, fingerprint, validate


class Kind(Enum):
    """Of a station."""

    harbour = "h"
    hill = "m"


class Reading(BaseModel):
    """What is known of a reading before it is taken."""

    day: date
    hour: int = Field(ge=0, le=23)
    kind: Kind | None = Field(None, alias="class")
    damp: bool | None = None
    until: datetime | None = None
    tries: int | None = None
    note: Literal["calm", "windy"] = "calm"


class LabelledReading(Reading):
    """With its target."""

    celsius: float


CONTRACT = Contract(LabelledReading, target="celsius", key=("day", "hour"), time="day", name="thermometer")


def table(**columns: Any) -> pd.DataFrame:
    """Three readings."""
    return pd.DataFrame({"day": "2024-02-28", "hour": [1, 2, 3], "celsius": [4, 3.5, 3]} | columns)


def test_frame_has_one_dtype_a_field_whatever_the_table_holds() -> None:
    empty = validate(CONTRACT, table())
    full = validate(CONTRACT, table(**{"class": "h"}, damp=True, tries=1, until="2024-01-01", note="windy"))
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()
    assert list(empty.columns) == list(LabelledReading.model_fields)
    assert empty.dtypes.astype(str).to_dict() == {
        "day": "datetime64[us]",
        "hour": "int64",
        "kind": "object",
        "damp": "float64",
        "until": "datetime64[us, UTC]",
        "tries": "float64",
        "note": "object",
        "celsius": "float64",
    }


def test_missing_is_nan_nat_and_none() -> None:
    frame = validate(
        CONTRACT, table(**{"class": ["h", None, np.nan]}, tries=[1, None, 3], until=[None, "2024-01-01", None])
    )
    assert frame["kind"].tolist() == ["h", None, None]
    assert frame["tries"].isna().tolist() == [False, True, False]
    assert frame["until"].isna().tolist() == [True, False, True]


def test_missing_cell_of_a_field_with_a_default_is_the_default() -> None:
    assert validate(CONTRACT, table(note=["windy", None, np.nan]))["note"].tolist() == ["windy", "calm", "calm"]


def test_times_of_several_zones_are_one_utc_column() -> None:
    summer = ["2012-03-25T01:30:00+01:00", "2012-03-25T03:30:00+02:00", "2012-03-25T04:00:00"]
    frame = validate(CONTRACT, table(until=summer))
    assert frame["until"].dt.strftime("%H:%M").tolist() == ["00:30", "01:30", "04:00"]


def test_frame_can_be_written_and_validated_again() -> None:
    frame = validate(CONTRACT, table(**{"class": "m"}, until="2024-01-01T12:00:00+02:00"))
    frame.to_parquet(BytesIO())
    assert fingerprint(validate(CONTRACT, frame)) == fingerprint(frame)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"hour": [1, 24, 25]}, r"hour: input should be less than or equal to 23: row 1 \(24\), row 2 \(25\)"),
        ({"hour": [1, None, 3]}, r"hour: must not be missing: row 1"),
        ({"hour": [1, 1, 3]}, r"day \+ hour: must be unique: row 1"),
        ({"class": ["h", "x", None]}, r"class: .*: row 1 \(x\)"),
        ({"note": ["calm", "stormy", "calm"]}, r"note: .*: row 1 \(stormy\)"),
        ({"celsius": [1, np.inf, 2]}, r"celsius: .*finite.*: row 1"),
        ({"tries": [1.5, 2, 3]}, r"tries: .*: row 0 \(1.5\)"),
        ({"day": ["2024-02-30", "2024-02-28", "2024-02-28"]}, r"day: .*: row 0 \(2024-02-30\)"),
    ],
)
def test_error_names_column_rule_and_rows(columns: dict[str, Any], reason: str) -> None:
    with pytest.raises(ContractError, match=reason):
        validate(CONTRACT, table(**columns))


def test_error_names_everything_at_once() -> None:
    reason = r"hour: .*; celsius: must not be missing: .*; day \+ hour: must be unique: row 2"
    with pytest.raises(ContractError, match=reason):
        validate(CONTRACT, table(hour=[99, 2, 2], celsius=[1, None, 2]))


def test_absent_columns_and_empty_tables_are_refused() -> None:
    with pytest.raises(ContractError, match="no column hour; there are: day, celsius"):
        validate(CONTRACT, table().drop(columns="hour"))
    with pytest.raises(ContractError, match="no rows"):
        validate(CONTRACT, table().head(0))


def test_unlabelled_rows_need_no_target_and_no_unique_key() -> None:
    assert len(validate(CONTRACT, table(hour=1).drop(columns="celsius"), labelled=False)) == 3


class Changed(Reading):
    """A reading whose validators change and compare values."""

    @field_validator("hour")
    @classmethod
    def from_one(cls, value: int) -> int:
        """Count hours from one."""
        return value + 1

    @model_validator(mode="after")
    def calm_or_damp(self) -> "Changed":
        """No wind in the rain."""
        if self.damp and self.note == "windy":
            raise ValueError("it cannot be damp and windy")
        return self


class LabelledChanged(Changed):
    """With its target."""

    celsius: float


CHANGED = Contract(LabelledChanged, target="celsius", key=("day", "hour"), time="day", name="changed")


def test_frame_has_what_validators_return() -> None:
    assert validate(CHANGED, table())["hour"].tolist() == [2, 3, 4]


def test_error_of_a_rows_own_rule_names_the_row() -> None:
    with pytest.raises(ContractError, match="it cannot be damp and windy: row 1"):
        validate(CHANGED, table(damp=[False, True, None], note="windy"))


def test_fingerprint_tells_tables_apart_but_not_indexes() -> None:
    frame = validate(CONTRACT, table())
    assert fingerprint(frame) == fingerprint(frame.set_axis([7, 8, 9]))
    assert len({fingerprint(frame), fingerprint(frame[::-1]), fingerprint(frame.assign(hour=0))}) == 3


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
def test_frame_is_the_same_for_any_backend_of_dtypes(backend: Any) -> None:
    columns = {
        "class": ["h", None, "m"],
        "damp": [True, None, False],
        "tries": [1, None, 3],
        "note": ["windy", None, "calm"],
    }
    plain = table(**columns, until=pd.to_datetime(["2024-01-01T12:00Z", None, "2024-01-02T00:00Z"]))
    plain = plain.assign(day=pd.to_datetime(plain["day"]))
    expected = validate(CONTRACT, plain)
    pd.testing.assert_frame_equal(validate(CONTRACT, plain.convert_dtypes(dtype_backend=backend)), expected)
    pd.testing.assert_frame_equal(validate(CONTRACT, plain.astype(object)), expected)
    pd.testing.assert_frame_equal(validate(CONTRACT, plain.assign(note=plain["note"].astype("category"))), expected)


@pytest.mark.parametrize("dtype", ["int64", "float64", "object", "str", "int8", "Int64", "float32", "int64[pyarrow]"])
def test_error_is_the_same_for_any_dtype(dtype: str) -> None:
    with pytest.raises(ContractError, match=r"^hour: input should be less than or equal to 23: row 1 \(24[.0]*\)$"):
        validate(CONTRACT, table(hour=pd.Series([1, 24, 3]).astype(dtype)))


def test_error_counts_all_rows_of_a_long_table() -> None:
    long = pd.DataFrame({"day": "2024-02-28", "hour": np.arange(100_000) + 24, "celsius": np.inf})
    with pytest.raises(
        ContractError, match="hour: .*less than or equal to 23: row 0 .* and 99997 more; celsius: .*99997 more"
    ):
        validate(CONTRACT, long)


def test_two_columns_of_one_name_are_refused() -> None:
    for twice in (table(Hour=1), pd.concat([table(), table()[["hour"]]], axis=1)):
        with pytest.raises(ContractError, match="hour.*: rename one"):
            validate(CONTRACT, twice)


def test_optional_integers_that_floats_would_round_are_exact() -> None:
    checked = validate(CONTRACT, table(tries=pd.Series([2**53 + 1, None, 1], dtype="Int64")))
    assert checked["tries"].tolist() == [2**53 + 1, pd.NA, 1]
    assert np.isnan(CONTRACT.arrays(checked)["tries"][1])


def test_validate_quotes_values_as_they_are_written() -> None:
    class Sale(BaseModel):
        shop: Literal["Harbour", "Lakeside"]
        code: str = Field(pattern="^[A-Z]+$")

        @field_validator("code")
        @classmethod
        def not_none(cls, value: str) -> str:
            if value == "NONE":
                raise ValueError("NONE is no code: ask Ann")
            return value

    class LabelledSale(Sale):
        n: float

    sales = Contract(LabelledSale, target="n", name="sales")
    with pytest.raises(ContractError, match="input should be 'Harbour' or 'Lakeside'"):
        validate(sales, pd.DataFrame({"shop": ["harbour"], "code": ["A"], "n": [1.0]}))
    with pytest.raises(ContractError, match=r"pattern '\^\[A-Z\]\+\$'"):
        validate(sales, pd.DataFrame({"shop": ["Harbour"], "code": ["a"], "n": [1.0]}))
    with pytest.raises(ContractError, match="value error, NONE is no code: ask Ann"):
        validate(sales, pd.DataFrame({"shop": ["Harbour"], "code": ["NONE"], "n": [1.0]}))


def test_validate_lists_at_most_ten_faults() -> None:
    """In one line, however many columns a table has."""
    names = [f"x{number}" for number in range(30)]
    row = create_model("Row", **dict.fromkeys(names, (float, ...)))
    wide = Contract(create_model("LabelledRow", __base__=row, y=(float, ...)), target="y", name="wide")
    table = pd.DataFrame(dict.fromkeys(names, ["many"] * 877) | {"y": 1.0})
    with pytest.raises(ContractError) as caught:
        validate(wide, table)
    assert str(caught.value).count("and 874 more") == 10
    assert str(caught.value).endswith("and 20 more rules are broken")
