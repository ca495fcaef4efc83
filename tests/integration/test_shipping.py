"""Shipping loses no segment and doubles none: killed, failing, twice, beside compactions."""

import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from uuid import uuid4

import pytest
from gates import call
from power import followed
from segments_of import ROW, answered, write_schema, write_segment
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from daybook import merging
from daybook.compaction import Compaction
from daybook.example import contract
from daybook.files import Folder
from daybook.log import Log
from daybook.log_writer import RecorderSettings
from daybook.project import DaybookError
from daybook.recorder import Recorder
from daybook.segments import SegmentWriter, closed_segments, lock
from daybook.shipping import Shipper, main, ship_segment, ship_until


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """A log with the contract of its model, whose store is elsewhere."""
    log = Log(contract, tmp_path / "iolog", f"memory://{uuid4().hex}")
    write_schema(log.folder)
    return log


def segment(log: Log, number: int, requests: int = 10) -> Path:
    """A closed segment of requests for two rows, with ids that no other has."""
    numbers = range(number * requests, (number + 1) * requests)
    lines = [answered(each, [ROW, ROW], [1.5, each]) for each in numbers]
    return write_segment(log.folder, *lines, name=f"host-1-abcdef01-{number}.jsonl")


def count(log: Log) -> tuple[int, int]:
    """Rows, and different ids."""
    return log.predictions().aggregate("count(*), count(DISTINCT prediction_id)").fetchall()[0]


def test_ship_moves_what_is_closed_and_readers_see_it_at_every_step(log: Log, tmp_path: Path) -> None:
    for number in range(3):
        segment(log, number)
    open_one = write_segment(log.folder, answered(30, [ROW], [1]), name="host-2-abcdef01-0.jsonl.open")
    descriptor = os.open(open_one, os.O_RDWR)
    assert lock(descriptor) and count(log) == (61, 61)
    assert Shipper(log.folder, log.store).ship()
    assert [path.name for path in log.folder.glob("raw/*/*")] == [open_one.name]
    assert count(log) == (61, 61) and len(list(log.records())) == 31
    elsewhere = Log(contract, tmp_path / "nothing", f"memory://{log.store.root}")
    assert count(elsewhere) == (60, 60) and len(list(elsewhere.records())) == 30
    assert elsewhere.compact() == Compaction(segments=3, requests=30, predictions=60)
    assert count(elsewhere) == (60, 60) and elsewhere.predictions().columns == log.predictions().columns
    assert {path.partition("/")[0] for path in log.store.list()} == {"archive", "contracts", "predictions", "requests"}
    os.close(descriptor)  # its writer is killed
    assert Shipper(log.folder, log.store).ship() and not list(log.folder.glob("raw/*/*"))
    assert count(log) == (61, 61)


def ship_and_be_killed(segment: Path, store: Folder) -> None:
    """Ship a segment, and be killed before it is removed."""
    content = segment.read_bytes()
    ship_segment(segment, store)
    segment.write_bytes(content)


@pytest.mark.parametrize("keep_days", [None, 0])
@pytest.mark.parametrize("others", [0, 5])
def test_ship_again_after_a_kill_doubles_nothing(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep_days: int | None, others: int
) -> None:
    monkeypatch.setattr(merging, "GRACE", 0)  # a day has passed before each compaction
    elsewhere = Log(contract, tmp_path / "nothing", f"memory://{log.store.root}")
    shipped, rows = segment(log, 0), 20 * (others + 1)
    for number in range(others):
        segment(log, number + 1)
    for each in closed_segments(log.folder):
        ship_and_be_killed(each, log.store) if each == shipped else ship_segment(each, log.store)
    assert shipped.exists() and count(log) == (rows, rows), "it is in both places"
    for _ in range(3):
        elsewhere.compact(keep_days)
        assert shipped.exists() and count(log) == (rows, rows)
    assert len(log.store.list("predictions")) == 1, "merged"
    assert Shipper(log.folder, log.store).ship() and not shipped.exists()
    assert count(log) == (rows, rows)
    for _ in range(3):
        elsewhere.compact(keep_days)
        assert count(log) == (rows, rows) and log.store.list("raw") == []
    assert len(log.store.list("predictions")) == 1


