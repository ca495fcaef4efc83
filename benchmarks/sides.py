"""Two projects that benchmarks/before_after.py measures: what each of their releases calls its commands and modules."""

import contextlib
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from serving import SERVE, SERVER_CORE, Server, as_request, environment, load, seconds_to_ready, stop, tree

ROW = {"dteday": "2012-07-04", "holiday": False, "workingday": True, "weathersit": 1, "temp": 0.8, "atemp": 0.75}
ROWS = [ROW | {"hr": hour, "hum": 0.5, "windspeed": 0.1} for hour in range(24)]
COMPACT = """import json, sys, time
{}
start = time.perf_counter()
result = {}
seconds = time.perf_counter() - start
[peak] = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(json.dumps([seconds, int(peak) / 1024, result.predictions, result.quarantined]))
"""


class Side:
    """One of the two projects."""

    def __init__(self, name: str, project: Path, scratch: Path):
        self.name, self.project, self.scratch = name, project.resolve(), scratch / name
        self.bin, self.log = self.project / ".venv" / "bin", self.scratch / "iolog"
        [package] = [path.parent.name for path in self.project.glob("*/service.py")]
        if (self.project / "daybook").is_dir():
            self.command, self.runs = "daybook", "daybook.runs"
            imports = f"from daybook.log import Log\nfrom {package}.data import contract"
            self.compact = COMPACT.format(imports, "Log(contract, sys.argv[1]).compact()")
        else:  # 0.2
            self.command, self.runs = "job", f"{package}.ops.runs"
            self.compact = COMPACT.format(f"from {package}.ops import iolog", "iolog.compact(sys.argv[1])")
        own = {"BENTOML_HOME": str(self.scratch / "bentoml"), "IOLOG_DIR": str(self.log)}
        self.server = Server(name, "", "", SERVE, settings=own, commands=self.bin, folder=self.project)
        own = own | {"PATH": f"{self.bin}:{os.environ['PATH']}"}
        self.settings = environment(**own)
        self.scratch.mkdir()

    def run(self, *args: str | Path) -> str:
        """What a command of the project prints; raises `RuntimeError` if it fails."""
        options = {"cwd": self.project, "env": self.settings, "capture_output": True, "text": True, "timeout": 900}
        done = subprocess.run([self.bin / args[0], *args[1:]], **options)
        if done.returncode:
            raise RuntimeError(f"{self.name}: {args}: {done.stdout[-1000:]}{done.stderr[-3000:]}")
        return done.stdout

    def job(self, *args: str) -> tuple[float, float]:
        """Wall and CPU seconds of a job or a sweep, with all processes that it starts."""
        spent, start = cpu_of_children(), time.perf_counter()
        self.run(self.command, *args, "--runs", self.scratch / "runs")
        seconds, give_up = time.perf_counter() - start, time.monotonic() + 10
        with contextlib.suppress(ChildProcessError):  # until none is left of those that the command left behind
            while time.monotonic() < give_up:
                os.waitpid(-1, os.WNOHANG)
                time.sleep(0.01)
        shutil.rmtree(self.scratch / "runs")  # so that the next sweep has to run all of it again
        return seconds, cpu_of_children() - spent


def cpu_of_children() -> float:
    """CPU seconds of all processes that this one has waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@contextlib.contextmanager
def serve(side: Side) -> Iterator[float]:
    """A running service, on one core once it is ready; yields the seconds until then, and stops it in the end."""
    server = side.server
    try:
        seconds = seconds_to_ready(server)
        server.requests = [as_request(server, row) for row in ROWS]
        for pid in tree(server.process.pid):
            for thread in psutil.Process(pid).threads():
                os.sched_setaffinity(thread.id, {SERVER_CORE})
        yield seconds
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            stop(server)
        (side.project / "server.log").unlink(missing_ok=True)


def cost(side: Side, seconds: float, connections: int) -> tuple[float, float]:
    """CPU µs of the service for each request, and requests a second."""
    count, took, [spent] = load([side.server], seconds, connections)
    return 1e6 * spent / count, count / took
