"""No prediction without a log entry: a real service, killed and stopped under load."""

import contextlib
import json
import random
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from helpers import Project, serve
from traffic import Load, is_alive, records, wait_for_more, workers

READ = """
import json, sys
from bike_demand.data import contract
from daybook.log import Log

log = Log(contract, sys.argv[1])
"""
RECORDS = f"{READ}print(json.dumps([entry for entry in log.records() if entry['status'] == 200]))"
PREDICTIONS = f"{READ}print(json.dumps(log.predictions().project('request_id, prediction').fetchall()))"


def kill_all(processes: list[psutil.Process]) -> None:
    """Kill what can still be killed."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def kill_a_service(project: Project, log: Path, dice: random.Random) -> dict[str, list[float]]:
    """Kill workers, their supervisor, and all, at any moment under load; what clients were answered."""
    with (
        serve(project, folder=project.root, IOLOG_DIR=str(log), SERVICE_WORKERS="2") as service,
        Load(service.url) as load,
    ):
        family = []
        try:
            for target in ("worker", "worker", "worker", "parent", "all"):
                if target != "all":  # workers end within a second after their parent
                    wait_for_more(load)
                time.sleep(dice.uniform(0, 1))
                if target != "all":
                    family = [psutil.Process(service.process.pid), *workers(service), *family]
                alive = [process for process in dict.fromkeys(family) if is_alive(process)]
                kill_all({"worker": alive[1:2], "parent": alive[:1], "all": alive}[target])
        finally:
            kill_all(family)
    return load.answered


@pytest.mark.parametrize("services", [1, pytest.param(5, marks=pytest.mark.long)])
def test_kills_lose_no_answered_request(project: Project, trained: str, tmp_path: Path, services: int) -> None:
    log, answered, dice = tmp_path / "iolog", {}, random.Random(time.time_ns())
    for _ in range(services):
        answered |= kill_a_service(project, log, dice)
    assert len(answered) > 100 * services, "there was hardly any load"
    logged = json.loads(project.python(RECORDS, log).splitlines()[-1])
    times = Counter(record["id"] for record in logged)
    assert {number: times[number] for number in answered} == dict.fromkeys(answered, 1)
    outputs = {record["id"]: record["out"]["predictions"] for record in logged}
    assert {number: outputs[number] for number in answered} == answered

    rows = sorted(map(tuple, json.loads(project.python(PREDICTIONS, log).splitlines()[-1])))
    project.python(f"{READ}log.compact()", log)
    assert not list(log.glob("raw/*/*")), "the segments of the dead are closed and compacted"
    assert sorted(map(tuple, json.loads(project.python(PREDICTIONS, log).splitlines()[-1]))) == rows
    assert rows == sorted((number, value) for number, values in outputs.items() for value in values)


def test_stop_loses_nothing_and_closes_the_segments(project: Project, trained: str, tmp_path: Path) -> None:
    log = tmp_path / "iolog"
    with (
        serve(project, folder=project.root, IOLOG_DIR=str(log), SERVICE_WORKERS="2") as service,
        Load(service.url) as load,
    ):
        wait_for_more(load, 200)
        service.process.terminate()
        service.process.wait(60)
    times = Counter(record["id"] for record in records(log))
    assert {number: times[number] for number in load.answered} == dict.fromkeys(load.answered, 1)
    assert {path.suffix for path in log.glob("raw/*/*")} == {".jsonl"}
