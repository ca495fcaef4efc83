"""A table of any length in batches: good rows by their positions, bad ones with the reason."""

from datetime import date
from pathlib import Path
from typing import Annotated

import duckdb
import pandas as pd
import pytest
from pydantic import BaseModel, BeforeValidator, Field, model_validator

from daybook.contract import Contract
from daybook.project import DaybookError
from daybook.reading import batches


class Order(BaseModel):
    """An order as it is sent."""

    day: date
    number: int
    zip: str = Field(max_length=5)


class LabelledOrder(Order):
    """And whether it was late."""

    late: bool


ORDERS = Contract(LabelledOrder, target="late", key=("number",), time="day", name="orders")


def table(folder: Path, rows: int) -> Path:
    """A CSV file of orders."""
    path = folder / "orders.csv"
    path.write_text("number,day,zip\n" + "".join(f"{number},2024-01-02,01067\n" for number in range(rows)))
    return path


class Percent(BaseModel):
    """A row whose validator takes values as they are written."""

    share: Annotated[float, BeforeValidator(lambda value: str(value).rstrip("%"))]
    number: int

    @model_validator(mode="after")
    def small(self) -> "Percent":
        """Its own rule."""
        assert self.share < 100, "share must be below 100"
        return self


class LabelledPercent(Percent):
    """With its target."""

    y: float


def test_batches_reject_rows_with_reason_and_position(tmp_path: Path) -> None:
    shares = Contract(LabelledPercent, target="y", name="shares")
    (tmp_path / "shares.csv").write_text("share,number,reason\n5%,1,a\n200%,2,b\nmany,3,c\n7.5 %,x,d\n3,5,e\n")
    ((good, rejected),) = batches(shares, tmp_path / "shares.csv")
    assert good["share"].tolist() == [5, 3]
    assert good.index.tolist() == [0, 4]
    assert rejected.column("reason").to_pylist() == ["b", "c", "d"]
    reasons = rejected.column(rejected.column_names[-1]).to_pylist()
    assert reasons[0].startswith("row: assertion failed, share must be below 100")
    assert reasons[1].startswith("share: input should be a valid number")
    assert reasons[2].startswith("number: input should be a whole number")


def test_batches_cover_a_table_in_its_order(tmp_path: Path) -> None:
    path = table(tmp_path, 10_000)
    frames = []
    for good, _ in batches(ORDERS, path, size=2048):
        frames.append(good)
        duckdb.sql("SELECT 1").fetchall()  # the stream has a connection of its own
    assert len(frames) > 1
    assert pd.concat(frames)["number"].tolist() == list(range(10_000))
    assert pd.concat(frames).index.tolist() == list(range(10_000))


def test_batches_refuse_a_table_without_the_columns(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DaybookError, match="no column day, number, zip; there are: a, b"):
        list(batches(ORDERS, tmp_path / "other.csv"))
