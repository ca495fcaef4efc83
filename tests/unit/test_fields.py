"""What a field may be, and what its values become."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import pytest
from annotated_types import Ge
from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo

from daybook.fields import row_field
from daybook.project import DaybookError


class Colour(Enum):
    """Texts."""

    red = "r"
    blue = "b"


class Level(IntEnum):
    """Integers."""

    low = 1
    high = 2


def field(annotation: Any, **options: Any) -> Any:
    """A field of some type."""
    return row_field("x", FieldInfo(annotation=annotation, **options))


@pytest.mark.parametrize(
    ("annotation", "type_", "kind", "is_optional"),
    [
        (bool, bool, "number", False),
        (int | None, int, "number", True),
        (Annotated[float, Ge(0)], float, "number", False),
        (date, date, "time", False),
        (datetime | None, datetime, "time", True),
        (str, str, "text", False),
        (Literal["a", "b", None], str, "text", True),
        (Literal[1, 2], int, "number", False),
        (Colour | None, str, "text", True),
        (Level, int, "number", False),
    ],
)
def test_field_has_the_type_of_its_annotation(annotation: Any, type_: type, kind: str, is_optional: bool) -> None:
    found = field(annotation)
    assert (found.type, found.kind, found.is_optional) == (type_, kind, is_optional)


@pytest.mark.parametrize(
    "annotation", [Decimal, list[float], dict, int | str, Literal[1, "a"], bytes, timedelta, complex, Any, BaseModel]
)
def test_field_of_any_other_type_is_refused_in_one_sentence(annotation: Any) -> None:
    with pytest.raises(DaybookError, match="field x is .*: a field is a bool, int, float, str, date or datetime"):
        field(annotation)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"default_factory": int}, "plain default"),
        ({"validation_alias": "y"}, "one name with `alias`"),
        ({"validation_alias": AliasChoices("y", "z")}, "one name with `alias`"),
        ({"alias": " y"}, "blanks around it"),
        ({"alias": "a\nb"}, "printable"),
        ({"json_schema_extra": {"iolog": "mask"}}, "use keep, drop or hash"),
    ],
)
def test_field_with_an_option_that_would_fail_later_is_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(DaybookError, match=reason):
        field(int, **options)


@pytest.mark.parametrize("name", ["ts", "Rate", "PREDICTION", "actual", "dt"])
def test_field_with_a_name_of_the_log_has_another_column(name: str) -> None:
    assert row_field(name, FieldInfo(annotation=int)).column == f"{name}_"


def test_numbers_are_floats_and_missing_is_nan() -> None:
    np.testing.assert_array_equal(field(int | None).array([1, None]), [1.0, np.nan])
    np.testing.assert_array_equal(field(bool | None).array([True, None]), [1.0, np.nan])
    np.testing.assert_array_equal(field(Level).array([Level.high, 1]), [2.0, 1.0])
    assert field(int).array([]).dtype == np.float64


def test_times_are_utc_and_missing_is_nat() -> None:
    east = timezone(timedelta(hours=2))
    values = [
        datetime(2024, 3, 31, 3, tzinfo=east),
        datetime(2024, 3, 31, 1, tzinfo=UTC),
        datetime(2024, 3, 31, 1),
        None,
    ]
    array = field(datetime | None).array(values)
    assert array.dtype == "datetime64[us]"
    assert array.astype(str).tolist() == ["2024-03-31T01:00:00.000000"] * 3 + ["NaT"]
    assert field(date).array([date(2024, 2, 29)]).astype(str).tolist() == ["2024-02-29T00:00:00.000000"]


def test_times_are_exact_at_the_edges_of_the_calendar() -> None:
    first, last = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), datetime.max.replace(tzinfo=UTC)
    texts = field(datetime).array([first, last, pd.Timestamp("2024-03-31 03:00", tz="Europe/Berlin")]).astype(str)
    assert texts.tolist() == ["0000-12-31T10:00:00.000000", "9999-12-31T23:59:59.999999", "2024-03-31T01:00:00.000000"]
    days = field(date | None).array([date.min, date.max, None]).astype("datetime64[D]").astype(str).tolist()
    assert days == ["0001-01-01", "9999-12-31", "NaT"]
    assert field(date).array([]).dtype == "datetime64[us]"


def test_texts_are_objects_and_missing_is_none() -> None:
    array = field(Colour | None).array([Colour.red, None, "b"])
    assert (array.dtype, array.tolist()) == (object, ["r", None, "b"])
