"""The images: what is in them, and what a container does from its start to its end."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from containers import BASE, Containers, base_by_digest, containerize
from helpers import Project, free_port, wait_for
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pages import inline
from template import bake
from traffic import Load, records, wait_for_more, write_segments

USER, LOG = 1034, "/home/bentoml/iolog"
pytestmark = pytest.mark.long

INSIDE = """
import importlib.metadata, json, os, platform, shutil, sys
import _bentoml_impl.server, bentoml_cli.cli, skops.io, sklearn.ensemble
tools = "cc c++ curl g++ gcc git gpg ld make pip pip3 uv wget"
caches = {module.__cached__ for module in list(sys.modules.values()) if getattr(module, "__cached__", None)}
folders = [folder for folder, _, _ in os.walk("/") if os.access(folder, os.W_OK)]
print(json.dumps({
    "installed": {each.name: each.version for each in importlib.metadata.distributions()},
    "python": platform.python_version(),
    "tools": [tool for tool in tools.split() if shutil.which(tool)],
    "stale": [path for path in caches if not os.path.exists(path) or open(path, "rb").read(8)[4] != 1],
    "user": os.getuid(),
    "writable": [folder for folder in folders if not folder.startswith(("/dev", "/proc", "/run", "/sys"))],
}))
"""


def look_inside(containers: Containers, image: str) -> dict[str, Any]:
    """What the service's user finds in an image."""
    look = ["podman", "run", "--rm", "--network", "none", "--entrypoint", "python", image, "-c", INSIDE]
    inside = json.loads(containers.run(*look))
    return inside | {"installed": {canonicalize_name(name): found for name, found in inside["installed"].items()}}


def size(containers: Containers, image: str) -> int:
    """Megabytes of an image, unpacked."""
    return int(containers.run("podman", "image", "inspect", "--format", "{{.Size}}", image)) // 10**6


def locked(project: Project, python: str) -> dict[str, str]:
    """What uv.lock has for the service on that Python: name -> version."""
    export = [sys.executable, "-m", "uv", "export", "--quiet", "--frozen", "--no-dev", "--no-emit-project"]
    export += ["--no-annotate", "--no-hashes", "--no-header", "--extra", "s3"]
    said = subprocess.run(export, cwd=project.root, capture_output=True, text=True, check=True).stdout
    here = {"python_full_version": python, "python_version": ".".join(python.split(".")[:2])}
    wanted = [Requirement(line) for line in said.splitlines()]
    return {each.name: str(each.specifier)[2:] for each in wanted if not each.marker or each.marker.evaluate(here)}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """An empty folder that belongs to the containers' user, as a volume does."""
    folder = tmp_path / "iolog"
    folder.mkdir()
    os.chown(folder, USER, USER)
    return folder


def test_image_holds_what_serving_needs_and_no_more(project: Project, containers: Containers, image: str) -> None:
    inside = look_inside(containers, image)
    assert inside["installed"] == locked(project, inside["python"])
    assert "bentoml" in inside["installed"] and "pandas" not in inside["installed"]
    assert inside["tools"] == inside["stale"] == []
    assert inside["user"] == USER and set(inside["writable"]) == {"/home/bentoml", LOG, "/tmp", "/var/tmp"}
    assert size(containers, image) - size(containers, BASE) < 400


def test_container_answers_and_logs_until_it_is_stopped(containers: Containers, image: str, log: Path) -> None:
    port = free_port()
    options = ["--publish", f"127.0.0.1:{port}:3000", "--volume", f"{log}:{LOG}"]
    with containers.started(image, *options) as container:
        wait_for(f"http://127.0.0.1:{port}/readyz")
        with Load(f"http://127.0.0.1:{port}") as load:
            wait_for_more(load, 200)
            assert {path.suffix for path in log.glob("raw/*/*")} == {".open"}
            containers.run("podman", "stop", "--time", "30", container)
        state = containers.run("podman", "inspect", "--format", "{{.State.ExitCode}}", container)
    times = Counter(record["id"] for record in records(log))
    assert {number: times[number] for number in load.answered} == dict.fromkeys(load.answered, 1)
    assert {path.suffix for path in log.glob("raw/*/*")} == {".jsonl"}
    assert state.strip() == "0", "it was killed, since it did not end by itself"


