"""A project is installed with plain venv and pip too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import Project, last_run, train
from template import bake, environment


@pytest.mark.long
def test_pip_installs_a_project(tmp_path: Path) -> None:
    root = bake(tmp_path)
    subprocess.run([sys.executable, "-m", "venv", ".venv"], cwd=root, check=True)
    commands = root / ".venv" / ("Scripts" if os.name == "nt" else "bin")
    subprocess.run([commands / "pip", "install", "--quiet", "-e", ".[dev]"], cwd=root, check=True)
    settings = environment(BENTOML_HOME=str(tmp_path / "bentoml"), PATH=f"{commands}{os.pathsep}{os.environ['PATH']}")
    project = Project(root, commands, settings)
    train(project)
    assert last_run(project, "train")[1]["status"] == "done"
