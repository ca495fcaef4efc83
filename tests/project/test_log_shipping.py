"""Two replicas with disks of their own, a store that fails and comes back, and kills: no answered request is lost."""

import contextlib
import json
import random
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers import Project, Service, object_store, serve
from traffic import Load, metric, wait_for_more, workers

COMPACT = """
import json
from bike_demand.data import contract
from daybook.log import Log

log = Log(contract)
log.compact()
"""
ROWS = f"{COMPACT}print(json.dumps(log.predictions().project('request_id, prediction').fetchall()))"


FAILS = "cannot be shipped; it will be tried again"


def wait_until(what: str, is_so: Callable[[], bool]) -> None:
    """Return when something is so; fail after two minutes."""
    give_up = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < give_up, f"it takes too long until {what}"
        time.sleep(0.1)


class Wire(socketserver.ThreadingTCPServer):
    """The way to a server, which can be cut: then connections are reset, and there are no new ones."""

    daemon_threads, allow_reuse_address = True, True

    def __init__(self, port: int):
        self.is_cut, self.target, self.ends = False, ("127.0.0.1", port), set()
        super().__init__(("127.0.0.1", 0), None)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def finish_request(self, request: socket.socket, _: object) -> None:
        """Pass on what one connection carries, in both directions."""
        if self.is_cut:
            return
        with socket.create_connection(self.target) as other:
            self.ends |= {request, other}
            back = threading.Thread(target=self.pump, args=(other, request), daemon=True)
            back.start()
            self.pump(request, other)
            back.join()
            self.ends -= {request, other}

    @staticmethod
    def pump(source: socket.socket, target: socket.socket) -> None:
        """Pass on what comes."""
        with contextlib.suppress(OSError):
            while content := source.recv(65536):
                target.sendall(content)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Reset what is connected."""
        self.is_cut = True
        for end in list(self.ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class Shipper:
    """A shipper beside a replica, which is started again when it was killed."""

    def __init__(self, project: Project, settings: dict[str, str], output: Path):
        self.project, self.settings, self.output, self.starts = project, project.settings | settings, output, 0
        output.touch()
        self.start()

    def start(self) -> None:
        """Start it, as Kubernetes does again and again."""
        command = [self.project.commands / "python", "-m", "daybook.shipping", "--every", "0.1", "--grace", "60"]
        self.starts = self.times_started()
        with self.output.open("ab") as printed:
            self.process = subprocess.Popen(
                command, cwd=self.project.root, env=self.settings, stdout=printed, stderr=printed
            )

    def times_started(self) -> int:
        """How often it has come as far as to say so."""
        return self.output.read_text().count("closed segments are shipped from")

    def stop(self) -> int:
        """Tell it to stop, once it listens; its exit code."""
        give_up = time.monotonic() + 60
        while self.times_started() == self.starts:
            assert time.monotonic() < give_up, self.output.read_text()
            time.sleep(0.1)
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(70)

    def kill(self) -> None:
        """Kill it at any moment, and start it again."""
        self.process.kill()
        self.process.wait()
        self.start()


@contextlib.contextmanager
def replica(project: Project, settings: dict[str, str], folder: Path) -> Iterator[tuple[Service, Shipper]]:
    """A service and its shipper, which is told to stop when the service has ended."""
    own = {"IOLOG_DIR": str(folder), "IOLOG_SEGMENT_SECONDS": "5", "IOLOG_MAX_UNSHIPPED_MB": "64"}
    shipper = Shipper(project, settings | own, folder.with_suffix(".log"))
    try:
        with serve(project, folder=project.root, SERVICE_WORKERS="2", **own) as service:
            yield service, shipper
        assert shipper.stop() == 0, shipper.output.read_text()
    finally:
        shipper.process.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_replicas_ship_all_that_was_answered(project: Project, trained: str, tmp_path: Path) -> None:
    sync = [sys.executable, "-m", "uv", "sync", "--quiet", "--extra", "s3", "--python", sys.executable]
    subprocess.run(sync, cwd=project.root, env=project.settings, check=True)
    dice, answered = random.Random(time.time_ns()), {}
    with object_store(tmp_path) as access:
        access |= {"IOLOG_STORE": "s3://records/bikes", "IOLOG_DIR": str(tmp_path / "no-disk-of-a-service")}
        project.python("import s3fs; s3fs.S3FileSystem().mkdir('records')", **access)
        wire = Wire(int(access["AWS_ENDPOINT_URL"].rpartition(":")[2]))
        settings = access | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{wire.server_address[1]}"}
        with (
            replica(project, settings, tmp_path / "a") as (first, ship_first),
            replica(project, settings, tmp_path / "b") as (second, ship_second),
        ):
            with Load(first.url, 2, pause=0.02) as one, Load(second.url, 2, pause=0.02) as two:
                wait_for_more(one)
                wait_for_more(two)
                for _ in range(2):
                    time.sleep(dice.uniform(2, 5))
                    ship_first.kill()
                project.python(COMPACT, **access)
                wire.cut()
                workers(second)[0].kill()
                wait_until("nothing is shipped", lambda: FAILS in ship_first.output.read_text())
                wait_until("it is seen", lambda: metric(first, "iolog_unshipped_seconds") > 6)
                wait_until("it is counted", lambda: metric(second, "iolog_unshipped_bytes") > 0)
                ship_second.kill()
                wait_for_more(two)
                wire.is_cut = False
                for service in (first, second):
                    wait_until("all is shipped", lambda it=service: metric(it, "iolog_unshipped_seconds") < 6)
                project.python(COMPACT, **access)
                ship_second.kill()
            answered |= one.answered | two.answered
        assert not [*tmp_path.glob("[ab]/raw/*/*")], "a replica is gone with a part of its log"
        rows = json.loads(project.python(ROWS, **access).splitlines()[-1])
    assert len(answered) > 100, "there was hardly any load"
    times = Counter(request_id for request_id, _ in rows)
    assert {number: times[number] for number in answered} == {number: len(answered[number]) for number in answered}
    said = ship_first.output.read_text().splitlines()
    assert sum(FAILS in line for line in said) == 1
    assert sum("are shipped again" in line for line in said) == 1
