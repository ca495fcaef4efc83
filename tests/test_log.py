"""No answer without a record: a real service, killed, starved, attacked; and its log, read by others."""

import contextlib
import http.client
import json
import os
import random
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import psutil
import pytest
from conftest import Project, Service, serve
from test_project import last_run

ROW = {"dteday": "2011-05-01", "hr": 8, "holiday": 0, "workingday": 1, "weathersit": 1, "temp": 0.5, "atemp": 0.5}
ROW |= {"hum": 0.5, "windspeed": 0.1}


@pytest.fixture(scope="session")
def trained(project: Project) -> str:
    """The tag of a small model that the service serves."""
    project.run("job", "run", "train", "-p", "max_iter=5", "-p", "end=2011-04-01")
    return last_run(project, "train")[1]["model"]


def call(url: str, body: bytes | dict, route: str = "/predict", **headers: str) -> tuple[int, dict]:
    """POST a body; the status and the answer's JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}{route}", content, {"Content-Type": "application/json"} | headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def lines(log: Path) -> list[dict]:
    """All records in a log's folder, wherever they are; every line must be whole."""
    paths = [*log.glob("raw/*/*.jsonl*"), *log.glob("archive/*/*.jsonl")]
    return [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]


def python(project: Project, script: str, *words: str, code: int = 0, **settings: str) -> str:
    """Run a script with the project's Python."""
    script = f"import sys, json\nfrom bike_demand.ops import iolog\nlog = sys.argv[1]\n{script}"
    return project.run("python", "-c", script, *words, code=code, **settings)


class Load:
    """Clients that ask, all the time, and remember what they were answered."""

    def __init__(self, url: str, clients: int = 4):
        self.port, self.stop, self.answered = int(url.rpartition(":")[2]), Event(), {}
        self.threads = [Thread(target=self.ask) for _ in range(clients)]

    def ask(self) -> None:
        """One client: a kept connection, and a new one when it breaks."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        while not self.stop.is_set():
            number = uuid.uuid4().hex
            headers = {"Content-Type": "application/json", "X-Request-ID": number}
            try:
                connection.request("POST", "/predict", json.dumps({"rows": [ROW] * random.randint(1, 3)}), headers)
                response = connection.getresponse()
                body = response.read()
                assert response.status == 200, body
                self.answered[number] = json.loads(body)["predictions"]
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


def workers(service: Service) -> list[psutil.Process]:
    """The processes that answer."""
    found = []
    for child in psutil.Process(service.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just died
            if "_bentoml_impl.worker.service" in " ".join(child.cmdline()):
                found.append(child)
    return found


def is_alive(process: psutil.Process) -> bool:
    """Whether it can still be killed."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for_more(load: Load, answers: int = 20) -> None:
    """Return when the service has answered again; fail after a minute."""
    enough, give_up = len(load.answered) + answers, time.monotonic() + 60
    while len(load.answered) < enough:
        assert time.monotonic() < give_up, "the service answers no more"
        time.sleep(0.05)


def test_kills_lose_no_answered_request(project: Project, trained: str, tmp_path: Path) -> None:
    log, kills, answered = tmp_path / "iolog", 0, {}
    dice = random.Random(time.time_ns())
    while kills < 21:
        with (
            serve(project, folder=project.root, IOLOG_DIR=str(log), SERVICE_WORKERS="2") as service,
            Load(service.url) as load,
        ):
            family = []
            try:
                for whom in ("worker", "worker", "worker", "parent", "all"):
                    wait_for_more(load)
                    time.sleep(dice.uniform(0, 1))
                    if whom != "all":
                        family = [psutil.Process(service.process.pid), *workers(service), *family]
                    alive = [process for process in dict.fromkeys(family) if is_alive(process)]
                    doomed = {"worker": alive[1:2], "parent": alive[:1], "all": alive}[whom]
                    for process in doomed:
                        with contextlib.suppress(psutil.NoSuchProcess):
                            process.kill()
                    kills += 1
            finally:
                for process in family:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
        answered |= load.answered
    assert len(answered) > 500, "it was hardly asked"
    script = "print(json.dumps([r for r in iolog.records(log) if r['status'] == 200]))"
    on_record = json.loads(python(project, script, str(log)).splitlines()[-1])
    times = Counter(record["id"] for record in on_record)
    assert {number: times[number] for number in answered} == dict.fromkeys(answered, 1)
    outputs = {record["id"]: record["out"]["predictions"] for record in on_record}
    assert {number: outputs[number] for number in answered} == answered

    script = "print(json.dumps(iolog.predictions(folder=log).project('request_id, prediction').fetchall()))"
    rows = sorted(map(tuple, json.loads(python(project, script, str(log)).splitlines()[-1])))
    python(project, "iolog.compact(log)", str(log))
    assert not list(log.glob("raw/*/*")), "the segments of the dead are adopted and compacted"
    assert sorted(map(tuple, json.loads(python(project, script, str(log)).splitlines()[-1]))) == rows
    expected = sorted((number, value) for number, values in outputs.items() for value in values)
    assert rows == expected
