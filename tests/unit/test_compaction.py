"""Compaction loses nothing: killed, twice at once, with broken lines, into other stores."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import duckdb
import pandas as pd
import pytest
from segments_of import ROW, answered, received, write_schema, write_segment

from daybook.compaction import Compaction
from daybook.example import contract
from daybook.files import Folder
from daybook.log import Log
from daybook.merging import merge_days
from daybook.project import DaybookError


@pytest.fixture
def log(tmp_path: Path) -> Log:
    log = Log(contract, tmp_path / "iolog")
    write_schema(log.folder)
    return log


def write_segments(log: Log, segments: int, requests: int, start: int = 0) -> None:
    """Closed segments of requests for two rows, with ids that count."""
    for segment in range(start, start + segments):
        numbers = range(segment * requests, (segment + 1) * requests)
        lines = [answered(number, [ROW, ROW], [1.5, number]) for number in numbers]
        write_segment(log.folder, *lines, name=f"host-1-abcdef01-{segment}.jsonl")


def count(log: Log) -> tuple[int, int, float]:
    """Rows, different ids and the sum of all predictions."""
    return log.predictions().aggregate("count(*), count(DISTINCT prediction_id), sum(prediction)").fetchall()[0]


COMPACT = """
import sys
from datetime import date
from pathlib import Path
from pydantic import BaseModel
from daybook.compaction import compact
from daybook.contract import Contract
from daybook.files import Folder

class Row(BaseModel):
    day: date

class LabelledRow(Row):
    rentals: int

