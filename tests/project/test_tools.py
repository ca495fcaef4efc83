"""The tools that the README names, by their own commands: they work in a project as they do elsewhere."""

from collections.abc import Callable

import nbformat
import pytest
from helpers import Project, serve
from pages import blocks_of
from template import ROOT

[TYPED] = blocks_of("start.md", "text", "The tools")
COMMANDS = TYPED.replace("uv run ", "").splitlines()
GUARDED = ("nbdev-test", "bentoml")  # by other tests too: those of pipelines and of bentos


def check_what_is_left(tool: str, project: Project, output: str) -> None:
    """Check what a command has left in the project."""
    if tool == "papermill":
        assert (project.root / "out.ipynb").is_file() and not project.status(), "git ignores it"
        cells = nbformat.read(project.root / "out.ipynb", as_version=4).cells
        [injected] = [cell for cell in cells if "injected-parameters" in cell.metadata.get("tags", [])]
        assert "max_iter = 20" in injected.source
    elif tool == "jupyter":
        page = project.root / "runs" / "01_train.html"
        assert "image/png" in page.read_text(encoding="utf-8") and project.status() == ""
        page.unlink()
    elif tool == "nbdev-test":
        assert output.endswith("Success.\n") and project.status() == ""
    elif tool == "bentoml":
        assert "bike-demand:" in output


@pytest.mark.parametrize(
    "command",
    [pytest.param(line, marks=pytest.mark.long) if line.startswith(GUARDED) else line for line in COMMANDS],
)
def test_a_tools_own_command_works(command: str, project: Project, trained: str, edited: Callable) -> None:
    tool, *args = command.split()
    if tool == "bentoml" and args[0] == "serve":
        with serve(project, *args[1:], folder=project.root) as running:
            assert running.process.poll() is None
    else:
        check_what_is_left(tool, project, project.run(tool, *args))
    if tool in ("papermill", "jupyter"):
        assert project.latest_model() != trained, "the chapter has saved a model"


def test_readme_names_the_tools_and_their_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in COMMANDS:
        assert f"`{command}`" in readme, command
