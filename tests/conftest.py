"""What the tests share: a project baked from the defaults, with its environment and a model store of its own."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from containers import Containers, containers_of_this_machine
from template import bake, environment, install


@dataclass
class Project:
    """A baked project, and its commands as a user types them."""

    root: Path
    commands: Path
    settings: dict[str, str]

    def run(self, *words: str, code: int = 0, cwd: Path | None = None, **settings: str) -> str:
        """Run a command of the project's environment, return all that it prints, and check its exit code."""
        done = subprocess.run(
            [self.commands / words[0], *words[1:]],
            cwd=cwd or self.root,
            env=self.settings | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
        )
        assert done.returncode == code, f"{' '.join(words)} exited with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def git(self, *words: str) -> str:
        """Run git in the project and return what it prints."""
        return subprocess.run(["git", *words], cwd=self.root, capture_output=True, text=True, check=True).stdout

    def status(self) -> str:
        """What differs from the last commit, untracked files too."""
        return self.git("status", "--porcelain")


def settle(root: Path, home: Path) -> Project:
    """Install a baked project and commit what that adds, so that any later difference shows."""
    commands = install(root)
    (home / "home").mkdir(parents=True)
    path = os.pathsep.join([str(commands), os.environ["PATH"]])
    settings = environment(HOME=str(home / "home"), BENTOML_HOME=str(home / "bentoml"), PATH=path)
    project = Project(root, commands, settings)
    if not (root / ".git").exists():
        project.git("init", "--quiet", "--initial-branch=main")
    project.git("add", "--all")
    author = ("-c", "user.name=Tester", "-c", "user.email=tester@example.com")
    project.git(*author, "commit", "--quiet", "--allow-empty", "--message=as generated")
    return project


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project of the default answers; a test that changes a file puts it back."""
    return settle(bake(tmp_path_factory.mktemp("default")), tmp_path_factory.mktemp("settings"))


def last_run(project: Project, job: str) -> tuple[Path, dict]:
    """Folder and run.json of the newest run of a job."""
    runs = [(path.parent, json.loads(path.read_bytes())) for path in (project.root / "runs" / job).glob("*/run.json")]
    return max(runs, key=lambda run: run[1]["start"])


def train(project: Project) -> str:
    """Train a small model, the latest of the project's store from now on; return its tag."""
    project.run("job", "run", "train", "-p", "max_iter=5", "-p", "end=2011-04-01")
    return last_run(project, "train")[1]["model"]


@pytest.fixture(scope="module")
def trained(project: Project) -> str:
    """The tag of a small model that the service serves."""
    return train(project)


@pytest.fixture
def edited(project: Project) -> Callable[[str, str, str], None]:
    """Replace a text in one of the project's files; all files are put back when the test ends."""

    def edit(name: str, old: str, new: str) -> None:
        file = project.root / name
        text = file.read_text(encoding="utf-8")
        assert old in text, f"{name} does not hold {old!r}"
        file.write_text(text.replace(old, new), encoding="utf-8")

    yield edit
    project.git("checkout", "--quiet", ".")
    project.git("clean", "--quiet", "--force", "-d")


@pytest.fixture(scope="session")
def containers() -> Containers:
    """What builds images and runs them here."""
    return containers_of_this_machine()


def containerize(project: Project, containers: Containers, root: Path) -> str:
    """Build the bento of the project in `root`, and its image; return the image's name."""
    project.run("bentoml", "build", cwd=root)
    name, settings = f"{root.name}:{root.parent.name}", containers.settings | {"TMPDIR": str(root)}
    words = [f"{root.name}:latest", "--image-tag", name, "--backend", "buildah"]
    project.run("bentoml", "containerize", *words, cwd=root, **settings)
    return name


@pytest.fixture(scope="session")
def image(project: Project, containers: Containers) -> Iterator[str]:
    """The image of a bento with a small model, made by the project's own commands."""
    train(project)
    name = containerize(project, containers, project.root)
    yield name
    containers.run("podman", "rmi", name)
    containers.run("podman", "image", "prune", "--force")


@dataclass
class Service:
    """A running `bentoml serve`."""

    url: str
    process: subprocess.Popen
    output: Path


@contextlib.contextmanager
def serve(project: Project, *words: str, folder: Path, **settings: str) -> Iterator[Service]:
    """`bentoml serve`, called in `folder`; yields when it is ready, and stops it in the end."""
    port = free_port()
    command = [project.commands / "bentoml", "serve", *words, "--host", "127.0.0.1", "--port", str(port)]
    output = Path(project.settings["HOME"]).parent / f"server-{port}.log"
    with output.open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=project.settings | settings, stdout=log, stderr=log)
        try:
            wait_for(f"http://127.0.0.1:{port}/readyz")
            yield Service(f"http://127.0.0.1:{port}", process, output)
        finally:
            process.terminate()
            process.wait(30)


def free_port() -> int:
    """A port that nobody listens on."""
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
        wait_for(f"http://127.0.0.1:{port}/moto-api/")
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "access-key-of-the-tests",
            "AWS_SECRET_ACCESS_KEY": "secret-key-of-the-tests",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    finally:
        server.terminate()
        server.wait(30)


def wait_for(url: str) -> None:
    """Return when a page answers; fail after two minutes."""
    give_up = time.monotonic() + 120
    while time.monotonic() < give_up:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.1)
    pytest.fail(f"{url} does not answer")
