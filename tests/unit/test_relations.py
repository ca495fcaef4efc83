"""Columns of log tables that only some files have: a row of before has the field's default, as its model would."""

from enum import Enum
from pathlib import Path

import pyarrow as pa
from pydantic import BaseModel

from daybook.contract import Contract
from daybook.files import Folder
from daybook.relations import defaults_of, in_files
from daybook.tables import parquet_bytes


class Sky(Enum):
    CLEAR = "clear"
    RAIN = "rain"


class Row(BaseModel):
    hour: int
    promo: bool = False
    price: float = 1.5
    sky: Sky = Sky.RAIN
    note: str | None = None


class LabelledRow(Row):
    sales: float


def test_rows_of_before_have_the_default_of_any_field(tmp_path: Path) -> None:
    store, day = Folder.at(tmp_path), "predictions/model=sales/dt=2024-01-01"
    store.put(f"{day}/old.parquet", parquet_bytes(pa.table({"hour": [1]})))
    new = pa.table({"hour": [2], "promo": [True], "price": [2.5], "sky": ["clear"], "note": ["late"]})
    store.put(f"{day}/new.parquet", parquet_bytes(new))
    defaults = defaults_of(Contract(LabelledRow, target="sales", name="sales"))
    rows = in_files([f"{day}/old.parquet", f"{day}/new.parquet"], store, defaults).order("hour")
    columns = "hour, promo, price, sky, note"
    assert rows.project(columns).fetchall() == [(1, False, 1.5, "rain", None), (2, True, 2.5, "clear", "late")]
