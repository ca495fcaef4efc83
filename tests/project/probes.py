"""A small project whose one notebook the tests write: jobs need no more, and it is made in no time."""

import json
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil
from helpers import Project
from nbformat.v4 import new_code_cell, new_notebook

RECORD = "from daybook.runs import record\nrecord(twice=2 * number)"
NUMBER = "number: int = 1  # to be doubled"
IMPORTS = "import os\nfrom datetime import date\nfrom typing import Literal\n\nfrom pydantic import SecretStr"


@dataclass
class Probe:
    """The small project, with the environment of a baked one."""

    root: Path
    project: Project

    @classmethod
    def make(cls, root: Path, project: Project) -> "Probe":
        """Write what makes a folder a project."""
        for folder in ("nbs", "probes", "runs"):
            (root / folder).mkdir(parents=True)
        (root / "champion.json").write_text("{}")
        (root / "pyproject.toml").write_text('[tool.nbdev]\nlib_path = "probes"\n')
        return cls(root, project)

    def write(self, *cells: str, parameters: str = NUMBER) -> None:
        """Write the notebook of the job `probe`: imports, a parameters cell, and these cells."""
        tagged = new_code_cell(parameters, metadata={"tags": ["parameters"]})
        content = new_notebook(cells=[new_code_cell(IMPORTS), tagged, *map(new_code_cell, cells)])
        content.metadata.kernelspec = {"name": "python3", "display_name": "python3", "language": "python"}
        nbformat.write(content, self.root / "nbs" / "probe.ipynb")

    def daybook(self, words: str, *args: str | Path, code: int = 0, **settings: str) -> str:
        """Run the command, return all that it prints, and check its exit code."""
        return self.project.run("daybook", *words.split(), *args, code=code, cwd=self.root, **settings)

    def start(self, words: str, *args: str) -> subprocess.Popen:
        """The command, while the test goes on; as in a terminal, it hears Ctrl-C, even if this test run does not."""
        command = [self.project.commands / "daybook", *words.split(), *args]
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self.project.settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def runs(self, *args: str, **settings: str) -> list[dict]:
        """What `daybook list` says, the newest first."""
        return json.loads(self.daybook("list probe --json", *args, **settings))

    def statuses(self) -> Counter:
        """How many runs there are of each status."""
        return Counter(run["status"] for run in self.runs())

    def cells(self, run: dict) -> list[nbformat.NotebookNode]:
        """The code cells of a run, as executed."""
        path = self.root / "runs" / run["job"] / run["id"] / "notebook.ipynb"
        return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]

    def printed(self, run: dict) -> str:
        """All that a run printed."""
        return "".join(output.get("text", "") for cell in self.cells(run) for output in cell.outputs)


def is_running(pid: int) -> bool:
    """Whether there is a process, and not only what is left of one."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Return when something has come about; fail if it does not."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it never came about"
        time.sleep(0.1)
