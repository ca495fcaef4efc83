"""Labels of the team's: how their columns are found, cast and joined, and what counts as the latest."""

import os
import sqlite3
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import BaseModel
from segments_of import ROW, answered, write_schema, write_segment

from daybook.contract import Contract
from daybook.example import contract
from daybook.labels import FIRST_RECEIVED, is_dated, latest, read_labels
from daybook.log import Log
from daybook.project import DaybookError
from daybook.sql import identifier

TYPES = {"day": "DATE", "hour": "BIGINT"}


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """One request for the hours 7 to 9."""
    log = Log(contract, tmp_path / "iolog")
    write_schema(log.folder)
    write_segment(log.folder, answered(1, [ROW | {"hour": hour} for hour in (7, 8, 9)], [1, 2, 3]))
    return log


def table(**columns: Any) -> pd.DataFrame:
    """Labels of hour 8."""
    return pd.DataFrame({"day": ["2024-01-02"], "hour": [8], "rentals": [6]} | columns)


def actuals(log: Log, labels: Any, as_of: str | None = None) -> list[float | None]:
    """Of the hours in order."""
    return [value for (value,) in log.labelled(labels=labels, as_of=as_of).order("hour").project("actual").fetchall()]


def test_labels_are_joined_by_the_key(log: Log) -> None:
    for _ in range(2):
        assert actuals(log, table()) == [None, 6, None]
        assert actuals(log, table(day=["2024-01-03"])) == [None] * 3
        log.compact()


@pytest.mark.parametrize("column", ["received", "Received", "RECEIVED"])
@pytest.mark.parametrize("kind", ["frame", "csv", "parquet"])
def test_as_of_looks_at_received_in_any_letters(log: Log, tmp_path: Path, column: str, kind: str) -> None:
    labels: Any = pd.concat([table(), table(rentals=[7])]).assign(**{column: ["2024-01-03", "2024-01-05 12:00"]})
    if kind != "frame":
        path = tmp_path / f"labels.{kind}"
        labels.to_csv(path, index=False) if kind == "csv" else labels.to_parquet(path)
        labels = path
    expected = {"2024-01-03": None, "2024-01-04": 6, "2024-01-05 13:00": 7, None: 7}
    assert {as_of: actuals(log, labels, as_of)[1] for as_of in expected} == expected


@pytest.mark.parametrize("kind", ["frame", "csv", "parquet"])
@pytest.mark.parametrize("column", ["Received", "HOUR", "Rentals"])
def test_two_columns_that_differ_by_case_are_one_sentence(log: Log, tmp_path: Path, column: str, kind: str) -> None:
    labels: Any = table(received=["2024-01-03"], **{column: [1]})
    if kind != "frame":
        path = tmp_path / f"labels.{kind}"
        labels.to_csv(path, index=False) if kind == "csv" else labels.to_parquet(path)
        labels = path
    with pytest.raises(DaybookError, match=f"{column}.*, which differ only in capitals: rename one"):
        log.labelled(labels=labels)


def test_a_key_called_received_is_no_time_of_arrival(tmp_path: Path) -> None:
    class Row(BaseModel):
        received: date
        size: float

    class LabelledRow(Row):
        price: float

    orders = Contract(LabelledRow, target="price", key=["received"], time="received", name="orders")
    path = tmp_path / "labels.csv"
    path.write_text("received,price\n2024-01-02,7\n")
    rows = read_labels(path, orders, {orders.fields["received"].column: "DATE"})
    assert rows.project("actual, received").fetchall() == [(7.0, None)]


