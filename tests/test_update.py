"""A project of an earlier release becomes one of this version, and keeps what its people wrote."""

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from conftest import Project
from template import ROOT, copy_of_the_template

AUTHOR = ("-c", "user.name=Tester", "-c", "user.email=tester@example.com")


def git(folder: Path, *words: str) -> str:
    """Run git in a folder and return what it prints."""
    return subprocess.run(["git", *AUTHOR, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def releases() -> list[str]:
    """Commits that gave the changelog the heading of a version, the newest first; none in a clone without history."""
    log = ["git", "log", "--format=%H", "-G^## [0-9]", "--", "CHANGELOG.md"]
    return subprocess.run(log, cwd=ROOT, capture_output=True, text=True).stdout.split()


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A repository of the template with its history, whose newest commit is the template as it lies here."""
    clone = tmp_path / "daybook"
    git(tmp_path, "clone", "--quiet", str(ROOT), str(clone))
    git(clone, "rm", "-r", "--quiet", ".")
    return copy_of_the_template(clone)


def cruft(folder: Path, *words: str) -> None:
    """Run cruft, which must succeed."""
    done = subprocess.run([sys.executable, "-m", "cruft", *words], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def edit(project: Path) -> None:
    """What a team does to its project: another bound, a paragraph and a cell of its own, a dependency."""
    path = project / "nbs" / "00_data.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[2:2] = [
        nbformat.v4.new_markdown_cell("Our stations are closed at night.", id="0a0b0c0d"),
        nbformat.v4.new_code_cell("from bike_demand.ops import iolog", id="0a0b0c0e"),
    ]
    for cell in notebook.cells:
        cell.source = cell.source.replace("hour of the day, 0 to 23", "hour of our day")
    nbformat.write(notebook, path)
    module, facts = project / "bike_demand" / "data.py", project / "pyproject.toml"
    module.write_text(module.read_text().replace("hour of the day, 0 to 23", "hour of our day"))
    facts.write_text(facts.read_text().replace('  "numpy>=2,<3",\n', '  "numpy>=2,<3",\n  "holidays>=0.60",\n'))


@pytest.mark.parametrize("release", releases(), ids=lambda commit: commit[:7])
def test_a_project_of_a_release_is_brought_here(release: str, template: Path, project: Project, tmp_path: Path) -> None:
    cruft(tmp_path, "create", "--no-input", "--checkout", release, str(template))
    ours = tmp_path / "bike-demand"
    if not (ours / ".git").exists():
        git(ours, "init", "--quiet", "--initial-branch=main")
    edit(ours)
    git(ours, "add", "--all")
    git(ours, "commit", "--quiet", "--message=ours")
    cruft(ours, "update", "--skip-apply-ask")
    after = {path.relative_to(ours).as_posix() for path in ours.rglob("*") if ".git" not in path.parts}
    assert not [name for name in after if name.endswith(".rej")]
    assert {"deploy/kubernetes.yaml", ".github/workflows/check.yaml", "tests/test_notebooks.py"} <= after
    said = json.loads((ours / ".cruft.json").read_text())
    assert said["commit"] == git(template, "rev-parse", "HEAD").strip()
    notebook = nbformat.read(ours / "nbs" / "00_data.ipynb", as_version=4)
    nbformat.validate(notebook)
    text = "\n".join(cell.source for cell in notebook.cells)
    assert "Our stations are closed at night." in text and "hour of our day" in text
    facts = (ours / "pyproject.toml").read_text()
    assert "holidays" in facts and "pre-commit" in facts
    project.run("pytest", "-q", "tests/test_notebooks.py", cwd=ours)
