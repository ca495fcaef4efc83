"""The log as tables: where it lies, what is read of it, labels, windows, backfill."""

from datetime import UTC, date, datetime
from pathlib import Path
from threading import Thread

import duckdb
import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel, Field
from segments_of import ROW, answered, line, received, write_schema, write_segment

from daybook import log_reading
from daybook.contract import Contract
from daybook.example import contract, sample
from daybook.log import Log, window_bounds
from daybook.project import DaybookError
from daybook.redaction import hash_value


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """Two requests, of two rows and of one, and a refused one; not compacted."""
    log = Log(contract, tmp_path / "iolog")
    write_schema(log.folder)
    lines = [answered(1, [ROW, ROW | {"hour": 8}], [4.5, 5.0]), answered(2, [ROW | {"hour": 9}], [3.5])]
    write_segment(log.folder, *lines, line(3, 400, request="{", response=None))
    return log


def actual_by_id(rows: duckdb.DuckDBPyRelation) -> dict[str, float | None]:
    return dict(rows.order("prediction_id").project("prediction_id, actual").fetchall())


def test_log_of_the_project_is_where_the_environment_says(demand: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Log(contract).folder == demand / "iolog"
    monkeypatch.setenv("IOLOG_DIR", "elsewhere")
    monkeypatch.setenv("IOLOG_STORE", "memory://bikes")
    assert (Log(contract).folder, Log(contract).store.url("a")) == (demand / "elsewhere", "memory:///bikes/a")
    monkeypatch.setenv("IOLOG_DIR", "~/iolog")
    assert Log(contract).folder == Path.home() / "iolog"
    assert Log(contract, demand / "other").store.root == str(demand / "other")
    assert Log(contract, store=demand / "tables").store.root == str(demand / "tables")
    monkeypatch.setenv("IOLOG_DIR", "s3://bucket/iolog")
    with pytest.raises(DaybookError, match="IOLOG_DIR=s3://bucket/iolog: must be a folder of this machine"):
        Log(contract)


@pytest.mark.parametrize("is_compacted", [False, True])
def test_log_tables_have_their_columns(log: Log, is_compacted: bool) -> None:
    if is_compacted:
        write_segment(log.folder, received(4, {"r1:0": 5}), name="s.jsonl")
        log.compact()
    own = [*contract.columns.values(), "prediction", "model", "dt"]
    assert log.predictions().columns == ["prediction_id", "request_id", "ts", "version", "bento", "rate", *own]
    assert log.actuals().columns == ["prediction_id", "actual", "event_time", "received", "request_id", "dt"]
    names = "request_id ts route status ms model version bento rate key in out dt"
    assert log.requests().columns == names.split()
    assert log.predictions().project("any_value(model), any_value(dt)").fetchall() == [("demand", date(2024, 1, 1))]


def test_an_empty_log_has_the_same_columns(log: Log, tmp_path: Path) -> None:
    nothing = Log(contract, tmp_path / "nothing")
    for table in ("predictions", "requests"):
        rows, empty = getattr(log, table)(), getattr(nothing, table)()
        assert (empty.columns, empty.types, len(empty)) == (rows.columns, rows.types, 0)
    assert len(nothing.labelled()) == len(nothing.labelled(labels=sample(1))) == len(nothing.actuals()) == 0


def test_log_is_read_by_time_and_model(log: Log) -> None:
    for _ in range(2):
        assert len(log.predictions("2024-01-01 00:02", "2024-01-01 00:03")) == 1
        assert len(log.predictions(datetime(2024, 1, 1, 0, 2, tzinfo=UTC), date(2024, 1, 2))) == 1
        assert [len(log.predictions(model=name)) for name in ("demand", "demand:v1", "demand:v2", "d")] == [3, 3, 0, 0]
        assert log.requests().filter("status = 400").project('"in"').fetchall() == [("{",)]
        assert len(log.requests(model="demand:v1")) == 3
        log.compact()


def test_log_reads_only_the_files_that_may_have_an_answer(log: Log) -> None:
    log.compact()
    rows = log.predictions().filter("dt = '2024-01-02'")
    assert "Scanning Files: 0/1" in str(duckdb.sql(f"EXPLAIN ANALYZE {rows.sql_query()}").fetchall())


def test_log_reads_only_the_raw_segments_that_may_have_an_answer(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reading, "unfold_segment", lambda *_: pytest.fail("it was read"))
    assert len(log.predictions(start="2025-01-01")) == len(log.predictions(end="2023-01-01")) == 0


@pytest.mark.parametrize(
    "place", ["plain", "temp=9", "model=old", "dt=2020-01-01", "env=prod", "a[b]*", "it's", "Größe"]
)
def test_folders_above_the_log_mean_nothing(log: Log, place: str) -> None:
    other = Log(contract, log.folder.parent / place / "iolog")
    other.folder.parent.mkdir(parents=True)
    expected = sorted(log.predictions().fetchall())
    log.folder.rename(other.folder)
    for _ in range(2):
        assert sorted(other.predictions(model="demand").fetchall()) == expected
        assert other.predictions().columns == Log(contract, log.folder).predictions().columns
        other.compact()


def test_log_is_complete_while_two_compact_it(tmp_path: Path) -> None:
    busy = Log(contract, tmp_path)
    for segment in range(10):
        lines = [answered(number, [ROW, ROW], [1, 2]) for number in range(segment * 6, segment * 6 + 6)]
        write_segment(busy.folder, *lines, name=f"s-{segment}.jsonl")
    workers = [Thread(target=busy.compact) for _ in range(2)]
    for worker in workers:
        worker.start()
    counts = set()
    while any(worker.is_alive() for worker in workers):
        counts.add(len(busy.predictions()))
    assert counts | {len(busy.predictions())} == {120}


def test_records_are_the_entries_as_they_were_written(log: Log) -> None:
    write_segment(log.folder, b'{"v":1,"id":"torn', name="s.jsonl.open")
    assert [(entry["id"], entry["status"]) for entry in log.records()] == [("r1", 200), ("r2", 200), ("r3", 400)]
    cut = answered(4, [ROW], [1]).replace(b'"rate": 1.0', b'"rate": 1.0, "cut": {"in": 7}')
    write_segment(log.folder, cut, name="s.jsonl.open")
    assert [entry.get("cut") for entry in log.records()] == [None] * 3 + [{"in": 7}]


def test_a_column_of_the_contract_has_its_name_in_whatever_letters_it_was_written(tmp_path: Path) -> None:
    class Row(BaseModel):
        day: date
        temp: float = Field(alias="Temp")

    class LabelledRow(Row):
        y: float

    now = Contract(LabelledRow, target="y", time="day", name="demand")
    for name, key in (("a", "temp"), ("b", "Temp")):
        write_segment(tmp_path, answered(1, [{"day": "2024-01-01", key: 1.5}], [1]), name=f"{name}.jsonl")
        Log(contract, tmp_path).compact()
    rows = Log(now, tmp_path).predictions()
    assert "Temp" in rows.columns and rows.project('"Temp"').fetchall() == [(1.5,)] * 2


def test_labelled_by_what_the_service_received(log: Log) -> None:
    lines = [received(4, {"r1:0": 5, "r2:0": 3}), received(5, {"r1:0": 6, "lost:0": 1})]
    write_segment(log.folder, *lines, name="s.jsonl")
    for _ in range(2):
        assert actual_by_id(log.labelled()) == {"r1:0": 6, "r1:1": None, "r2:0": 3}
        assert actual_by_id(log.labelled(as_of="2024-01-01 00:05")) == {"r1:0": 5, "r1:1": None, "r2:0": 3}
        assert actual_by_id(log.labelled(as_of="2024-01-01 00:04")) == {"r1:0": None, "r1:1": None, "r2:0": None}
        assert log.labelled().columns == [*log.predictions().columns, "actual", "received"]
        log.compact()


def test_window_is_by_the_time_of_the_contract(log: Log) -> None:
    write_segment(log.folder, answered(4, [ROW | {"day": "2024-02-01"}], [1]), name="s.jsonl")
    write_segment(log.folder, answered(5, [ROW | {"day": "2024-03-01"}], [1], model="other:v1"), name="o.jsonl")
    found = log.window(days=28)
    assert (found.start, found.end, len(found.rows)) == (date(2024, 1, 5), date(2024, 2, 2), 1)
    assert len(log.window(date(2024, 1, 1), date(2024, 1, 3)).rows) == 3
    with pytest.raises(
        DaybookError, match="is about 2024-01-10 to 2024-01-11; there are some about 2024-01-02 to 2024-02-01"
    ):
        log.window(date(2024, 1, 10), date(2024, 1, 12))
    with pytest.raises(DaybookError, match="the window is empty: its first day is 2024-03-01, and its end 2024-02-02"):
        log.window(date(2024, 3, 1))


def test_window_of_an_empty_log_or_of_another_contract_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DaybookError, match="no prediction of demand is logged in .*IOLOG_DIR"):
        Log(contract, tmp_path).window()
    write_segment(tmp_path, answered(1, [{"hour": 1}], [1]))
    with pytest.raises(DaybookError, match="no column day: it was written under another"):
        Log(contract, tmp_path).window()