def test_as_of_takes_a_file_without_received_as_of_its_own_time(log: Log, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    table().to_csv(path, index=False)
    os.utime(path, (1_704_448_800, 1_704_448_800))  # 2024-01-05 10:00 UTC
    assert actuals(log, path, "2024-01-05 11:00") == actuals(log, path) == [None, 6, None]
    rows = read_labels(path, contract, TYPES, "2024-01-06").project("CAST(received AS TIMESTAMP)").fetchall()
    assert rows == [(datetime(2024, 1, 5, 10),)] and not is_dated(path)
    with pytest.raises(DaybookError, match="no column `received`, and their file was written on 2024-01-05 10:00"):
        actuals(log, path, "2024-01-05 10:00")


def test_as_of_refuses_what_it_cannot_date(log: Log, tmp_path: Path) -> None:
    with pytest.raises(DaybookError, match="no column `received`, and they are no file on this machine"):
        actuals(log, table(), "2030-01-01")
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        table().to_sql("labels", connection, index=False)
    with pytest.raises(DaybookError, match="they are no file on this machine.*leave out as_of"):
        read_labels("SELECT * FROM labels", contract, TYPES, "2030-01-01", f"sqlite:///{tmp_path}/shop.db")


def test_as_of_leaves_out_rows_whose_arrival_is_missing(log: Log) -> None:
    labels = pd.concat([table(hour=[7]), table()]).assign(received=["2024-01-03", None])
    assert actuals(log, labels, "2024-01-04") == [6, None, None]
    assert actuals(log, labels) == [6, 6, None]


def test_latest_says_when_the_first_one_arrived(log: Log) -> None:
    labels = pd.concat([table(), table(rentals=[7])]).assign(received=["2024-01-03", "2024-01-05"])
    rows = latest(read_labels(labels, contract, TYPES), ["day", "hour"])
    days = [(actual, f"{last:%d}", f"{first:%d}") for *_, actual, last, first in rows.fetchall()]
    assert days == [(7, "05", "03")]


def test_labels_in_other_letters_and_types_are_found(log: Log) -> None:
    labels = pd.DataFrame({"DAY": [pd.Timestamp("2024-01-02")], "Hour": ["8"], "RENTALS": ["6.0"]})
    assert actuals(log, labels) == [None, 6, None]


def test_labels_with_a_time_where_a_date_should_be_are_refused(log: Log) -> None:
    with pytest.raises(DaybookError, match=r"day: input should be a date like .*: row 0 \(2024-01-02 05:00:00\)"):
        log.labelled(labels=table(day=[pd.Timestamp("2024-01-02 05:00")]))


def test_labels_more_than_once_need_a_time(log: Log) -> None:
    twice = pd.concat([table(), table(day=["2024-01-02 00:00"])])
    with pytest.raises(DaybookError, match="labels have day=2024-01-02, hour=8 more than once: a column `received`"):
        log.labelled(labels=twice)
    assert actuals(log, pd.concat([table(), table(hour=[None]), table(hour=[None])])) == [None, 6, None]


def test_labels_without_a_column_or_a_file_are_one_sentence(log: Log, tmp_path: Path) -> None:
    with pytest.raises(DaybookError, match="labels: the table: no column rentals; there are: day, hour"):
        log.labelled(labels=table().drop(columns="rentals"))
    with pytest.raises(DaybookError, match="none.csv: there is no such file"):
        log.labelled(labels=tmp_path / "none.csv")
    (tmp_path / "words.csv").write_text("day,hour,rentals\n2024-01-02,eight,6\n")
    with pytest.raises(DaybookError, match=r"labels: hour: .*: row 0 \(eight\)"):
        log.labelled(labels=tmp_path / "words.csv")


def test_folders_above_a_file_of_labels_are_no_columns(tmp_path: Path) -> None:
    path = tmp_path / "hour=3" / "labels [new].csv"
    path.parent.mkdir()
    path.write_text("day,hour,rentals\n2024-01-02,8,6\n")
    assert read_labels(path, contract, TYPES).project("hour, actual").fetchall() == [(8, 6)]


def test_labels_have_the_types_missing_values_and_formats_of_the_contract(tmp_path: Path) -> None:
    """As a table to train from has them, in capitals or not."""

    class Parcel(BaseModel):
        day: date
        zip: str

    class LabelledParcel(Parcel):
        late: bool

    formats = {"day": "%d.%m.%Y"}
    parcels = Contract(
        LabelledParcel, target="late", key=("day", "zip"), name="parcels", missing={"late": ["?"]}, formats=formats
    )
    path = tmp_path / "labels.csv"
    path.write_text(
        "DAY;Zip;LATE;Received\n02.01.2024;01067;yes;2024-01-05T12:00+02:00\n03.01.2024;NA;?;\n04.01.2024;NA;no;\n"
    )
    rows = read_labels(path, parcels, {"day": "DATE", "zip": "VARCHAR"})
    rows = rows.project("day, zip, actual, CAST(received AS TIMESTAMP)").fetchall()
    assert rows[0] == (date(2024, 1, 2), "01067", 1.0, datetime(2024, 1, 5, 10))
    assert rows[1:] == [(date(2024, 1, 4), "NA", 0.0, None)], "a label that is missing is none"


def test_labels_may_be_a_query(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection, connection:
        connection.execute("CREATE TABLE labels (day TEXT, hour INTEGER, rentals INTEGER)")
        connection.execute("INSERT INTO labels VALUES ('2024-01-02', 8, 6)")
    url = f"sqlite:///{tmp_path}/shop.db"
    assert read_labels("SELECT * FROM labels", contract, TYPES, database=url).project("hour, actual").fetchall() == [
        (8, 6)
    ]


def test_labelled_asks_the_database_of_the_environment(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        table().to_sql("labels", connection, index=False)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/shop.db")
    assert actuals(log, "SELECT * FROM labels") == [None, 6, None]


def test_label_that_is_still_missing_says_nothing(tmp_path: Path) -> None:
    """A warehouse keeps the row before its actual is known."""
    path = tmp_path / "labels.csv"
    rows = "2024-01-01,8,,2023-12-31T00:00Z\n2024-01-01,8,6,2024-01-02T00:00Z\n2024-01-01,8,,2024-01-09T00:00Z\n"
    path.write_text(f"day,hour,rentals,received\n{rows}")
    found = latest(read_labels(path, contract, TYPES), ["day", "hour"])
    days = f"actual, day(received), day({identifier(FIRST_RECEIVED)})"
    assert found.project(days).fetchall() == [(6, 2, 2)]


def test_a_correction_counts_though_the_first_actual_has_no_arrival(log: Log, tmp_path: Path) -> None:
    labels = pd.concat([table(), table(rentals=[7])]).assign(received=[None, "2024-01-03"])
    labels.to_csv(path := tmp_path / "labels.csv", index=False)
    assert actuals(log, labels) == actuals(log, path) == actuals(log, path, "2100-01-01") == [None, 7, None]
    assert actuals(log, path, "2024-01-02") == [None, None, None]


def test_a_repeated_actual_is_known_since_it_came_first() -> None:
    labels = pd.concat([table(), table(), table(rentals=[7])]).assign(
        received=["2024-01-03", "2024-01-09", "2024-01-02"]
    )
    rows = latest(read_labels(labels, contract, TYPES), ["day", "hour"]).fetchall()
    assert [(actual, f"{received:%d}", f"{first:%d}") for *_, actual, received, first in rows] == [(6, "03", "02")]
