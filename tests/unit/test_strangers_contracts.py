"""Contracts that people edit by hand: validators, strict types, and names; and what labels and logs make of them."""

import asyncio
import json
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, create_model, field_validator

from daybook.contract import Contract
from daybook.endpoints import Endpoint
from daybook.files import Folder
from daybook.labels import read_labels
from daybook.log import Log
from daybook.outcomes import outcomes
from daybook.project import DaybookError
from daybook.reading import read
from daybook.relations import in_files
from daybook.score_output import answers
from daybook.scoring import score_part
from daybook.tables import parquet_bytes


class Row(BaseModel):
    """A row with a key that is normalised."""

    day: date
    shop: Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True)]


class LabelledRow(Row):
    """And minutes, which become hours."""

    y: float

    @field_validator("y")
    @classmethod
    def hours(cls, value: float) -> float:
        """Hours of minutes."""
        if value < 0:
            raise ValueError("a time is not negative")
        return value / 60


CONTRACT = Contract(LabelledRow, target="y", key=("day", "shop"), time="day", name="shops")
TYPES = {"day": "DATE", "shop": "VARCHAR"}


def test_labels_pass_the_validators_of_the_contract() -> None:
    labels = pd.DataFrame({"day": ["2024-01-01"] * 2, "shop": ["Harbour ", "lake"], "y": [180.0, 60.0]})
    rows = read_labels(labels, CONTRACT, TYPES).order("shop").fetchall()
    assert [row[1:3] for row in rows] == [("HARBOUR", 3.0), ("LAKE", 1.0)]
    with pytest.raises(DaybookError, match=r"labels: y: value error, a time is not negative \(-1.0\)"):
        read_labels(labels.assign(y=-1.0), CONTRACT, TYPES)


class Trip(BaseModel):
    """A row about a moment, in a column whose name is not ASCII."""

    start: datetime = Field(alias="Prüfdatum")
    x: float


class LabelledTrip(Trip):
    """And its target."""

    y: float


TRIPS = Contract(LabelledTrip, target="y", key=("start",), time="start", name="trips")


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+05:00"])
def test_a_time_beyond_the_calendar_stops_no_job(moment: str, tmp_path: Path) -> None:
    log = Log(TRIPS, tmp_path)
    usual = [TRIPS.Row.model_validate({"Prüfdatum": f"2024-03-01T{n:02}:00:00Z", "x": 1}) for n in range(20)]
    rows = [*usual, TRIPS.Row.model_validate({"Prüfdatum": moment, "x": 1})]
    starts = pa.array([row.start for row in rows], pa.timestamp("us", "UTC"))
    ids = [f"r{number}:0" for number in range(21)]
    table = pa.table(
        {"request_id": [id[:-2] for id in ids], "prediction_id": ids, "Prüfdatum": starts, "x": [1.0] * 21}
    )
    table = table.append_column("ts", pa.array([datetime(2024, 3, 1)] * 21, pa.timestamp("us", "UTC")))
    table = table.append_column("prediction", pa.array([1.0] * 21)).append_column("model", pa.array(["trips:v1"] * 21))
    log.store.put("predictions/model=trips/dt=2024-03-01/a.parquet", parquet_bytes(table.drop_columns(["model"])))
    labels = tmp_path / "labels.csv"
    labels.write_text("Prüfdatum,y\n" + "".join(f"2024-03-01T{n:02}:00:00Z,{n}\n" for n in range(20)), encoding="utf-8")
    found = outcomes(log, {}, labels=str(labels))
    assert found.facts["with_actual"] == 20 and found.facts["of_implausible_day"] == 1
    assert log.window().end == date(2024, 3, 2)


@pytest.mark.parametrize("escaped", [False, True])
def test_digits_are_no_date_however_the_name_is_written(escaped: bool) -> None:
    async def method(rows: list) -> BaseModel:
        raise AssertionError

    endpoint = Endpoint(create_model("Rows", rows=(list[TRIPS.Row], ...)), lambda: method)
    body = json.dumps({"rows": [{"Prüfdatum": "20240229", "x": 1}]}, ensure_ascii=escaped).encode()
    status, response = asyncio.run(endpoint.respond(body))
    assert status == 400 and json.loads(response)["error"].startswith("Prüfdatum: a date or time is written as")


