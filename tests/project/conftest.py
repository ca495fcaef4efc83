"""Fixtures: projects baked from the template, with an environment and a model store of their own.

Each worker of pytest-xdist has one default project, for all its tests. A test that changes a file uses `edited`.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from containers import Containers, containerize, containers_of_this_machine, one_at_a_time
from helpers import Project, Service, serve, settle, train
from probes import Probe
from template import bake

FIRST = ("test_docs", "test_tour", "test_pipeline_steps", "test_log_shipping")  # take minutes: not left to the end


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no worker waits for the others."""
    items.sort(key=lambda item: item.path.stem not in FIRST)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project of the default answers, installed and committed."""
    return settle(bake(tmp_path_factory.mktemp("default")), tmp_path_factory.mktemp("settings"))


MODELS = []  # that `trained` has made


@pytest.fixture(scope="module")
def trained(project: Project) -> str:
    """The tag of a small model that is the latest, so that it is served; made again only if it is not."""
    if not MODELS or project.latest_model() != MODELS[-1]:
        MODELS.append(train(project))
    return MODELS[-1]


@pytest.fixture(scope="module")
def service(project: Project, trained: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running service of the small model, with an empty log, for the tests of a module that need nothing else."""
    with serve(project, folder=project.root, IOLOG_DIR=str(tmp_path_factory.mktemp("iolog"))) as running:
        yield running


@pytest.fixture
def probe(project: Project, tmp_path: Path) -> Probe:
    """A small project of its own for each test, with the default project's environment."""
    return Probe.make(tmp_path / "probe", project)


@pytest.fixture
def edited(project: Project) -> Iterator[Callable[[str, str, str], None]]:
    """Replace a text in one of the project's files; all files are put back when the test ends."""

    def edit(name: str, old: str, new: str) -> None:
        file = project.root / name
        text = file.read_text(encoding="utf-8")
        assert old in text, f"{name} does not contain {old!r}"
        file.write_text(text.replace(old, new), encoding="utf-8")

    yield edit
    project.git("checkout", "--quiet", ".")
    project.git("clean", "--quiet", "--force", "-d")


@pytest.fixture(scope="module")
def containers() -> Iterator[Containers]:
    """What builds images and runs them here; for one worker at a time."""
    with one_at_a_time():
        yield containers_of_this_machine()


@pytest.fixture(scope="module")
def image(project: Project, containers: Containers) -> Iterator[str]:
    """The image of a bento with a small model, made by the project's own commands."""
    train(project)
    name = containerize(project, containers, project.root)
    yield name
    containers.run("podman", "rmi", name)
    containers.run("podman", "image", "prune", "--force")


@pytest.fixture(scope="module")
def extras(project: Project) -> None:
    """The project with what Dask and S3 need."""
    sync = [sys.executable, "-m", "uv", "sync", "--quiet", "--extra", "s3", "--extra", "cluster"]
    subprocess.run([*sync, "--python", sys.executable], cwd=project.root, env=project.settings, check=True)
    subprocess.run([project.commands / "python", "-m", "compileall", "-q", project.root / ".venv"], check=False)
