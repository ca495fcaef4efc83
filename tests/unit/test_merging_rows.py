"""Merged files have the same rows, columns and types as their parts, and are read while they are written."""

from pathlib import Path
from threading import Thread

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from segments_of import ROW, answered, write_schema, write_segment

from daybook import merging
from daybook.columns import LOG_TABLES
from daybook.compaction import put_table
from daybook.example import contract, sample
from daybook.files import Folder
from daybook.log import Log
from daybook.merging import merge_days

DAY = "predictions/model=demand/dt=2024-01-01"


def name(number: int) -> str:
    return f"host-1-abcdef01-{number}.jsonl"


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Log:
    """A log in which each step comes at once."""
    monkeypatch.setattr(merging, "GRACE", 0)
    log = Log(contract, tmp_path / "iolog")
    write_schema(log.folder)
    return log


def write_parts(log: Log, tables: list[pa.Table], start: int = 0) -> None:
    """Files as compaction leaves them."""
    for number, table in enumerate(tables, start):
        put_table(log.store, f"{DAY}/host-1-abcdef01-{number}-v1.parquet", table)


def frame(log: Log, table: str = "predictions") -> pd.DataFrame:
    """All rows, in one order, and the columns as well."""
    rows = getattr(log, table)()
    rows = rows.df().sort_values("prediction_id", ignore_index=True)
    return rows[sorted(rows.columns)]


def part(number: int, **columns: object) -> pa.Table:
    """A table of one row."""
    head = {name: pa.array([None], type) for name, type in LOG_TABLES["predictions"].items()}
    head["prediction_id"] = pa.array([f"r{number}:0"])
    return pa.table(head | {name: pa.array([value]) for name, value in columns.items()})


def test_columns_that_only_some_parts_have_are_kept(log: Log) -> None:
    write_parts(log, [part(n, temp=1.5, prediction=2.5) for n in range(3)])
    write_parts(log, [part(n, temp=2.5, Wind=float(n), prediction=3.5) for n in range(3, 6)], start=3)
    write_parts(log, [part(n, hour=n, prediction=4.5) for n in range(6, 9)], start=6)
    before, types = frame(log), dict(zip(log.predictions().columns, log.predictions().types, strict=True))
    for _ in range(3):
        merge_days(log.store)
        pd.testing.assert_frame_equal(frame(log), before)
        assert dict(zip(log.predictions().columns, log.predictions().types, strict=True)) == types
    assert len(log.store.list(DAY)) == 3 and before["Wind"].notna().sum() == 3, "a file for each set of columns"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"prediction": 1.5}, {"prediction": "many"}),
        ({"hour": 1, "prediction": 1.5}, {"hour": "noon", "prediction": 1.5}),
        ({"Temp": 1.5}, {"temp": 2.5}),
        ({"place": {"x": 1}}, {"place": {"x": 1, "y": 2}}),
        ({"hour": 1}, {"hour": 1.5}),
    ],
)
def test_columns_of_other_types_or_spellings_read_as_before(log: Log, first: dict, second: dict) -> None:
    write_parts(log, [part(n, **(second if n % 2 else first)) for n in range(8)])
    before, types = frame(log), dict(zip(log.predictions().columns, log.predictions().types, strict=True))
    for _ in range(3):
        merge_days(log.store)
        pd.testing.assert_frame_equal(frame(log), before)
        assert dict(zip(log.predictions().columns, log.predictions().types, strict=True)) == types
    assert len(log.store.list(DAY)) == 2


def test_merge_days_writes_when_it_has_read_a_bounded_number_of_rows(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    write_parts(log, [part(n, prediction=1.5) for n in range(20)])
    monkeypatch.setattr(merging, "LARGE", 6 * part(0, prediction=1.5).nbytes)
    held: list[int] = []
    merged = merging._Group.merged
    monkeypatch.setattr(merging._Group, "merged", lambda self: held.append(len(self.tables)) or merged(self))
    assert (merge_days(log.store), held) == (20, [8, 8, 4])
    merge_days(log.store)
    assert (merge_days(log.store), len(log.store.list(DAY)), len(log.predictions())) == (0, 3, 20)


def test_a_merged_file_keeps_the_order_of_its_parts(log: Log) -> None:
    write_parts(log, [part(n, prediction=1.5) for n in range(5)])
    for _ in range(3):
        merge_days(log.store)
    [path] = log.store.list(DAY)
    table = pq.ParquetFile(Path(log.store.root, path)).read()
    assert table["prediction_id"].to_pylist() == [f"r{n}:0" for n in range(5)]


def test_a_backfill_keeps_its_name_and_stays_idempotent(log: Log) -> None:
    rows = sample(days=1)
    write_parts(log, [part(n, prediction=1.5) for n in range(5)])
    for _ in range(4):
        path = log.backfill(rows, rows["rentals"] + 1.0, "demand:v0", "2024-01-01")
        assert len(log.predictions()) == len(rows) + 5
        merge_days(log.store)
    assert path in log.store.list(DAY) and len(log.store.list(DAY)) == 2


def test_a_part_that_vanishes_while_it_is_read_stops_the_merge_of_its_folder(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_parts(log, [part(n, prediction=1.5) for n in range(5)])
    read_all = Folder.read_all
    monkeypatch.setattr(Folder, "read_all", lambda self, paths: read_all(self, list(paths)[1:]))
    assert (merge_days(log.store), len(log.store.list(DAY))) == (0, 5)


def test_readers_beside_merges_count_each_row_once(log: Log) -> None:
    for number in range(40):
        lines = [answered(2 * number, [ROW, ROW], [1, 2]), answered(2 * number + 1, [ROW], [3])]
        write_segment(log.folder, *lines, name=name(number))
    for _ in range(3):  # the steps
        worker, counts = Thread(target=log.compact), set()
        worker.start()
        while worker.is_alive():
            counts.add(log.predictions().aggregate("count(*), sum(prediction)").fetchall()[0])
        assert counts <= {(120, 240)}
    assert (len(log.store.list(DAY)), len(log.predictions())) == (1, 120)


def test_a_day_that_is_not_over_or_not_compacted_is_left_alone(log: Log) -> None:
    for days in range(3):
        day = f"{pd.Timestamp.now('UTC') - pd.Timedelta(days=days):%Y-%m-%d}"
        for number in range(4):
            line = answered(number, [ROW], [1]).replace(b"2024-01-01", day.encode())
            write_segment(log.folder, line, name=name(10 * days + number), day=day)
    log.compact()
    assert len(log.predictions()) == 12
    pending = [path for path in log.store.list("predictions") if path.endswith(".pending")]
    assert len(pending) == 1 and f"dt={day}" in pending[0]
    busy = merge_days(log.store, busy=[f"dt={day}"])
    assert busy == 0 and len(log.store.list(f"predictions/model=demand/dt={day}")) == 5


def test_other_tools_never_see_a_row_twice(log: Log) -> None:
    write_parts(log, [part(n, prediction=1.5) for n in range(5)])
    for _ in range(4):
        assert len(pd.read_parquet(log.folder / "predictions")) == 5
        sql = f"FROM read_parquet('{log.folder}/predictions/**/*.parquet', hive_partitioning = true)"
        assert duckdb.sql(f"SELECT count(*) {sql}").fetchall() == [(5,)]
        merge_days(log.store)


def test_a_query_that_has_listed_its_files_survives_the_next_step(log: Log) -> None:
    write_parts(log, [part(n, prediction=1.5) for n in range(5)])
    for _ in range(4):
        listed = log.predictions()
        merge_days(log.store)
        assert len(listed) == 5
