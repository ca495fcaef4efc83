"""The raw files of the log: what is in them after kills, deletions, full disks, and without locks."""

import errno
import os
import shutil
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from daybook import segments
from daybook.segments import SegmentWriter, close_orphans, create, lock, open_segment, write_schema, writer_name

DAY = "2012-01-01"
needs_locks = pytest.mark.skipif(segments.fcntl is None, reason="this system has no such locks")


def contents(folder: Path) -> list[bytes]:
    """What is in the segments of a log, in the order of their names."""
    return [path.read_bytes() for path in sorted(folder.glob("raw/*/*"))]


def suffixes(folder: Path) -> list[str]:
    """How the segments' names end, in the order of their numbers."""
    return ["".join(path.suffixes) for path in sorted(folder.glob("raw/*/*"))]


def test_writer_puts_each_line_into_the_file_at_once(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path)
    for number in range(3):
        writer.write(b"%d\n" % number, DAY)
        assert contents(tmp_path) == [b"".join(b"%d\n" % earlier for earlier in range(number + 1))]
    [path] = tmp_path.glob("raw/*/*")
    assert path.parent.name == f"dt={DAY}" and path.name == f"{writer.name}-0.jsonl.open"
    assert str(os.getpid()) in path.name
    assert path.stat().st_mode & 0o777 == 0o640


def test_writer_starts_a_new_segment_when_the_old_one_is_full(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path)
    writer.max_bytes = 10
    for line in (b"1234\n", b"1234\n", b"1\n", b"longer than a whole segment\n"):
        writer.write(line, DAY)
    assert contents(tmp_path) == [b"1234\n1234\n", b"1\n", b"longer than a whole segment\n"]
    assert suffixes(tmp_path) == [".jsonl", ".jsonl", ".jsonl.open"]


def test_writer_starts_a_new_segment_for_each_day_also_backwards(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path)
    for day in ("2012-01-01", "2012-01-02", "2012-01-01"):
        writer.write(b"1\n", day)
    writer.close()
    found = [(path.parent.name, path.suffix) for path in sorted(tmp_path.glob("raw/*/*"))]
    assert found == [("dt=2012-01-01", ".jsonl")] * 2 + [("dt=2012-01-02", ".jsonl")]


def test_writer_closes_what_is_old_though_nothing_is_written(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path)
    writer.close_if_due()
    writer.write(b"1\n", f"{segments.datetime.now(segments.UTC):%Y-%m-%d}")
    writer.close_if_due()
    assert suffixes(tmp_path) == [".jsonl.open"]
    writer.max_seconds = -1
    writer.close_if_due()
    assert suffixes(tmp_path) == [".jsonl"]


@pytest.mark.parametrize("how", ["second", "size", "close", "at once"])
def test_writer_writes_again_what_was_deleted_with_its_file(tmp_path: Path, how: str) -> None:
    writer = SegmentWriter(tmp_path, syncs=how == "at once")
    writer.write(b"1\n", DAY)  # the first line is checked
    writer.segment.path.unlink()
    writer.write(b"2\n", DAY)
    assert contents(tmp_path) == ([b"2\n"] if how == "at once" else [])
    if how == "second":
        writer.next_check = 0
    if how == "size":
        writer.max_unchecked = 3
    writer.close() if how == "close" else writer.write(b"3\n", DAY)
    assert contents(tmp_path) == [b"2\n" if how == "close" else b"2\n3\n"]
    writer.close()
    assert suffixes(tmp_path) == [".jsonl"] and writer.unchecked == []


def test_writer_writes_each_line_once_whatever_it_checks(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path)
    writer.max_unchecked, writer.max_bytes = 50, 100
    lines = [b"%d\n" % number for number in range(500)]
    for number, line in enumerate(lines):
        writer.next_check = 0 if number % 7 == 0 else writer.next_check
        writer.write(line, DAY if number % 90 else "2012-01-02")
    writer.close()
    assert sorted(b"".join(contents(tmp_path)).splitlines(keepends=True)) == sorted(lines)


def test_writer_says_how_many_lines_are_lost_with_a_folder_that_cannot_be_made_again(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path / "log")
    for number in range(4):
        writer.write(b"%d\n" % number, DAY)
    shutil.rmtree(tmp_path / "log")
    (tmp_path / "log").write_text("a file where the folder was")
    writer.next_check = 0
    with pytest.raises(OSError):
        writer.write(b"4\n", DAY)
    assert (writer.lost, writer.unchecked) == (4, []), "all but the first, which had been checked"


