"""Labels of the team's: how their columns are found, cast and joined, and what counts as the latest."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from segments_of import ROW, answered, write_schema, write_segment

from daybook.example import contract
from daybook.labels import find_columns, read_labels
from daybook.log import Log
from daybook.project import DaybookError

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


def test_labels_in_other_letters_and_types_are_found(log: Log) -> None:
    assert actuals(log, pd.DataFrame({"DAY": [pd.Timestamp("2024-01-02 05:00")], "Hour": ["8"], "RENTALS": [6]})) == [
        None,
        6,
        None,
    ]


def test_labels_more_than_once_need_a_time(log: Log) -> None:
    twice = pd.concat([table(), table(day=["2024-01-02 01:00"])])
    with pytest.raises(DaybookError, match="labels have day=2024-01-02, hour=8 more than once: a column `received`"):
        log.labelled(labels=twice)
    assert actuals(log, pd.concat([table(), table(hour=[None]), table(hour=[None])])) == [None, 6, None]


def test_labels_without_a_column_or_a_file_are_one_sentence(log: Log, tmp_path: Path) -> None:
    with pytest.raises(DaybookError, match="labels have no column rentals; there are: day, hour"):
        log.labelled(labels=table().drop(columns="rentals"))
    with pytest.raises(DaybookError, match="none.csv cannot be read: IO Error"):
        log.labelled(labels=tmp_path / "none.csv")
    (tmp_path / "words.csv").write_text("day,hour,rentals\n2024-01-02,eight,6\n")
    with pytest.raises(DaybookError, match="words.csv cannot be read: Conversion Error"):
        log.labelled(labels=tmp_path / "words.csv")


def test_folders_above_a_file_of_labels_are_no_columns(tmp_path: Path) -> None:
    path = tmp_path / "hour=3" / "labels [new].csv"
    path.parent.mkdir()
    path.write_text("day,hour,rentals\n2024-01-02,8,6\n")
    assert read_labels(path, contract, TYPES).project("hour, actual").fetchall() == [(8, 6)]


def test_find_columns() -> None:
    assert find_columns(["A", "b"], ["a"], optional=["B", "c"]) == {"a": "A", "B": "b"}
