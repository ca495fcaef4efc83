"""A whole service behind uvicorn alone, without BentoML's own server: what another ASGI server would need."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from test_serving import ROWS, clear_metrics, entries, service_of, tag

from daybook import example, serving
from daybook.connection import Connection

__all__ = ["tag"]  # the fixture


@pytest.fixture
def client(tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:  # noqa: F811
    """Of a running service, which counts its calls of the model."""
    monkeypatch.setenv("IOLOG_DIR", str(tmp_path))
    clear_metrics()
    served = serving.champion(example.contract)
    app = service_of(served).to_asgi()
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, http=Connection, log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
        yield client
    server.should_exit = True
    thread.join(20)


def test_service_answers_behind_uvicorn(client: httpx.Client, tmp_path: Path) -> None:
    good = client.post("/predict", json={"rows": ROWS}, headers={"X-Request-ID": "order-17"})
    assert (good.status_code, good.json()["request_id"], len(good.json()["predictions"])) == (200, "order-17", 2)
    assert client.post("/predict", json={"rows": [{}]}).status_code == 400
    assert client.post("/made-up", json={}).status_code == 404
    assert client.get("/readyz").status_code == 200
    assert [entry["status"] for entry in entries(tmp_path)] == [200, 400, 404]


def test_service_logs_each_of_requests_that_are_predicted_together(client: httpx.Client, tmp_path: Path) -> None:
    """Under its own id, with its own rows, and the same prediction as alone."""
    hours = [*range(24)] * 10

    def predict(number: int) -> dict[str, Any]:
        row = {"day": "2024-02-01", "hour": hours[number]}
        return client.post("/predict", json={"rows": [row]}, headers={"X-Request-ID": f"r{number}"}).json()

    alone = [predict(number)["predictions"] for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(predict, range(240)))
    assert [each["request_id"] for each in together] == [f"r{number}" for number in range(240)]
    assert [each["predictions"] for each in together] == [alone[hour] for hour in hours]
    logged = {entry["id"]: entry for entry in entries(tmp_path)[24:]}
    assert {number: logged[f"r{number}"]["in"]["rows"][0]["hour"] for number in range(240)} == dict(enumerate(hours))
    assert all(entry["out"] == together[int(name[1:])] for name, entry in logged.items())


def test_service_stops_at_once_beside_a_caller_who_waits(client: httpx.Client, tmp_path: Path) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port)) as caller:
        caller.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nX-Request-ID: gone\r\nContent-Length: 100\r\n\r\n{")
        time.sleep(0.3)
    give_up = time.monotonic() + 5
    while not entries(tmp_path) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert [(entry["id"], entry["status"]) for entry in entries(tmp_path)] == [("gone", 499)]
    assert json.dumps(entries(tmp_path)[0]["cut"]) == '{"in": 100}'
