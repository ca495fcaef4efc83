"""A real service whose disk is full: what it answers, counts and says, and how it recovers."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import Project, Service, serve
from traffic import ROW, call, metric, statuses

ACTUALS = {"actuals": [{"prediction_id": f"{number}:0", "actual": 1} for number in range(50)]}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    as_root = [] if os.name == "posix" and os.geteuid() == 0 else ["sudo", "-n"]
    mount = [*as_root, "mount", "-t", "tmpfs", "-o", "size=1m,mode=777", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield disk
    subprocess.run([*as_root, "umount", "--lazy", str(disk)], check=True)


def send(service: Service, numbers: list[str]) -> dict[str, int]:
    """Send a request of twenty rows under each id; the statuses."""
    rows = {"rows": [ROW] * 20}
    return {number: call(service.url, rows, **{"X-Request-ID": number})[0] for number in numbers}


@pytest.mark.parametrize("on_error", ["fail", pytest.param("warn", marks=pytest.mark.long)])
def test_full_disk_is_counted_and_survived(
    project: Project, trained: str, small_disk: Path, tmp_path: Path, on_error: str
) -> None:
    log, ballast = small_disk / "iolog", small_disk / "ballast"
    ballast.write_bytes(bytes(600_000))
    settings = {"IOLOG_DIR": str(log), "IOLOG_ON_ERROR": on_error}
    with serve(project, folder=project.root, **settings) as service:
        before = send(service, [str(number) for number in range(250)])
        failed, logged = metric(service, "iolog_failed_total"), statuses(log)
        assert 0 < failed < 250, "the disk is not full"
        assert metric(service, "iolog_written_total") == len(logged) == 250 - failed
        if on_error == "warn":
            assert set(before.values()) == {200}
        else:
            assert {number for number, status in before.items() if status == 200} == set(logged)
            assert set(before.values()) == {200, 503}
            status, response = call(service.url, {"rows": [ROW] * 20})
            assert status == 503 and "could not be logged" in response["error"]
        assert call(service.url, ACTUALS, "/actuals")[0] == 503, "actuals that are not logged are lost"

        ballast.unlink()
        after = send(service, [f"after-{number}" for number in range(20)])
        assert set(after.values()) == {200}
        assert after.items() <= statuses(log).items()
        assert call(service.url, ACTUALS, "/actuals")[0] == 200

        shutil.rmtree(log)
        assert send(service, ["new-folder"]) == {"new-folder": 200}
        time.sleep(1.1)  # unless IOLOG_ON_ERROR=fail, a worker looks once a second whether its file is still there
        assert send(service, ["later"]) == {"later": 200}
        assert statuses(log).items() >= {"new-folder": 200, "later": 200}.items()
    output = service.output.read_text()
    assert output.count("the I/O log fails") == 1 and output.count("the I/O log works again") == 1, output
