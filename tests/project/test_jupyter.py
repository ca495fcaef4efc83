"""Saving a notebook in Jupyter cleans it and exports its module: by Jupyter's interface, and in a real browser."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest
from browser import CONTROL, Browser, browser, needs_chromium
from helpers import Project, free_port, wait_for
from pages import inline

TOKEN = "test-token"


@contextlib.contextmanager
def jupyter_lab(project: Project) -> Iterator[tuple[str, list[str]]]:
    """A running JupyterLab: its address, and the lines that it prints."""
    port = free_port()
    options = ["--no-browser", "--ip=127.0.0.1", f"--port={port}", f"--IdentityProvider.token={TOKEN}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")
    server = subprocess.Popen(
        [*inline("start.md", "uv run jupyter").split(), *options],
        cwd=project.root,
        env=project.settings | {"UV_PYTHON": sys.executable},
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
        wait_for(f"http://127.0.0.1:{port}/api")
        yield f"http://127.0.0.1:{port}", output
    finally:
        server.terminate()
        try:
            server.wait(60)
        finally:
            server.kill()


def test_jupyter_cleans_and_exports_on_save(project: Project, edited: Callable) -> None:
    notebook, home = "nbs/00_data.ipynb", Path(project.settings["HOME"])
    with jupyter_lab(project) as (url, output):

        def contents(path: str, content: dict | None = None) -> dict:
            body = json.dumps({"type": "notebook", "format": "json", "content": content}).encode() if content else None
            request = urllib.request.Request(
                f"{url}/api/contents/{path}",
                body,
                {"Authorization": f"token {TOKEN}", "Content-Type": "application/json"},
                method="PUT" if body else "GET",
            )
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.load(response)

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
        with pytest.raises(urllib.error.HTTPError) as told:
            contents(notebook, broken)
        assert "exports a cell that is no Python" in json.load(told.value)["message"]
        assert "def half(:" not in (project.root / notebook).read_text(encoding="utf-8")
        contents(notebook, broken)  # who saves again means it
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
    assert not (home / ".jupyter").exists() or not list((home / ".jupyter").glob("*config*"))


CELL = "[...document.querySelectorAll('.jp-CodeCell .cm-content')].find(e => e.innerText.includes('import Mapping'))"
DIALOG = "document.querySelector('.jp-Dialog')?.innerText"


def save_until(page: Browser, is_done: Callable[[], bool]) -> None:
    """Press Ctrl-S until it has an effect: JupyterLab ignores it while it is still busy with the save before."""
    give_up = time.monotonic() + 60
    while not is_done():
        assert time.monotonic() < give_up, page.evaluate("document.body.innerText")[:3000]
        page.press("s", 83, CONTROL)
        soon = time.monotonic() + 5
        while not is_done() and time.monotonic() < soon:
            time.sleep(0.2)


@pytest.mark.long
@needs_chromium
def test_jupyter_in_a_browser_exports_on_save_and_tells_what_does_not_parse(
    project: Project, edited: Callable, tmp_path: Path
) -> None:
    notebook, module = project.root / "nbs" / "01_train.ipynb", project.root / "bike_demand" / "model.py"
    with jupyter_lab(project) as (url, _), browser(tmp_path / "profile") as page:
        page.open(f"{url}/lab/tree/nbs/01_train.ipynb?token={TOKEN}")
        page.click(CELL)
        page.press("End", 35, CONTROL)
        page.write("\nANSWER = 42\n")
        save_until(page, lambda: "ANSWER = 42" in module.read_text(encoding="utf-8"))
        assert {line[3:] for line in project.status().splitlines()} == {"nbs/01_train.ipynb", "bike_demand/model.py"}

        before = notebook.read_bytes(), module.read_bytes()
        page.write("def half(:\n")
        save_until(page, lambda: page.evaluate(f"!!{DIALOG}"))
        told = page.evaluate(DIALOG)
        assert "File Save Error for 01_train.ipynb" in told and "in `def half(:`" in told
        assert (notebook.read_bytes(), module.read_bytes()) == before, "something was overwritten"

        page.press("Enter", 13)  # closes it
        page.wait(f"!{DIALOG}")
        page.click(CELL)
        page.press("End", 35, CONTROL)
        page.press("Backspace", 8, times=len("def half(:\n"))
        page.write("MORE = 1\n")
        save_until(page, lambda: "MORE = 1" in module.read_text(encoding="utf-8"))
        assert "def half" not in notebook.read_text(encoding="utf-8")
        assert not page.evaluate(DIALOG), "it asks whether to overwrite what it has not written"
