"""Small files of finished days become a few: no row is lost or counted twice, whenever it is killed or read."""

import contextlib
import random
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pyarrow.parquet as pq
import pytest
from power import followed, needs_descriptors
from segments_of import ROW, answered, received, write_schema, write_segment

from daybook import merging
from daybook.example import contract
from daybook.files import Folder
from daybook.log import Log
from daybook.merging import current_files, merge_days

DAY = "predictions/model=demand/dt=2024-01-01"


class Killed(BaseException):
    """What ends a process at once."""


def name(number: int) -> str:
    return f"host-1-abcdef01-{number}.jsonl"


def write_day(log: Log, segments: int = 5) -> None:
    """Compact some segments of a day."""
    write_schema(log.folder)
    for number in range(segments):
        lines = [answered(2 * number, [ROW], [1.5]), answered(2 * number + 1, [ROW, ROW | {"hour": 8}], [2.5, number])]
        write_segment(log.folder, *lines, received(number, {f"r{number}:0": number}), name=name(number))
    log.compact()


@pytest.fixture(params=["file", "memory"])
def log(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Log:
    """A finished day in five small files a table, before anything is merged."""
    store = None if request.param == "file" else f"memory://{uuid4().hex}"
    log = Log(contract, tmp_path / "iolog", store)
    with monkeypatch.context() as patch:
        patch.setattr("daybook.compaction.merge_days", lambda *_: 0)
        write_day(log)
    return log


def rows(log: Log) -> list[list[tuple]]:
    """All rows of all tables."""
    return [sorted(map(str, getattr(log, table)().fetchall())) for table in ("predictions", "actuals", "requests")]


def files(log: Log, folder: str = DAY) -> list[str]:
    """The kinds of files in a folder of the store."""
    names = [path.rpartition("/")[2] for path in log.store.list(folder)]
    return ["pending" if name[0] == "_" else name.partition("-")[0] for name in names]


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "GRACE", 0)


def test_merge_days_takes_three_steps(log: Log, no_grace: None) -> None:
    expected, seen = rows(log), []
    types = [log.predictions().types, log.actuals().types, log.requests().types]
    for _ in range(4):
        seen.append((merge_days(log.store), files(log)))
        assert rows(log) == expected
        assert [log.predictions().types, log.actuals().types, log.requests().types] == types
    assert seen[0] == (15, ["pending", *["host"] * 5])
    assert seen[1:] == [(0, ["pending", "merged"]), (0, ["merged"]), (0, ["merged"])]


def test_merge_days_waits_a_day_between_two_steps(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [merge_days(log.store) for _ in range(3)] == [15, 0, 0]
    assert files(log) == ["pending", *["host"] * 5]
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + merging.GRACE + 60)
    merge_days(log.store)
    assert files(log) == ["pending", "merged"]
    monkeypatch.setattr(time, "time", now)
    merge_days(log.store)
    assert files(log) == ["pending", "merged"]


def killing(call: Callable, calls: list[str], kill_at: int, is_late: bool) -> Callable:
    """A method of a folder that ends the process at one call, before or after it is done."""

    def follow(*args: object) -> object:
        calls.append(call.__name__)
        if len(calls) == kill_at and not is_late:
            raise Killed
        result = call(*args)
        if len(calls) == kill_at:
            raise Killed
        return result

    return follow