def test_ship_removes_nothing_that_the_store_has_not_got(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped, put = segment(log, 1), Folder.put
    monkeypatch.setattr(Folder, "put", lambda self, path, content: put(self, path, content[:-1]))
    with pytest.raises(DaybookError, match="does not have the size of"):
        ship_segment(shipped, log.store)
    assert shipped.exists()
    monkeypatch.undo()
    ship_segment(shipped, log.store)
    assert not shipped.exists() and count(log) == (20, 20)


def test_ship_says_once_that_the_store_fails_and_holds_up_no_other_segment(
    log: Log, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    refused, put = {segment(log, number).name for number in (0, 1)}, Folder.put
    segment(log, 2)

    def refuse(self: Folder, path: str, content: bytes) -> None:
        if path.rpartition("/")[2] in refused:
            raise TimeoutError("no response")
        put(self, path, content)

    monkeypatch.setattr(Folder, "put", refuse)
    shipper = Shipper(log.folder, log.store)
    assert [shipper.ship() for _ in range(3)] == [False] * 3
    assert {path.name for path in closed_segments(log.folder)} == refused
    refused.clear()
    assert [shipper.ship() for _ in range(2)] == [True] * 2
    assert [record.getMessage() for record in caplog.records] == [
        "segments of the I/O log cannot be shipped; it will be tried again: no response",
        "segments of the I/O log are shipped again",
    ]


def test_ship_until_ships_what_is_closed_last_and_ends_when_it_must(log: Log) -> None:
    writer, stop = SegmentWriter(log.folder), threading.Event()
    writer.write(answered(1, [ROW], [1]), "2024-01-01")
    threading.Timer(0.1, stop.set).start()
    threading.Timer(0.4, writer.close).start()
    assert ship_until(stop, Shipper(log.folder, log.store), every=0.05, grace=30)
    assert count(log) == (1, 1) and not list(log.folder.glob("raw/*/*"))
    segment(log, 1)
    start = time.monotonic()
    assert not ship_until(stop, Shipper(log.folder, Folder.at(os.devnull)), every=0.05, grace=0.5)
    assert time.monotonic() - start < 10 and len(closed_segments(log.folder)) == 1


@pytest.mark.parametrize(("on_error", "status"), [("warn", 200), ("fail", 503)])
def test_recorder_holds_no_more_than_may_wait_to_be_shipped(tmp_path: Path, on_error: str, status: int) -> None:
    app = Starlette(routes=[Route("/double", lambda _: JSONResponse(2), methods=["POST"])])
    settings = RecorderSettings(on_error=on_error, max_unshipped_mb=1, segment_seconds=5)
    recorder = Recorder(app, lambda: tmp_path, lambda: ("doubler:1", None), settings=settings)
    assert recorder.segments.max_seconds == 5
    recorder.segments.write(b"1" * 2**21 + b"\n", "2012-01-01")
    recorder.segments.close()
    call(recorder, "GET", "/metrics")
    backlog = recorder.log.backlog
    assert (backlog.bytes._value.get(), backlog.seconds._value.get() < 60) == (2**21 + 1, True)
    assert call(recorder, "POST", "/double").status_code == status
    assert call(recorder, "GET", "/readyz").status_code == {200: 404, 503: 503}[status], "there is none in this one"
    ship_segment(*tmp_path.glob("raw/dt=2012-01-01/*.jsonl"), Folder.at(f"memory://{uuid4().hex}"))
    backlog.next = 0
    assert call(recorder, "POST", "/double").status_code == 200
    recorder.log.count()
    assert [recorder.log.counters[name]._value.get() for name in ("written", "failed")] == [1, 1]


def test_command_needs_a_store_that_is_elsewhere(
    demand: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    for store in ("", str(demand / "iolog"), "memory://store"):
        monkeypatch.setenv("IOLOG_STORE", store)
        assert main(["--once"]) == 2
    monkeypatch.setenv("IOLOG_STORE", str(demand / "store"))
    monkeypatch.setenv("IOLOG_DIR", "io-log")
    assert main(["--once"]) == 2
    nowhere, same, memory, absent = capsys.readouterr().err.splitlines()
    assert nowhere.startswith("daybook: nowhere to ship to: set IOLOG_STORE")
    assert same.startswith("daybook: nothing to ship: IOLOG_STORE is ") and "in memory, and ends" in memory
    assert absent == f"daybook: nothing to ship: there is no folder {demand / 'io-log'}, which IOLOG_DIR names"


@pytest.mark.parametrize("arguments", [["--every", "0"], ["--every", "-1"], ["--grace", "-5"], ["--every", "1e300"]])
def test_command_refuses_times_that_cannot_be_meant(arguments: list[str], capsys: pytest.CaptureFixture) -> None:
    assert main(["--once", *arguments]) == 2
    assert "is not in the range 0.01<=x<=86400" in capsys.readouterr().err


@pytest.mark.long
def test_kills_of_shipper_and_compaction_lose_nothing(log: Log, tmp_path: Path) -> None:
    log = Log(contract, log.folder, tmp_path / "store")
    for number in range(40):
        segment(log, number, requests=20)
    expected, dice = count(log), random.Random(7)
    assert expected == (1600, 1600)
    settings = os.environ | {"IOLOG_DIR": str(log.folder), "IOLOG_STORE": log.store.root}
    command, kills = [sys.executable, "-m", "daybook.shipping", "--every", "0.01"], 0
    while closed_segments(log.folder):
        left = len(closed_segments(log.folder))
        shipper = subprocess.Popen(command, env=settings, stderr=subprocess.DEVNULL)
        give_up = time.monotonic() + 60
        while len(closed_segments(log.folder)) == left > 0 and time.monotonic() < give_up:
            time.sleep(0.002)
        time.sleep(dice.uniform(0, 0.02))
        shipper.kill()
        shipper.wait()
        kills += 1
        assert count(log) == expected
        if kills % 2:
            Log(contract, tmp_path / "nothing", log.store.root).compact()
    assert kills > 1, "the first one shipped all"
    Log(contract, tmp_path / "nothing", log.store.root).compact()
    assert count(log) == expected and len(log.store.list("archive")) == 40
    assert not [path for path in (tmp_path / "store/raw").rglob(".*")], "drafts of the killed are removed"


def test_command_ends_on_sigterm_when_all_is_shipped(log: Log, tmp_path: Path) -> None:
    segment(log, 1)
    settings = os.environ | {"IOLOG_DIR": str(log.folder), "IOLOG_STORE": str(tmp_path / "store")}
    command = [sys.executable, "-m", "daybook.shipping", "--every", "60"]
    with subprocess.Popen(command, env=settings, stderr=subprocess.PIPE, text=True) as shipper:
        assert "closed segments are shipped from" in shipper.stderr.readline()
        while closed_segments(log.folder):
            time.sleep(0.01)
        segment(log, 2)
        shipper.send_signal(signal.SIGTERM)
        assert shipper.wait(20) == 0
    assert not closed_segments(log.folder) and len(list((tmp_path / "store/raw").glob("*/*"))) == 2


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system has no /proc/self/fd")
def test_ship_loses_no_entry_when_the_power_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(contract, tmp_path / "root/iolog", tmp_path / "root/store")
    write_schema(log.folder)
    segment(log, 1)
    (tmp_path / "root/store").mkdir()

    def check(left: Path) -> None:
        assert count(Log(contract, left / "iolog", left / "store")) == (20, 20)

    followed(tmp_path / "root", tmp_path / "cuts", check, monkeypatch, Shipper(log.folder, log.store).ship)
    followed(tmp_path / "root", tmp_path / "more", check, monkeypatch, log.compact)
    assert log.store.list("archive") and not log.store.list("raw") and not closed_segments(log.folder)