def test_window_needs_no_field_but_the_time(tmp_path: Path) -> None:
    write_segment(tmp_path, answered(1, [{"day": "2024-01-01"}], [1]))
    assert len(Log(contract, tmp_path).window().rows) == 1


def test_window_bounds() -> None:
    assert window_bounds(None, None, 7, date(2024, 1, 31)) == (date(2024, 1, 25), date(2024, 2, 1))
    assert window_bounds(date(2024, 1, 1), None, 7, date(2024, 1, 31)) == (date(2024, 1, 1), date(2024, 2, 1))
    assert window_bounds(None, date(2024, 1, 8), 7, date(2024, 1, 31)) == (date(2024, 1, 1), date(2024, 1, 8))


def test_backfill_is_read_back_as_it_was(tmp_path: Path) -> None:
    log, frame = Log(contract, tmp_path), sample(days=2)
    for _ in range(2):
        path = log.backfill(frame, frame["rentals"] + 0.5, "demand:v0", "2024-01-05T01:00:00+02:00")
    assert path.startswith("predictions/model=demand/dt=2024-01-04/") and path.endswith("-v0.parquet")
    table = log.predictions(model="demand:v0").order("day, hour").to_arrow_table()
    for name, values in contract.arrays(frame).items():
        np.testing.assert_array_equal(contract.arrays(table)[name], values)
    joined = log.labelled(labels=frame).df()
    assert len(joined) == len(frame) and (joined["prediction"] - joined["actual"] == 0.5).all()


def test_backfill_hashes_with_a_key_and_leaves_out_what_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def contract_with(rule: str) -> Contract:
        class Row(BaseModel):
            day: date
            person: str = Field(json_schema_extra={"iolog": rule})

        class LabelledRow(Row):
            y: bool

        return Contract(LabelledRow, target="y", time="day", name="calls")

    frame = pd.DataFrame({"day": pd.to_datetime(["2024-01-01"]), "person": ["Ann"]})
    monkeypatch.delenv("IOLOG_HASH_KEY", raising=False)
    with pytest.raises(DaybookError, match="keeps a hash of person: set IOLOG_HASH_KEY"):
        Log(contract_with("hash"), tmp_path).backfill(frame, [0.5], "calls:v1", "2024-01-01")
    monkeypatch.setenv("IOLOG_HASH_KEY", "a key")
    hashed = Log(contract_with("hash"), tmp_path / "hashed")
    hashed.backfill(frame, [0.5], "calls:v1", "2024-01-01")
    assert hashed.predictions().project("person").fetchall() == [(hash_value("Ann", b"a key"),)]
    log = Log(contract_with("drop"), tmp_path)
    log.backfill(frame, [0.5], "calls:v1", "2024-01-01")
    assert "person" not in log.predictions().columns