contract = Contract(LabelledRow, target="rentals", time="day", name="demand")
compact(Path(sys.argv[1]), Folder.at(sys.argv[1]), contract)
"""


def test_empty_segment_that_a_power_cut_has_left_is_removed(log: Log) -> None:
    """It stayed for ever, and no file of its day was merged."""
    for number in range(20):
        write_segment(log.folder, answered(number, [ROW], [1.5]), name=f"host-1-abcdef01-{number}.jsonl")
    log.folder.joinpath("raw/dt=2024-01-01/host-1-abcdef02-0.jsonl").touch()
    assert log.compact().merged == 40 and not list(log.folder.glob("raw/*/*"))


@pytest.mark.long
def test_compaction_is_killed_again_and_again_and_runs_twice_at_once(log: Log) -> None:
    write_segments(log, segments=8, requests=300)
    expected, dice = count(log), random.Random(7)
    assert expected[:2] == (4800, 4800)
    for _ in range(3):
        both = [subprocess.Popen([sys.executable, "-c", COMPACT, str(log.folder)]) for _ in range(2)]
        give_up, left = time.monotonic() + 60, len(list(log.folder.glob("raw/*/*")))
        while len(list(log.folder.glob("raw/*/*"))) == left > 0 and time.monotonic() < give_up:
            time.sleep(0.01)
        time.sleep(dice.uniform(0, 0.05))
        for process in both:
            process.kill()
            process.wait()
        assert count(log) == expected
    log.compact()
    assert not list(log.folder.glob("raw/*/*"))
    assert len(log.store.list("archive")) == 8
    assert count(log) == expected


def test_compaction_repeats_itself_to_the_byte(log: Log) -> None:
    write_segments(log, segments=2, requests=10)
    log.compact()
    before = {path: log.store.read(path) for path in log.store.list()}
    for path in log.store.list("archive"):
        write_segment(log.folder, log.store.read(path), name=Path(path).name)
    assert log.compact() == Compaction(segments=2, requests=20, predictions=40)
    assert {path: log.store.read(path) for path in log.store.list()} == before
    assert log.compact() == Compaction()


def test_compaction_quarantines_and_forgets_only_what_is_compacted(log: Log) -> None:
    broken = b'not an entry\n{"v":2}\n{"v":1,"id":"torn'
    write_segment(log.folder, answered(1, [ROW], [1]), broken)
    write_segment(log.folder, answered(2, [ROW], [1]), name="host-1-abcdef02-0.jsonl.open")
    done = Compaction(segments=2, requests=2, predictions=2, quarantined=3, deleted=2)
    assert log.compact(keep_days=0) == done
    assert [log.store.read(path) for path in log.store.list("quarantine")] == [broken]
    assert not list(log.folder.glob("raw/*/*")) and not log.store.list("archive")
    assert len(log.predictions()) == 2


def test_compaction_keeps_archives_of_the_last_days(log: Log) -> None:
    today = pd.Timestamp.now("UTC").floor("D")
    for days in range(4):
        day = f"{today - pd.Timedelta(days=days):%Y-%m-%d}"
        write_segment(log.folder, received(days, {"r0:0": 1}), day=day, name=f"s-{days}.jsonl")
    assert log.compact(keep_days=2).deleted == 1
    assert [path.split("/")[-1] for path in log.store.list("archive")] == ["s-2.jsonl", "s-1.jsonl", "s-0.jsonl"]


def test_keep_days_of_the_environment_is_for_the_projects_own_log(
    demand: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IOLOG_KEEP_DAYS", "0")
    own = Log(contract)
    assert own.folder == demand / "iolog"
    for each in (own, log):
        write_segment(each.folder, answered(1, [ROW], [1]))
    assert (own.compact().deleted, log.compact().deleted) == (1, 0)
    monkeypatch.setenv("IOLOG_KEEP_DAYS", "soon")
    with pytest.raises(DaybookError, match="IOLOG_KEEP_DAYS=soon: input should be a valid integer"):
        own.compact()


def test_compaction_into_another_store_leaves_nothing_in_the_folder(log: Log) -> None:
    far = Log(contract, log.folder, f"memory://{uuid4().hex}/temp=9/[bikes]")
    write_segments(log, segments=3, requests=10)
    expected = count(log)
    assert far.compact() == Compaction(segments=3, requests=30, predictions=60)
    assert not list(log.folder.rglob("*.parquet")) and not list(log.folder.rglob("*.jsonl"))
    kinds = [path.partition("/")[0] for path in far.store.list()]
    assert kinds == ["archive"] * 3 + ["contracts"] + ["predictions"] * 3 + ["requests"] * 3
    assert count(far) == expected
    write_segments(log, segments=1, requests=10, start=3)
    assert count(far)[:2] == (80, 80)
    assert len(far.predictions("2025-01-01")) == 0
    assert far.predictions().columns == Log(contract, log.folder).predictions().columns


def test_what_a_store_refuses_stays_in_raw(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    write_segments(log, segments=1, requests=10)
    refused = Log(contract, log.folder, f"memory://{uuid4().hex}")
    expected, put = count(refused), Folder.put

    def put_until_archive(self: Folder, path: str, content: bytes) -> None:
        if path.startswith("archive"):
            raise OSError("no space left")
        put(self, path, content)

    monkeypatch.setattr(Folder, "put", put_until_archive)
    with pytest.raises(OSError, match="no space left"):
        refused.compact()
    assert len(list(log.folder.glob("raw/*/*"))) == 1
    assert count(refused) == expected


def test_other_tools_read_the_folder(log: Log) -> None:
    write_segments(log, segments=2, requests=5)
    log.compact()
    expected = count(log)[2]
    rows = pd.read_parquet(log.folder / "predictions")
    assert (len(rows), rows["prediction"].sum(), str(rows["day"].iloc[0])) == (20, expected, "2024-01-02")
    assert (str(rows["hour"].dtype), str(rows["ts"].dtype)) == ("int64", "datetime64[us, UTC]")
    sql = f"FROM read_parquet('{log.folder}/predictions/**/*.parquet', hive_partitioning = true)"
    found = duckdb.sql(f"SELECT count(*), sum(prediction), any_value(typeof(hour)), min(model) {sql}").fetchall()
    assert found == [(20, expected, "BIGINT", "demand")]
    schema = json.loads((log.folder / "contracts/demand/v1.json").read_text())
    assert schema == {**contract.schema, "x-device": "cpu"}


def test_merge_before_anything_is_logged_does_nothing(tmp_path: Path) -> None:
    assert merge_days(Folder.at(tmp_path / "iolog")) == 0
    assert not (tmp_path / "iolog").exists()
