"""Fixtures: a small project, with a store of models, a log and a champion of its own."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.models import ModelStore
from nbformat.v4 import new_code_cell, new_notebook

from daybook import example


@pytest.fixture
def demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of the example's data and model, in which the test runs."""
    root = example.project(tmp_path / "project")
    home = tmp_path / "bentoml"
    (home / "models").mkdir(parents=True)
    names = ("CHAMPION_FILE", "MODEL_STORE", "IOLOG_DIR", "IOLOG_STORE")
    for name in (*names, "DAYBOOK_RUN_ID", "DAYBOOK_RUN_FOLDER", "DAYBOOK_ALERT_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BENTOML_HOME", str(home))
    monkeypatch.chdir(root)
    BentoMLContainer.model_store.set(ModelStore(home / "models"))  # BentoML reads BENTOML_HOME once a process
    yield root
    BentoMLContainer.model_store.reset()


@pytest.fixture
def probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Write the notebook of a job, in a project in which the test runs; returns the job's name."""
    root = tmp_path / "probes"
    (root / "nbs").mkdir(parents=True)
    (root / "probes").mkdir()
    (root / "champion.json").write_text("{}")
    (root / "pyproject.toml").write_text('[tool.nbdev]\nlib_path = "probes"\n')
    for name in ("DAYBOOK_RUN_ID", "DAYBOOK_RUN_FOLDER", "DAYBOOK_ALERT_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(root)

    def write(*cells: str, parameters: str = "number: int = 1  # to be doubled", name: str = "probe") -> str:
        tagged = new_code_cell(parameters, metadata={"tags": ["parameters"]})
        notebook = new_notebook(cells=[tagged, *map(new_code_cell, cells)])
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "python3", "language": "python"}
        nbformat.write(notebook, root / "nbs" / f"01_{name}.ipynb")
        return name

    return write


@pytest.fixture
def loop_image(tmp_path: Path) -> Iterator[Path]:
    """A file system in a file, which renames before it has the content: ext4 with `noauto_da_alloc`."""
    image, disk = tmp_path / "image", tmp_path / "disk"
    image.write_bytes(b"")
    os.truncate(image, 64 * 2**20)
    disk.mkdir()
    commands = [
        ["mkfs.ext4", "-q", str(image)],
        ["mount", "-o", "loop,noauto_da_alloc,commit=300", str(image), str(disk)],
    ]
    for command in commands:
        if shutil.which(command[0]) is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("a file cannot be mounted as a file system here")
    yield image
    subprocess.run(["umount", "--lazy", str(disk)], check=True)