def test_defaults_are_those_of_files_without_the_column(tmp_path: Path) -> None:
    store, day = Folder.at(tmp_path), "predictions/model=shops/dt=2024-01-01"
    rates = pa.array([[("a", 1.0)]], pa.map_(pa.string(), pa.float64()))
    store.put(f"{day}/a.parquet", parquet_bytes(pa.table({"temp": [5.0], "n": [1], "prediction": rates})))
    more = {"Temp": [6.0], "n": [2], "schema": [1.0], "key": [1.0], "value": [1.0], "prediction": rates}
    store.put(f"{day}/b.parquet", parquet_bytes(pa.table(more)))
    defaults = {"Temp": "9.0", "schema": "7.0", "key": "7.0", "value": "7.0"}
    rows = in_files(store.list(), store, defaults).order("n").project("Temp, schema, key, value").fetchall()
    assert rows == [(5.0, 7.0, 7.0, 7.0), (6.0, 1.0, 1.0, 1.0)]


class Size(StrEnum):
    """Two sizes."""

    small = "small"
    large = "large"


class StrictRow(BaseModel):
    """A row of strict types."""

    model_config = ConfigDict(strict=True)
    day: date
    size: Size


class LabelledStrictRow(StrictRow):
    """And its target."""

    y: float


def test_a_strict_contract_reads_tables(tmp_path: Path) -> None:
    contract = Contract(LabelledStrictRow, target="y", time="day", name="strict")
    (tmp_path / "sizes.csv").write_text("day,size,y\n2024-01-01,small,1\n")
    assert read(contract, str(tmp_path / "sizes.csv"))["size"].tolist() == ["small"]


@pytest.mark.parametrize(
    ("name", "better"), [("BikeDemand", "bikedemand"), ("Bike Demand", "bike_demand"), ("größe", "gr_e")]
)
def test_contract_refuses_a_name_that_no_model_can_have(name: str, better: str) -> None:
    with pytest.raises(DaybookError, match=f"cannot be a model's: .*, as in {better}$"):
        Contract(LabelledRow, target="y", name=name)


class Sorted(BaseModel):
    """A field that is called like a column of the output."""

    day: date
    probability_a: float = Field(ge=0)


class LabelledSorted(Sorted):
    """And its class."""

    kind: Literal["a", "b"]


def test_output_keeps_a_field_that_is_called_like_a_probability() -> None:
    contract = Contract(LabelledSorted, target="kind", name="sorted")
    frame = pd.DataFrame({"day": [date(2024, 1, 1)], "probability_a": [0.123]})
    [row] = answers(contract, frame, np.array([[0.9, 0.1]]), ["r:0"]).to_pylist()
    assert (row["probability_a"], row["probability_a_"], row["probability_b"]) == (0.123, 0.9, 0.1)


@pytest.mark.parametrize("cell", [["a"], b"\xff\xd8"], ids=["list", "bytes"])
def test_rejected_rows_keep_columns_that_are_no_texts(cell: object, tmp_path: Path) -> None:
    class Model:
        contract, tag = CONTRACT, "shops:v1"

        @staticmethod
        def predict(columns: dict) -> np.ndarray:
            return np.zeros(len(columns["day"]))

    table = pd.DataFrame({"day": ["2024-01-01", None], "shop": ["a", "b"], "more": [cell] * 2})
    table.to_parquet(tmp_path / "rows.parquet")
    done = score_part(
        Log(CONTRACT, tmp_path / "iolog"), Model, str(tmp_path / "rows.parquet"), str(tmp_path / "out.csv")
    )
    assert (done.rows, done.rejected) == (1, 1)
    assert "must not be missing" in (tmp_path / "out.rejected.csv").read_text()


def test_an_actual_of_an_id_that_different_rows_have_counts_for_none(tmp_path: Path) -> None:
    log = Log(TRIPS, tmp_path)
    when = pa.array([datetime(2024, 3, 1)] * 4, pa.timestamp("us", "UTC"))
    rows = {"prediction_id": ["order:0", "order:0", "retry:0", "retry:0"], "Prüfdatum": when, "x": [1.0, 2.0, 3.0, 3.0]}
    table = pa.table(rows | {"request_id": ["order"] * 2 + ["retry"] * 2, "ts": when, "prediction": [1.0] * 4})
    log.store.put("predictions/model=trips/dt=2024-03-01/a.parquet", parquet_bytes(table))
    later = pa.array([datetime(2024, 3, 2)] * 2, pa.timestamp("us", "UTC"))
    actuals = pa.table({"prediction_id": ["order:0", "retry:0"], "actual": [5.0, 6.0], "received": later})
    log.store.put("actuals/dt=2024-03-02/a.parquet", parquet_bytes(actuals.append_column("event_time", later)))
    assert sorted(log.labelled().project("x, actual").fetchall()) == [(1.0, None), (2.0, None), (3.0, 6.0), (3.0, 6.0)]
    assert outcomes(log, {}).facts["for_several_predictions"] == 1
