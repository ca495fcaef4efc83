"""A recorder from its application's start to its end."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from unittest.mock import AsyncMock

from pydantic import SecretStr
from starlette.types import Message, Receive, Scope, Send
from test_recorder import PEOPLE, call, service

from daybook.recorder import Recorder
from daybook.redaction import Redaction


def run_lifespan(recorder: Recorder, app: Callable) -> None:
    """What a server does from start to shutdown."""

    async def receive() -> dict[str, str]:
        return {"type": "lifespan.shutdown"}

    recorder.app = app
    asyncio.run(recorder({"type": "lifespan"}, receive, None))


def test_recorder_opens_a_segment_once_the_model_is_loaded_and_writes_what_that_computes_on(tmp_path: Path) -> None:
    devices = ["not loaded yet"]

    async def loading(scope: Scope, receive: Receive, send: Send) -> None:
        devices.append("cuda")
        await send({"type": "lifespan.startup.complete"})
        await receive()

    recorder = service(tmp_path, redaction=Redaction(PEOPLE, SecretStr("k")), device=lambda: devices[-1])
    recorder.app, sizes = loading, []

    async def started(message: Message) -> None:
        sizes.extend(path.stat().st_size for path in tmp_path.glob("raw/*/*.open"))
        devices.append(json.loads((tmp_path / "contracts" / "doubler" / "1.json").read_bytes())["x-device"])

    assert not list(tmp_path.glob("raw/*/*"))
    asyncio.run(recorder({"type": "lifespan"}, AsyncMock(), started))
    assert (sizes, devices[-1]) == ([0], "cuda")


def test_recorder_closes_its_segment_at_shutdown_and_those_of_the_dead_at_start(tmp_path: Path) -> None:
    orphan = tmp_path / "raw" / "dt=2024-01-01" / "host-1-abcdef01-0.jsonl.open"
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"{}\n")
    recorder = service(tmp_path)
    assert [path.suffix for path in orphan.parent.iterdir()] == [".jsonl"]
    call(recorder, ("/double", "21"))
    assert [path.suffix for path in tmp_path.glob("raw/*/*") if path.parent != orphan.parent] == [".open"]

    async def lifespan(scope: dict, receive: Callable, send: Callable) -> None:
        assert (await receive())["type"] == "lifespan.shutdown"

    run_lifespan(recorder, lifespan)
    assert {path.suffix for path in tmp_path.glob("raw/*/*")} == {".jsonl"}


def test_recorder_closes_old_segments_while_it_runs(tmp_path: Path) -> None:
    recorder = service(tmp_path)
    recorder.segments.max_seconds = 0.02
    call(recorder, ("/double", "21"))

    async def lifespan(scope: dict, receive: Callable, send: Callable) -> None:
        await asyncio.sleep(0.1)
        assert [path.suffix for path in tmp_path.glob("raw/*/*")] == [".jsonl"]

    run_lifespan(recorder, lifespan)
