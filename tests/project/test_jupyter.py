"""Saving a notebook in Jupyter cleans it and exports its module."""

import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
from helpers import Project, free_port, wait_for


def test_jupyter_cleans_and_exports_on_save(project: Project, edited: Callable) -> None:
    token, notebook = "test-token", "nbs/00_data.ipynb"
    home = Path(project.settings["HOME"])
    port = free_port()
    options = ["--no-browser", "--ip=127.0.0.1", f"--port={port}", f"--IdentityProvider.token={token}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")
    server = subprocess.Popen(
        [project.commands / "jupyter", "lab", *options],
        cwd=project.root,
        env=project.settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output = []
    try:
        for line in server.stdout:
            output.append(line)
            if f":{port}/lab" in line:
                break
        else:
            pytest.fail("".join(output))
        Thread(target=lambda: output.extend(server.stdout), daemon=True).start()

        def contents(path: str, content: dict | None = None) -> dict:
            body = json.dumps({"type": "notebook", "format": "json", "content": content}).encode() if content else None
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/api/contents/{path}",
                body,
                {"Authorization": f"token {token}", "Content-Type": "application/json"},
                method="PUT" if body else "GET",
            )
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.load(response)

        wait_for(f"http://127.0.0.1:{port}/api")
        untouched = contents(notebook)["content"]
        contents(notebook, untouched)
        assert project.status() == "", "opening and saving alone changed something"

        changed = json.loads(json.dumps(untouched))
        changed["metadata"]["language_info"] = {"name": "python", "version": "3.11.7"}
        for number, cell in enumerate(changed["cells"]):
            if cell["cell_type"] == "code":
                cell["execution_count"] = number
                cell["source"] = cell["source"].replace("hour of the day, 0 to 23", "hour of the day")
        contents(notebook, changed)
        text = (project.root / notebook).read_text(encoding="utf-8")
        assert "language_info" not in text and '"execution_count": 3' not in text
        assert 'description="hour of the day")' in (project.root / "bike_demand" / "data.py").read_text(
            encoding="utf-8"
        )
        assert {line[3:] for line in project.status().splitlines()} == {notebook, "bike_demand/data.py"}

        module = (project.root / "bike_demand" / "data.py").read_bytes()
        broken = json.loads(json.dumps(changed))
        broken["cells"][3]["source"] = "#| export\ndef half(:"
        contents(notebook, broken)
        assert (project.root / "bike_demand" / "data.py").read_bytes() == module
        assert "def half(:" in (project.root / notebook).read_text(encoding="utf-8"), "it is saved all the same"
        time.sleep(0.5)
        assert "its module is not exported" in "".join(output)

        run = project.root / "runs" / "by-hand" / "1"
        run.mkdir(parents=True)
        changed["metadata"]["language_info"] = {"name": "python"}
        contents("runs/by-hand/1/notebook.ipynb", changed)
        assert (project.root / "bike_demand" / "data.py").read_bytes() == module, "an executed copy was exported"
        assert "language_info" in (run / "notebook.ipynb").read_text(encoding="utf-8")
        shutil.rmtree(run.parent)
    finally:
        server.terminate()
        server.wait(30)
    assert not (home / ".jupyter").exists() or not list((home / ".jupyter").glob("*config*"))