def test_image_ships_the_log(containers: Containers, image: str, log: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    write_segments(log, 2, 5)
    for path in (store, log, *log.rglob("*")):
        os.chown(path, USER, USER)
    options = ["--network", "none", "--volume", f"{log}:{LOG}", "--volume", f"{store}:/home/bentoml/store"]
    options += ["--env", "IOLOG_STORE=/home/bentoml/store", "--workdir", "/home/bentoml/bento/src"]
    options += ["--entrypoint", "python"]
    with containers.started(image, *options, args=["-m", "daybook.shipping", "--once"]) as container:
        assert containers.run("podman", "wait", container).strip() == "0", containers.run("podman", "logs", container)
    assert not list(log.glob("raw/*/*")) and len(list(store.glob("raw/*/*.jsonl"))) == 2


def test_jobs_image_compacts(project: Project, containers: Containers, log: Path, tmp_path: Path) -> None:
    name, runs = f"{project.root.name}-jobs", tmp_path / "runs"
    option = inline("deployment.md", "--build-arg")
    base = f"{option}=BASE={base_by_digest(containers)}"
    file = project.root / "deploy" / "jobs.Dockerfile"
    containers.run("buildah", "build", "--file", file, "--tag", name, base, project.root)
    write_segments(log, 2, 5)
    runs.mkdir()
    for path in (runs, log, *log.rglob("*")):
        os.chown(path, USER, USER)
    options = ["--network", "none", "--volume", f"{log}:{LOG}", "--volume", f"{runs}:/app/runs"]
    with containers.started(name, *options, args=["daybook", "run", "compact"]) as container:
        assert containers.run("podman", "wait", container).strip() == "0", containers.run("podman", "logs", container)
    [path] = runs.glob("compact/*/run.json")
    run = json.loads(path.read_bytes())
    assert run["status"] == "done" and run["metrics"]["segments"] == 2 and path.stat().st_uid == USER
    assert len(list(log.glob("requests/*/*.parquet"))) == 2 and not list(log.glob("raw/*/*"))
    containers.run("podman", "rmi", name)


def test_dev_container_is_not_root(project: Project, containers: Containers) -> None:
    folder, name = project.root / ".devcontainer", f"{project.root.name}-dev"
    containers.run("buildah", "build", "--from", BASE, "--tag", name, folder)
    assert containers.run("podman", "run", "--rm", name, "id", "--user", "--name").strip() == "vscode"
    assert containers.run("podman", "run", "--rm", name, "uv", "--version").startswith("uv 0.")
    containers.run("podman", "rmi", name)


def test_image_without_uv_lock_has_what_the_bento_locks(
    project: Project, containers: Containers, image: str, tmp_path: Path
) -> None:
    folder, gpu = bake(tmp_path / "other"), bake(tmp_path / "gpu", model="net-gpu")
    shutil.copy(gpu / "deploy" / "bento.Dockerfile", folder / "deploy")
    option = inline("deployment.md", "--opt build-arg=BASE=").replace("python@sha256:...", base_by_digest(containers))
    name = containerize(project, containers, folder, *option.split())
    installed = look_inside(containers, name)["installed"]
    bentos = Path(project.settings["BENTOML_HOME"], "bentos", "bike-demand")
    bento = bentos / (bentos / "latest").read_text(encoding="utf-8")
    wanted = (bento / "env" / "python" / "requirements.lock.txt").read_text(encoding="utf-8").splitlines()
    locked = dict(line.split("==") for line in wanted if "==" in line)
    other = {each for each, version in locked.items() if installed[each] != version}
    assert "s3fs" in installed and "pandas" not in installed and len(other) <= 2, "only what the driver needs otherwise"
    assert not other & {"bentoml", "numpy", "pydantic", "scikit-learn", "skops", "uvicorn"}
    variables = containers.run("podman", "image", "inspect", "--format", "{{.Config.Env}}", name)
    assert "NVIDIA_DRIVER_CAPABILITIES=compute,utility" in variables
    containers.run("podman", "rmi", name)
