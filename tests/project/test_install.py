"""A project is installed with plain venv and pip too."""

import os
import sys
from pathlib import Path

import pytest
from helpers import Project, last_run
from pages import commands, inline
from template import bake, environment


@pytest.mark.long
def test_pip_installs_a_project(tmp_path: Path) -> None:
    root = bake(tmp_path)
    settings = environment(BENTOML_HOME=str(tmp_path / "bentoml"))
    settings["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{settings['PATH']}"
    project = Project(root, root / ".venv" / "bin", settings)
    page = "start.md"
    install = [inline(page, "python -m venv"), inline(page, ".venv/bin/pip"), inline(page, "source .venv")]
    first, *_ = commands("start.md", "Data scientist")
    run = first.replace("uv run ", "").splitlines()[1]
    project.type("\n".join([*install, run, inline("troubleshooting.md", "pip install uv"), ".venv/bin/uv --version"]))
    assert last_run(project, "train")[1]["status"] == "done"
