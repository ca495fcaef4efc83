"""What the tests of baked projects share: commands as a user types them, running services, an object store."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from template import AUTHOR, environment, install

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "bike_sharing_hourly.csv"  # not in every checkout


@dataclass
class Project:
    """A baked and installed project."""

    root: Path
    commands: Path
    settings: dict[str, str]

    def run(self, *args: str | Path, code: int = 0, cwd: Path | None = None, **settings: str) -> str:
        """Run a command of the project's environment, return all that it prints, and check its exit code."""
        done = subprocess.run(
            [self.commands / args[0], *args[1:]],
            cwd=cwd or self.root,
            env=self.settings | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
        )
        assert done.returncode == code, f"{' '.join(map(str, args))} exited with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def type(self, text: str, code: int = 0, **settings: str) -> str:
        """Run what a person types in a shell, as `run` does with one command."""
        return self.run(shutil.which("bash"), "-eo", "pipefail", "-c", text, code=code, **settings)

    def python(self, script: str, *args: str | Path, code: int = 0, **settings: str) -> str:
        """What a script prints in the project's Python."""
        return self.run("python", "-c", script, *args, code=code, **settings)

    def git(self, *args: str) -> str:
        """Run git in the project and return what it prints."""
        return subprocess.run(["git", *args], cwd=self.root, capture_output=True, text=True, check=True).stdout

    def status(self) -> str:
        """What differs from the last commit, untracked files too."""
        return self.git("status", "--porcelain")

    def latest_model(self) -> str | None:
        """Tag of the newest model in the project's store."""
        latest = next(Path(self.settings["BENTOML_HOME"]).glob("models/*/latest"), None)
        return f"{latest.parent.name}:{latest.read_text()}" if latest else None


def settle(root: Path, home: Path, *args: str, commands: Path | None = None) -> Project:
    """Install a baked project, unless it is, and commit what that adds, so that any later difference shows."""
    commands = commands or install(root, *args)
    (home / "home").mkdir(parents=True)
    path = os.pathsep.join([str(commands), os.environ["PATH"]])
    settings = environment(HOME=str(home / "home"), BENTOML_HOME=str(home / "bentoml"), PATH=path)
    project = Project(root, commands, settings)
    if not (root / ".git").exists():
        project.git("init", "--quiet", "--initial-branch=main")
    project.git("add", "--all")
    project.git(*AUTHOR, "commit", "--quiet", "--allow-empty", "--message=as generated")
    return project


def last_run(project: Project, job: str) -> tuple[Path, dict]:
    """Folder and run.json of the newest run of a job."""
    runs = [(path.parent, json.loads(path.read_bytes())) for path in (project.root / "runs" / job).glob("*/run.json")]
    return max(runs, key=lambda run: run[1]["start"])


def train(project: Project) -> str:
    """Train a small model, the latest of the project's store from now on; return its tag."""
    project.run("daybook", "run", "train", "-p", "max_iter=5", "-p", "end=2011-04-01")
    return last_run(project, "train")[1]["model"]


@dataclass
class Service:
    """A running `bentoml serve`, and the folder of its log."""

    url: str
    process: subprocess.Popen
    output: Path
    log: Path


@contextlib.contextmanager
def serve(project: Project, *args: str, folder: Path, **settings: str) -> Iterator[Service]:
    """`bentoml serve`, called in `folder`; yields when it is ready, and stops it in the end."""
    port = free_port()
    command = [project.commands / "bentoml", "serve", *args, "--host", "127.0.0.1", "--port", str(port)]
    output = Path(project.settings["HOME"]).parent / f"server-{port}.log"
    with output.open("wb") as printed:
        process = subprocess.Popen(command, cwd=folder, env=project.settings | settings, stdout=printed, stderr=printed)
        try:
            wait_for(f"http://127.0.0.1:{port}/readyz", process, output)
            log = Path(settings.get("IOLOG_DIR", folder / "iolog"))
            yield Service(f"http://127.0.0.1:{port}", process, output, log)
        finally:
            process.terminate()
            process.wait(30)


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def object_store(folder: Path) -> Iterator[dict[str, str]]:
    """An S3-compatible server; yields the settings that lead to it, and stops it in the end."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "s3.log").open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        wait_for(f"http://127.0.0.1:{port}/moto-api/", server, folder / "s3.log")
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "access-key-of-the-tests",
            "AWS_SECRET_ACCESS_KEY": "secret-key-of-the-tests",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    finally:
        server.terminate()
        server.wait(30)


def wait_for(url: str, process: subprocess.Popen | None = None, output: Path | None = None) -> None:
    """Return when a page answers; fail after two minutes, or when the process that should answer is gone."""
    give_up = time.monotonic() + 120
    while time.monotonic() < give_up:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        if process and process.poll() is not None:
            pytest.fail(f"the server of {url} is gone:\n{output.read_text(errors='replace')}")
        time.sleep(0.1)
    pytest.fail(f"{url} does not answer")
