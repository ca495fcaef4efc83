"""Requests to a running service, and what its log says of them."""

import contextlib
import http.client
import json
import random
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from threading import Event, Thread

import psutil
import pytest
from helpers import Service

ROW = {"dteday": "2011-05-01", "hr": 8, "holiday": 0, "workingday": 1, "weathersit": 1, "temp": 0.5, "atemp": 0.5}
ROW |= {"hum": 0.5, "windspeed": 0.1}


def call(url: str, body: bytes | dict, route: str = "/predict", **headers: str) -> tuple[int, dict]:
    """POST a body; the status and the response's JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}{route}", content, {"Content-Type": "application/json"} | headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def records(log: Path) -> list[dict]:
    """All records in a log's folder, archived or not; every line must be whole."""
    paths = [*log.glob("raw/*/*.jsonl*"), *log.glob("archive/*/*.jsonl")]
    return [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]


def statuses(log: Path) -> dict[str, int]:
    """Request id -> status, of the log's records."""
    return {record["id"]: record["status"] for record in records(log)}


def wait_for_record(log: Path, request_id: str) -> dict:
    """The record of a request, which may take a moment; fail after half a minute."""
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        for record in records(log):
            if record["id"] == request_id:
                return record
        time.sleep(0.1)
    pytest.fail(f"{request_id} is not logged")


def metric(service: Service, name: str) -> float:
    """A Prometheus counter of the service."""
    with urllib.request.urlopen(f"{service.url}/metrics") as response:
        samples = [line.split() for line in response.read().decode().splitlines()]
    return sum(float(sample[1]) for sample in samples if sample[0] == name)


class Load:
    """Clients that send requests all the time, and remember the predictions that they got."""

    def __init__(self, url: str, clients: int = 4, pause: float = 0):  # seconds of each client, after a response
        self.port, self.stop, self.answered = int(url.rpartition(":")[2]), Event(), {}
        self.pause = pause
        self.threads = [Thread(target=self.request) for _ in range(clients)]

    def request(self) -> None:
        """One client: a connection that is kept, and a new one when it breaks."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        while not self.stop.is_set():
            request_id = uuid.uuid4().hex
            headers = {"Content-Type": "application/json", "X-Request-ID": request_id}
            try:
                connection.request("POST", "/predict", json.dumps({"rows": [ROW] * random.randint(1, 3)}), headers)
                response = connection.getresponse()
                body = response.read()
                assert response.status == 200, body
                self.answered[request_id] = json.loads(body)["predictions"]
                self.stop.wait(self.pause)
            except (OSError, http.client.HTTPException):
                connection.close()
                time.sleep(0.02)

    def __enter__(self) -> "Load":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()


def wait_for_more(load: Load, responses: int = 20) -> None:
    """Return when the service has answered again; fail after a minute."""
    enough, give_up = len(load.answered) + responses, time.monotonic() + 60
    while len(load.answered) < enough:
        assert time.monotonic() < give_up, "the service does not answer any more"
        time.sleep(0.05)


def workers(service: Service) -> list[psutil.Process]:
    """The processes that answer."""
    processes = []
    for child in psutil.Process(service.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just died
            if "_bentoml_impl.worker.service" in " ".join(child.cmdline()):
                processes.append(child)
    return processes


def is_alive(process: psutil.Process) -> bool:
    """Whether it can still be killed."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def write_segments(log: Path, segments: int, lines: int) -> None:
    """Closed segments as the service writes them, with ids that count."""
    folder = log / "raw" / "dt=2012-07-04"
    folder.mkdir(parents=True)
    head = {"v": 1, "id": "", "ts": "", "route": "/predict", "status": 200, "ms": 1.5, "model": "bikes:v1"}
    head["bento"] = None
    for segment in range(segments):
        with (folder / f"host-1-abcdef01-{segment}.jsonl").open("w") as file:
            for number in range(segment * lines, (segment + 1) * lines):
                about = {"id": f"r{number}", "ts": f"2012-07-04T{number % 24:02}:00:00.000001Z", "rate": 1.0}
                body = {"in": {"rows": [ROW, ROW]}, "out": {"predictions": [1.5, number]}}
                file.write(json.dumps(head | about | body) + "\n")
