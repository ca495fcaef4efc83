"""A running service for the tests: of the project with a small model, of a bento, or one that is served already."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import bentoml
import httpx
import pandas as pd
import pytest
from daybook import models
from daybook.project import isolate
from daybook.replay import requests

from {{cookiecutter.package}}.data import contract, load
from {{cookiecutter.package}}.model import evaluate, fit, predict


def pytest_addoption(parser: pytest.Parser) -> None:
    """What is tested, if not the project's folder."""
    parser.addoption("--bento", help="test a bento, such as {{cookiecutter.project}}:latest")
    parser.addoption("--url", help="with --bento: it is served here already, and logs into $IOLOG_DIR")


@pytest.fixture(scope="session")
def bento(request: pytest.FixtureRequest) -> str | None:
    """Tag of the bento that is tested; None: the project's folder."""
    tag = request.config.getoption("--bento")
    return str(bentoml.get(tag).tag) if tag else None


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    """Labelled rows of the sample."""
    return load("sample").tail(2000).reset_index(drop=True)


@pytest.fixture(scope="session")
def rows(frame: pd.DataFrame) -> list[dict]:
    """Some rows, as a client sends them: JSON, with null for what is missing."""
    return requests(contract, frame.head(24))


@pytest.fixture(scope="session")
def model(frame: pd.DataFrame, bento: str | None) -> str:
    """Tag of the bento's model, or of a small one, the latest in a store of its own."""
    if bento:
        return str(bentoml.get(bento).info.all_models[0].tag)
    isolate()
    estimator = fit(frame)
    predictions = predict(estimator, contract.arrays(frame))
    metrics = evaluate(contract.y_true(frame[contract.target]), predictions)
    return models.save(contract, estimator, predict, frame, predictions, metrics=metrics)


@pytest.fixture(scope="session")
def log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log's folder."""
    return Path(os.environ["IOLOG_DIR"]) if request.config.getoption("--url") else tmp_path_factory.mktemp("iolog")


def is_ready(client: httpx.Client) -> bool:
    """Whether the service says that it is ready."""
    try:
        return client.get("/readyz", timeout=2).is_success
    except httpx.TransportError:
        return False


def wait_until_ready(client: httpx.Client, serving: Callable[[], bool] = lambda: True) -> None:
    """Return once the service is ready; fail if it is gone, or not ready after two minutes."""
    give_up = time.monotonic() + 120
    while not is_ready(client):
        assert serving() and time.monotonic() < give_up, f"nothing answers at {client.base_url}"
        time.sleep(0.2)


@pytest.fixture(scope="session")
def service(request: pytest.FixtureRequest, model: str, bento: str | None, log: Path) -> Iterator[httpx.Client]:
    """A client of the service, which is started unless --url says where it runs."""
    if url := request.config.getoption("--url"):
        with httpx.Client(base_url=url, timeout=60) as client:
            wait_until_ready(client)
            yield client
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "bentoml", "serve", *filter(None, [bento]), "--host", "127.0.0.1", "--port", port]
    root = Path(__file__).parents[1]
    environment = {"IOLOG_HASH_KEY": "of the tests"} | os.environ | {"IOLOG_DIR": str(log)}
    process = subprocess.Popen(command, cwd=root, env=environment)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        try:
            wait_until_ready(client, lambda: process.poll() is None)
            yield client
        finally:
            process.terminate()
            process.wait(30)