def test_writer_leaves_no_part_of_a_line_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, write, room = SegmentWriter(tmp_path), os.write, [8]

    def limited(descriptor: int, content: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        size = write(descriptor, content[: room[0]])
        room[0] -= size
        return size

    monkeypatch.setattr(segments.os, "write", limited)
    writer.write(b"12345\n", DAY)
    with pytest.raises(OSError, match="No space"):
        writer.write(b"67890\n", DAY)
    assert contents(tmp_path) == [b"12345\n"] and suffixes(tmp_path) == [".jsonl"]
    room[0] = 100
    writer.write(b"67890\n", DAY)
    assert contents(tmp_path) == [b"12345\n", b"67890\n"]


def test_writer_recovers_from_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    blocked = tmp_path / "raw"
    blocked.write_text("a file where a folder should be")
    writer = SegmentWriter(tmp_path)
    with pytest.raises(OSError):
        writer.write(b"1\n", DAY)
    blocked.unlink()
    writer.write(b"2\n", DAY)
    assert contents(tmp_path) == [b"2\n"]


def test_close_removes_an_empty_segment(tmp_path: Path) -> None:
    open_segment(tmp_path, writer_name(), count()).close()
    assert list(tmp_path.iterdir()) == []


@needs_locks
def test_close_orphans_leaves_a_living_writer_alone(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path)
    writer.write(b"1\n", DAY)
    assert close_orphans(tmp_path) == 0
    assert suffixes(tmp_path) == [".jsonl.open"]
    writer.write(b"2\n", DAY)
    assert contents(tmp_path) == [b"1\n2\n"]


KILLED = """
import os, sys
from daybook.segments import SegmentWriter
writer = SegmentWriter(sys.argv[1])
writer.write(b"last words\\n", "2012-01-01")
os.kill(os.getpid(), 9)
"""


@needs_locks
def test_close_orphans_closes_the_segment_of_a_killed_process(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert suffixes(tmp_path) == [".jsonl.open"]
    assert (close_orphans(tmp_path), close_orphans(tmp_path)) == (1, 0)
    assert contents(tmp_path) == [b"last words\n"] and suffixes(tmp_path) == [".jsonl"]


@needs_locks
def test_close_orphans_removes_an_empty_segment(tmp_path: Path) -> None:
    folder = tmp_path / "raw" / f"dt={DAY}"
    folder.mkdir(parents=True)
    (folder / "host-1-abcdef01-0.jsonl.open").touch()
    assert close_orphans(tmp_path) == 1
    assert list(folder.iterdir()) == []


@needs_locks
def test_create_notices_that_its_file_was_taken_for_an_orphan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, real = tmp_path / "0.jsonl.open", lock

    def lock_after_removal(descriptor: int) -> bool:
        path.unlink()
        return real(descriptor)

    monkeypatch.setattr(segments, "lock", lock_after_removal)
    assert create(path) is None


@needs_locks
def test_open_segment_takes_the_next_number_if_a_file_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    descriptors = iter([None, 7])
    monkeypatch.setattr(segments, "create", lambda path: next(descriptors))
    segment = open_segment(tmp_path, "host-1-abcdef01", count())
    assert (segment.path.name, segment.descriptor) == ("host-1-abcdef01-1.jsonl.open", 7)


@needs_locks
def test_segments_without_locks_are_written_and_never_closed_as_orphans(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(segments.fcntl, "flock", refuse)
    writer = SegmentWriter(tmp_path)
    writer.write(b"1\n", DAY)
    assert close_orphans(tmp_path) == 0
    writer.write(b"2\n", DAY)
    assert writer.segment.path.name.endswith(".open") and contents(tmp_path) == [b"1\n2\n"]


def test_write_schema_is_there_before_the_first_line_and_replaced_whole(tmp_path: Path) -> None:
    def contract() -> tuple[str, bytes]:
        assert not contents(tmp_path), "a line came before the schema of its rows"
        return "demand:v1", b'{"type": "object"}'

    SegmentWriter(tmp_path, contract).write(b"1\n", DAY)
    path = tmp_path / "contracts" / "demand" / "v1.json"
    assert path.read_bytes() == b'{"type": "object"}'
    before = path.stat().st_ino
    write_schema(tmp_path, "demand:v1", b'{"type": "object"}')
    assert path.stat().st_ino == before
    write_schema(tmp_path, "demand:v1", b"{}")
    assert path.read_bytes() == b"{}" and [file.name for file in path.parent.iterdir()] == ["v1.json"]
