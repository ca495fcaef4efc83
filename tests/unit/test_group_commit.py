"""With `IOLOG_SYNC=1` no response leaves before its log entry is on the disk."""

import asyncio
import json
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from daybook.gate import Gate
from daybook.log_writer import RecorderSettings
from daybook.recorder import Recorder
from daybook.segments import SegmentWriter


async def echo(request: Request) -> JSONResponse:
    """What was sent."""
    return JSONResponse(await request.json())


def recorder_of(folder: Path, **settings: object) -> Recorder:
    """A recorder before an application that sends everything back."""
    app = Starlette(routes=[Route("/echo", echo, methods=["POST"])])
    return Recorder(app, lambda: folder, lambda: ("echo:v1", None), settings=RecorderSettings(**settings))


def client_of(recorder: Recorder) -> httpx.AsyncClient:
    """A client of the application behind a recorder."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(recorder), base_url="http://service")


def ids(folder: Path) -> list[int]:
    """The requests that are in a log."""
    lines = b"".join(path.read_bytes() for path in folder.glob("raw/*/*")).splitlines()
    return sorted(json.loads(line)["in"] for line in lines)


def test_sync_is_off_unless_it_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert RecorderSettings.read().sync is False
    monkeypatch.setenv("IOLOG_SYNC", "1")
    assert RecorderSettings.read().sync is True
    monkeypatch.delenv("IOLOG_SYNC")
    recorder = recorder_of(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda descriptor: pytest.fail("nobody asked for it"))
    assert asyncio.run(client_of(recorder).post("/echo", json=1)).status_code == 200
    recorder.segments.close()


def test_response_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, may_sync, fsync = recorder_of(tmp_path, sync=True), threading.Event(), os.fsync
    recorder.log.open()

    def slow(descriptor: int) -> None:
        assert may_sync.wait(20)
        fsync(descriptor)

    async def call() -> None:
        async with client_of(recorder) as client:
            response = asyncio.create_task(client.post("/echo", json=7))
            done, _ = await asyncio.wait([response], timeout=0.3)
            assert not done and ids(tmp_path) == [7]  # it is written, and waits
            may_sync.set()
            assert (await response).status_code == 200

    monkeypatch.setattr(os, "fsync", slow)
    asyncio.run(call())


def test_response_that_is_on_the_disk_is_not_refused_for_the_time_it_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the log would have a 200, and the caller a 504."""
    recorder, fsync = recorder_of(tmp_path, sync=True), os.fsync
    recorder.app = Gate(recorder.app, max_body=1000, seconds=0.1)
    recorder.log.open()
    monkeypatch.setattr(os, "fsync", lambda descriptor: (time.sleep(0.4), fsync(descriptor)))
    response = asyncio.run(client_of(recorder).post("/echo", json=7))
    assert (response.status_code, response.json(), ids(tmp_path)) == (200, 7, [7])
    assert "x-request-id" in response.headers
    recorder.segments.close()


def test_requests_at_once_share_a_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, syncs, fsync = recorder_of(tmp_path, sync=True), [], os.fsync
    recorder.log.open()

    async def call() -> list[int]:
        async with client_of(recorder) as client:
            responses = await asyncio.gather(*(client.post("/echo", json=number) for number in range(100)))
            return [response.status_code for response in responses]

    monkeypatch.setattr(os, "fsync", lambda descriptor: (syncs.append(descriptor), fsync(descriptor)))
    assert asyncio.run(call()) == [200] * 100
    assert ids(tmp_path) == list(range(100)) and 1 <= len(syncs) < 60
    recorder.log.count()
    assert recorder.log.counters["written"]._value.get() == 100


@pytest.mark.parametrize(("on_error", "status"), [("warn", 200), ("fail", 503)])
def test_disk_that_fails_is_a_log_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_error: str, status: int
) -> None:
    recorder, fsync = recorder_of(tmp_path, sync=True, on_error=on_error), os.fsync

    def fail(descriptor: int) -> None:
        raise OSError("input/output error")

    async def call() -> list[int]:
        async with client_of(recorder) as client:
            first = (await client.post("/echo", json=1)).status_code
            monkeypatch.setattr(os, "fsync", fail)
            second = (await client.post("/echo", json=2)).status_code
            monkeypatch.setattr(os, "fsync", fsync)
            return [first, second, (await client.post("/echo", json=3)).status_code]

    assert asyncio.run(call()) == [200, status, 200]
    recorder.log.count()
    assert [recorder.log.counters[name]._value.get() for name in ("written", "failed")] == [2, 1]
    assert len(list(tmp_path.glob("raw/*/*"))) == 2  # what the system could not write, it forgets


def test_segment_is_synced_before_it_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, calls, fsync = SegmentWriter(tmp_path, syncs=True), [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (calls.append(os.fstat(descriptor).st_ino), fsync(descriptor)))
    writer.write(b"1\n", "2012-01-01")
    assert set(calls) >= {path.stat().st_ino for path in (tmp_path, tmp_path / "raw", tmp_path / "raw/dt=2012-01-01")}
    calls.clear()
    inode = writer.segment.path.stat().st_ino
    writer.close()
    assert calls == [inode]


def test_answered_requests_are_on_the_copy_of_a_mounted_disk(loop_image: Path, tmp_path: Path) -> None:
    folder = tmp_path / "disk" / "iolog"
    recorder = recorder_of(folder, sync=True)
    recorder.segments.max_bytes = 2_000  # a few segments
    copies: list[Path] = []

    async def call() -> None:
        async with client_of(recorder) as client:
            for number in range(30):
                assert (await client.post("/echo", json=number)).status_code == 200
                if number in (0, 17, 29):
                    copies.append(tmp_path / f"copy-{number}")
                    shutil.copyfile(loop_image, copies[-1])

    asyncio.run(call())
    recorder.segments.close()
    for copy, count in zip(copies, (1, 18, 30), strict=True):
        after = tmp_path / f"after-{count}"
        after.mkdir()
        subprocess.run(["mount", "-o", "loop", str(copy), str(after)], check=True)
        try:
            assert ids(after / "iolog") == list(range(count))
        finally:
            subprocess.run(["umount", "--lazy", str(after)], check=True)
