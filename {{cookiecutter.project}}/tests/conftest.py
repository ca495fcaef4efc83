"""A running service for the tests: a small model, a store and a log of their own, a real process."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pandas as pd
import pytest

from {{cookiecutter.package}}.data import MODEL_NAME, Row, load
from {{cookiecutter.package}}.model import fit
from {{cookiecutter.package}}.ops import registry


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    """Labelled rows."""
    return load().tail(2000).reset_index(drop=True)


@pytest.fixture(scope="session")
def model(frame: pd.DataFrame) -> str:
    """Tag of a small model, the latest in a store of its own."""
    registry.use_temporary_store()
    return registry.save(MODEL_NAME, fit(frame), Row, frame, labels={}, metadata={})


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the I/O log."""
    return tmp_path_factory.mktemp("iolog")


def is_ready(client: httpx.Client) -> bool:
    """Whether the service says that it can answer."""
    try:
        return client.get("/readyz", timeout=2).is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session")
def service(model: str, log: Path) -> Iterator[httpx.Client]:
    """A client of `bentoml serve`, run in the project's folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "bentoml", "serve", "--host", "127.0.0.1", "--port", port]
    root = Path(__file__).parents[1]
    environment = os.environ | {"IOLOG_DIR": str(log)}
    output = (log / "server.log").open("wb")
    process = subprocess.Popen(command, cwd=root, env=environment, stdout=output, stderr=output)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        try:
            give_up = time.monotonic() + 120
            while not is_ready(client):
                assert process.poll() is None and time.monotonic() < give_up, (log / "server.log").read_text()
                time.sleep(0.2)
            yield client
        finally:
            process.terminate()
            process.wait(30)