@pytest.mark.long
@pytest.mark.parametrize("log", ["memory"], indirect=True)
@pytest.mark.parametrize("is_late", [False, True])
def test_a_merge_that_is_killed_at_any_call_loses_nothing(
    log: Log, is_late: bool, no_grace: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, start, calls, kill_at = rows(log), {path: log.store.read(path) for path in log.store.list()}, [], 0
    while kill_at <= len(calls):
        kill_at, calls = kill_at + 1, []
        for path in log.store.list():
            log.store.delete(path)
        for path, content in start.items():
            log.store.put(path, content)
        with monkeypatch.context() as patch, contextlib.suppress(Killed):
            for method in ("put", "delete", "read", "read_all"):
                patch.setattr(Folder, method, killing(getattr(Folder, method), calls, kill_at, is_late))
            for _ in range(3):
                merge_days(log.store)
        assert len(log.predictions()) == 15
        for _ in range(3):
            merge_days(log.store)
        assert (files(log), len(log.predictions())) == (["merged"], 15)
    assert kill_at > 20 and rows(log) == expected


@needs_descriptors
@pytest.mark.long
def test_a_power_cut_while_files_are_merged_loses_nothing(
    tmp_path: Path, no_grace: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(contract, tmp_path / "iolog")
    with monkeypatch.context() as patch:
        patch.setattr("daybook.compaction.merge_days", lambda *_: 0)
        write_day(log, segments=4)

    def check(left: Path) -> None:
        cut = Log(contract, left)
        assert (len(cut.predictions()), len(cut.actuals()), len(cut.requests())) == (12, 4, 12)

    def merge() -> None:
        for _ in range(3):
            merge_days(log.store)

    disk = followed(log.folder, tmp_path / "cuts", check, monkeypatch, merge)
    assert len(disk.calls) > 20 and files(log) == ["merged"]


def test_a_listing_in_the_middle_of_a_step_has_each_row_once(log: Log, no_grace: None) -> None:
    dice = random.Random(3)
    for _ in range(3):
        before = log.store.list(DAY)
        merge_days(log.store)
        after = log.store.list(DAY)
        for _ in range(30):
            changed = [path for path in set(before) ^ set(after) if dice.random() < 0.5]
            listed = sorted({*(set(before) & set(after)), *changed})
            current, _ = current_files(listed, log.store)
            assert sum(count_rows(log.store, path) for path in current) == 15


def count_rows(store: Folder, path: str) -> int:
    with store.fs.open(f"{store.root}/{path}") as file:
        return pq.read_metadata(file).num_rows


def test_a_segment_that_is_compacted_again_after_its_merge_is_not_written_again(
    log: Log, no_grace: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = rows(log)
    for _ in range(3):
        merge_days(log.store)
        segment = log.store.read(f"archive/dt=2024-01-01/{name(2)}")
        write_segment(log.folder, segment, name=name(2))  # as if its compaction had been killed in its last step
        assert rows(log) == expected
        with monkeypatch.context() as patch:
            patch.setattr(
                "daybook.compaction.put_table", lambda _, path, table: pytest.fail(f"{path} is written again")
            )
            log.compact()
        assert rows(log) == expected
    assert files(log) == ["merged"]


def test_a_part_that_is_written_again_is_not_counted_and_goes(log: Log, no_grace: None) -> None:
    expected = rows(log)
    path = f"{DAY}/{name(2).removesuffix('.jsonl')}-v1.parquet"
    part = log.store.read(path)
    for _ in range(3):
        merge_days(log.store)
        log.store.put(path, part)
        assert rows(log) == expected
    merge_days(log.store)
    assert (files(log), rows(log)) == (["merged"], expected)


def test_segments_that_come_late_are_counted_and_merged_when_there_are_four(log: Log, no_grace: None) -> None:
    for _ in range(3):
        merge_days(log.store)
    for number in range(10, 14):
        write_segment(log.folder, answered(100 + number, [ROW], [1]), name=name(number))
        log.compact()
        assert len(log.predictions()) == 15 + number - 9
    for _ in range(3):
        log.compact()
    assert (files(log), len(log.predictions()), len(log.requests())) == (["merged", "merged"], 19, 19)


def test_two_merges_of_different_parts_count_each_row_once(
    log: Log, no_grace: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, list_files = rows(log), Folder.list
    with monkeypatch.context() as patch:  # the other has not seen the last part
        patch.setattr(
            Folder, "list", lambda self, folder="": [path for path in list_files(self, folder) if "01-4" not in path]
        )
        merge_days(log.store)
    parts = {path: log.store.read(path) for path in log.store.list(DAY) if path.endswith(".pending")}
    for path in parts:
        log.store.delete(path)
    merge_days(log.store)
    for path, content in parts.items():
        log.store.put(path, content)
    assert files(log)[:2] == ["pending", "pending"]
    for _ in range(4):
        assert rows(log) == expected
        merge_days(log.store)
    assert (files(log), rows(log)) == (["merged"], expected)


def test_a_merge_that_another_has_overtaken_writes_nothing(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    groups, parts = merging._groups, log.store.list(DAY)

    def overtaken(paths: list[str], store: Folder) -> list:
        read = list(groups(paths, store))
        monkeypatch.setattr(merging, "_groups", groups)
        assert merging._merge_folder(DAY, parts[:-1], store) == 4  # on another machine, which had not seen the last
        return read

    monkeypatch.setattr(merging, "_groups", overtaken)
    assert (merging._merge_folder(DAY, parts, log.store), files(log)) == (0, ["pending", *["host"] * 5])
