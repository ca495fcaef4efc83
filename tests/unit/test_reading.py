"""One reader: values of any source become those of the contract, exactly, or are reported with their row."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel, Field

from daybook.contract import Contract
from daybook.reading import read
from daybook.validation import ContractError


class Order(BaseModel):
    """An order as it is sent."""

    day: date
    number: int
    zip: str = Field(max_length=5)
    speed: Literal["std", "exp"] = Field("std", alias="class")
    weight: float | None = Field(None, ge=0)
    sent: datetime | None = None
    is_gift: bool = False


class LabelledOrder(Order):
    """And whether it was late."""

    late: bool


def contract(**options: Any) -> Contract:
    """Of orders."""
    return Contract(LabelledOrder, target="late", key=("number",), time="day", name="orders", **options)


ORDERS = contract()


def table(folder: Path, column: str, *values: str) -> Path:
    """A CSV file of orders with some values of one column, one a row."""
    row = {"day": "2024-01-02", "number": "", "zip": "01067", "late": "0"}
    rows = [row | {"number": str(number), column: value} for number, value in enumerate(values)]
    path = folder / "orders.csv"
    path.write_text("\n".join(",".join(each) for each in [rows[0].keys(), *(row.values() for row in rows)]) + "\n")
    return path


def parquet(folder: Path, **columns: Any) -> Path:
    """A Parquet file of two orders."""
    plain = {"day": [date(2024, 1, 2)] * 2, "number": [1, 2], "zip": ["01067", "NA"], "late": [True, False]}
    pq.write_table(pa.table(plain | columns), folder / "orders.parquet")
    return folder / "orders.parquet"


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        ("number", "9223372036854775807", 2**63 - 1),
        ("number", "007", 7),
        ("number", "12.0", 12),
        ("number", "1e3", 1000),
        ("zip", "01067", "01067"),
        ("zip", "NA", "NA"),
        ("zip", '""', ""),
        ("zip", '"a\nb"', "a\nb"),
        ("zip", "-", "-"),
        ("weight", "0.1", 0.1),
        ("weight", "1e-3", 0.001),
        ("is_gift", "Yes", True),
        ("is_gift", "off", False),
        ("class", "exp", "exp"),
        ("day", "2024-01-02 00:00:00", pd.Timestamp("2024-01-02")),
        ("sent", "2012-03-25T01:30:00+01:00", pd.Timestamp("2012-03-25 00:30", tz="UTC")),
        ("sent", "2012-03-25 03:30:00.5+0200", pd.Timestamp("2012-03-25 01:30:00.5", tz="UTC")),
        ("sent", "2012-03-25 03:30", pd.Timestamp("2012-03-25 03:30", tz="UTC")),
        ("sent", "2012-03-25", pd.Timestamp("2012-03-25", tz="UTC")),
    ],
)
def test_read_takes_texts_as_the_contract_means_them(tmp_path: Path, column: str, text: str, value: Any) -> None:
    frame = read(ORDERS, table(tmp_path, column, text))
    assert frame[{"class": "speed"}.get(column, column)].tolist() == [value]


@pytest.mark.parametrize(
    ("column", "text", "rule"),
    [
        ("number", "9223372036854775808", "a whole number of at most 64 bits"),
        ("number", "1.5", "a whole number"),
        ("number", "1_000", "a whole number"),
        ("number", "0x1F", "a whole number"),
        ("weight", "NaN", "a finite number"),
        ("weight", "inf", "a finite number"),
        ("weight", "n/a", "a finite number"),
        ("weight", "-1", "greater than or equal to 0"),
        ("is_gift", "maybe", "yes or no"),
        ("class", "slow", "'std' or 'exp'"),
        ("zip", "123456", "at most 5 characters"),
        ("zip", "", "must not be missing"),
        ("day", "", "must not be missing"),
        ("day", "02.01.2024", "a date like 2024-12-31"),
        ("day", "01/02/2024", "a date like"),
        ("day", "2024-1-2", "a date like"),
        ("day", "20240102", "a date like"),
        ("day", "1704067200", "a date like"),
        ("day", "2024-02-30", "a date like"),
        ("day", "2024-01-02 05:00", "a date like"),
        ("sent", "1704067200", "a time like"),
        ("sent", "2024-01-02 05:00 Europe/Berlin", "a time like"),
    ],
)
def test_read_refuses_with_column_rule_and_row(tmp_path: Path, column: str, text: str, rule: str) -> None:
    good = {"number": "5", "weight": "1", "day": "2024-01-02", "class": "std"}.get(column, "")
    good = good or {"zip": "1", "sent": "2024-01-02", "is_gift": "1"}[column]
    with pytest.raises(ContractError, match=rf"^{column}: [^;]*{rule}[^;]*: row 1 \([^;]*\)$") as caught:
        read(ORDERS, table(tmp_path, column, good, text))
    assert text in str(caught.value)


def test_read_lists_conversions_and_rules_at_once_with_three_rows(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("day,number,zip,late\n" + "x,1,123456,2\n" * 5)
    with pytest.raises(ContractError) as caught:
        read(ORDERS, tmp_path / "bad.csv")
    message = str(caught.value)
    assert "late: input should be yes or no" in message
    assert (
        "zip: string should have at most 5 characters: row 0 (123456), row 1 (123456), row 2 (123456) and 2 more"
        in message
    )
    assert "number: must be unique: row 1 (1)" in message


def test_read_takes_only_declared_texts_for_missing(tmp_path: Path) -> None:
    declared = contract(missing={"weight": ["n/a", "-999"], "sent": ["9999-12-31"], "speed": ["?"]})
    frame = read(declared, table(tmp_path, "weight", "n/a", "-999", "-999.0", "1", ""))
    assert frame["weight"].isna().tolist() == [True, True, True, False, True]
    assert read(declared, table(tmp_path, "sent", "9999-12-31"))["sent"].isna().all()
    assert read(declared, table(tmp_path, "class", "?", ""))["speed"].tolist() == ["std", "std"]
    frame = pd.DataFrame({"day": ["2024-01-02"] * 2, "number": [1, 2], "zip": "1", "weight": [-999, 5], "late": [0, 1]})
    assert read(declared, frame)["weight"].isna().tolist() == [True, False]


def test_read_takes_dates_in_the_declared_format_only(tmp_path: Path) -> None:
    german = contract(formats={"day": "%d.%m.%Y", "sent": "%d.%m.%Y %H:%M"})
    frame = read(german, table(tmp_path, "day", "02.01.2024"))
    assert frame["day"].tolist() == [pd.Timestamp("2024-01-02")]
    for text in ("2024-01-02", "02.01.24"):
        with pytest.raises(ContractError, match="a date of the form %d.%m.%Y: row 0"):
            read(german, table(tmp_path, "day", text))


def test_read_puts_rows_in_order_of_time_then_key(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("number,day,zip,late\n3,2024-01-02,a,0\n2,2024-01-02,b,1\n9,2024-01-01,c,0\n")
    assert read(ORDERS, path)["number"].tolist() == [9, 2, 3]
    unkeyed = Contract(LabelledOrder, target="late", name="orders")
    assert read(unkeyed, path)["number"].tolist() == [3, 2, 9]


@pytest.mark.parametrize(
    "header", ["DAY,Number,ZIP,Late,CLASS", "day,number,zip,late,speed", " day , number ,zip,late, Speed "]
)
def test_read_finds_columns_by_alias_or_name_in_any_letters(tmp_path: Path, header: str) -> None:
    (tmp_path / "orders.csv").write_text(f"{header}\n2024-01-02,1,01067,1,exp\n")
    assert read(ORDERS, tmp_path / "orders.csv")["speed"].tolist() == ["exp"]


@pytest.mark.parametrize(("extra", "reason"), [("Number", "number and Number"), ("number", "number, more than once")])
def test_read_refuses_two_columns_of_one_name(tmp_path: Path, extra: str, reason: str) -> None:
    (tmp_path / "orders.csv").write_text(f"day,number,zip,late,{extra}\n2024-01-02,1,01067,1,2\n")
    with pytest.raises(ContractError, match=reason):
        read(ORDERS, tmp_path / "orders.csv")


def test_read_takes_types_of_parquet_by_the_same_rules(tmp_path: Path) -> None:
    columns = {
        "number": pa.array([1.0, 2.0]),
        "zip": pa.array(["01067", "NA"]).dictionary_encode(),
        "weight": pa.array([Decimal("1.10"), None]),
        "sent": pa.array([datetime(2012, 3, 25, 1, 30), None], pa.timestamp("ns", "Europe/Berlin")),
        "late": pa.array([1, 0], pa.uint8()),
        "is_gift": pa.array(["yes", "no"]),
    }
    frame = read(ORDERS, parquet(tmp_path, **columns))
    assert frame["number"].dtype == np.int64
    assert frame["zip"].tolist() == ["01067", "NA"]
    assert frame["weight"].tolist()[0] == 1.1
    assert frame["sent"][0] == pd.Timestamp("2012-03-25 01:30", tz="UTC")
    assert frame["is_gift"].tolist() == [True, False]


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [
        ("number", [1.5, 2.0], r"whole number.*: row 0 \(1.5\)"),
        ("number", [1.0, float("nan")], "must not be missing: row 1"),
        ("number", pa.array([2**64 - 1, 1], pa.uint64()), "at most 64 bits: row 0"),
        ("zip", [7, 8], r"a text: row 0 \(7\)"),
        ("day", [20240102, 20240103], "a date like"),
        ("day", [datetime(2024, 1, 2), datetime(2024, 1, 2, 5)], "a date like.*: row 1"),
        ("weight", [float("inf"), 1.0], "finite number: row 0"),
        ("late", [2, 1], "yes or no.*: row 0"),
    ],
)
def test_read_refuses_types_of_parquet_that_would_lose(tmp_path: Path, column: str, values: Any, reason: str) -> None:
    with pytest.raises(ContractError, match=f"{column}: .*{reason}"):
        read(ORDERS, parquet(tmp_path, **{column: values}))


def test_read_frame_and_validate_agree() -> None:
    frame = pd.DataFrame(
        {"day": ["2024-01-02", date(2024, 1, 1)], "number": [2**53 + 1, 1], "zip": "1", "late": [1, 0]}
    )
    result = read(ORDERS, frame)
    assert result["number"].tolist() == [1, 2**53 + 1]
    assert result.equals(read(ORDERS, result))
    assert result.equals(ORDERS.validate(result))
