"""Projects of an earlier template, what a team does in them, and newer versions of the template."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
from helpers import Project
from template import AUTHOR, ROOT, TEMPLATE, copy_of_the_template

OURS = "Our stations are closed at night."


def git(folder: Path, *args: str) -> str:
    """Run git in a folder and return what it prints."""
    return subprocess.run(["git", *AUTHOR, *args], cwd=folder, check=True, capture_output=True, text=True).stdout


def head(folder: Path) -> str:
    """The newest commit."""
    return git(folder, "rev-parse", "HEAD").strip()


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A repository of the template with its history, whose newest commit is the template as it is here."""
    clone = tmp_path / "daybook"
    git(tmp_path, "clone", "--quiet", str(ROOT), str(clone))
    git(clone, "rm", "-r", "--quiet", ".")
    return copy_of_the_template(clone)


def cruft(folder: Path, *args: str) -> None:
    """Run cruft, which must succeed."""
    done = subprocess.run([sys.executable, "-m", "cruft", *args], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def create(folder: Path, template: Path, *args: str) -> Path:
    """A project of a version of the template, under version control."""
    cruft(folder, "create", "--no-input", str(template), *args)
    project = folder / "bike-demand"
    if not (project / ".git").exists():
        git(project, "init", "--quiet", "--initial-branch=main")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--allow-empty", "--message=as generated")
    return project


def edit(project: Path) -> None:
    """What a team does to its project: another bound, a paragraph and a cell of its own, a dependency."""
    path = project / "nbs" / "00_data.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[2:2] = [
        nbformat.v4.new_markdown_cell(OURS, id="0a0b0c0d"),
        nbformat.v4.new_code_cell("import calendar", id="0a0b0c0e"),
    ]
    for cell in notebook.cells:
        cell.source = cell.source.replace("hour of the day, 0 to 23", "hour of our day")
    nbformat.write(notebook, path)
    module, facts = project / "bike_demand" / "data.py", project / "pyproject.toml"
    module.write_text(module.read_text().replace("hour of the day, 0 to 23", "hour of our day"))
    facts.write_text(facts.read_text().replace('  "numpy>=2,<3",\n', '  "numpy>=2,<3",\n  "holidays>=0.60",\n'))


def promote(project: Path) -> None:
    """Name a champion, as 0.2 and later versions do."""
    file = project / "champion.json"
    champion = json.loads(file.read_text())
    metrics = "figures" if "figures" in champion else "metrics"
    file.write_text(json.dumps({"model": "bike_demand:abc", metrics: {"mae": 3.0}, "reason": "the first"}, indent=2))


def commit(project: Path) -> None:
    """Commit what a team did."""
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message=ours")


def check(ours: Path, template: Path, project: Project) -> None:
    """It is a project of the new template, with the team's edits."""
    assert not list(ours.rglob("*.rej"))
    if (link := ours / ".cruft.json").exists():
        assert json.loads(link.read_text())["commit"] == head(template)
    facts = tomllib.loads((ours / "pyproject.toml").read_text())
    assert facts["tool"]["daybook"]["commit"] == head(template)
    assert facts["tool"]["daybook"]["answers"]["project"] == "bike-demand"
    notebook = nbformat.read(ours / "nbs" / "00_data.ipynb", as_version=4)
    nbformat.validate(notebook)
    text = "\n".join(cell.source for cell in notebook.cells)
    assert OURS in text and "hour of our day" in text
    assert "holidays" in (ours / "pyproject.toml").read_text()
    modules = {path.name: path.read_bytes() for path in (template / TEMPLATE.name / "daybook").glob("*.py")}
    assert {path.name: path.read_bytes() for path in (ours / "daybook").glob("*.py")} == modules
    project.run("pytest", "-q", "--noconftest", "tests/test_notebooks.py", "-k", "clean or questions", cwd=ours)


def by_cookiecutter(folder: Path, template: Path) -> Path:
    """A project that cookiecutter alone has made, under version control."""
    command = [sys.executable, "-m", "cookiecutter", "--no-input", "--default-config", "--output-dir", str(folder)]
    subprocess.run([*command, str(template)], check=True, capture_output=True)
    project = folder / "bike-demand"
    git(project, "init", "--quiet", "--initial-branch=main")
    for key, value in (("name", "Tester"), ("email", "tester@example.com")):
        git(project, "config", f"user.{key}", value)
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--allow-empty", "--message=as generated")
    return project


def replace(file: Path, old: str, new: str) -> None:
    """Replace a text in a file."""
    text = file.read_text(encoding="utf-8")
    assert old in text, f"{file} does not contain {old!r}"
    file.write_text(text.replace(old, new), encoding="utf-8")


def edit_by_hand(ours: Path) -> None:
    """Edits in three chapters and in pyproject.toml."""
    edit(ours)
    for chapter, module, old, new in (
        ("01_train", "model", "weight of each tree", "how much a tree weighs"),
        ("02_service", "service", "Predicts from validated rows.", "Predicts rentals."),
    ):
        replace(ours / "nbs" / f"{chapter}.ipynb", old, new)
        if old in (text := (ours / "bike_demand" / f"{module}.py").read_text()):
            (ours / "bike_demand" / f"{module}.py").write_text(text.replace(old, new))
    promote(ours)
    commit(ours)


def change(template: Path) -> None:
    """A newer version of the template: of a chapter, the README, dependencies, the library and the champion."""
    root = template / TEMPLATE.name
    old = " = 100  # trees"
    [chapter] = [path for path in root.glob("nbs/*01_train*") if old in path.read_text(encoding="utf-8")]
    replace(chapter, old, " = 120  # trees")
    replace(root / "README.md", "## Which files are yours", "## What is yours")
    replace(root / "pyproject.toml", 'version = "0.1.0"', 'version = "0.1.1"')
    replace(root / "champion.json", "No model is promoted yet", "No model yet")
    (root / "daybook" / "novelty.py").write_text('"""New in this version."""\n')
    (root / "daybook" / "when_made.py").unlink()
    commit(template)


def keep_ours(path: Path) -> None:
    """Delete the other version, and the cells that mark both."""
    notebook = nbformat.read(path, as_version=4)
    marks = [number for number, cell in enumerate(notebook.cells) if re.match(r"`(<{7}|={7}|>{7})", cell.source)]
    start, middle, end = marks
    del notebook.cells[middle : end + 1], notebook.cells[start]
    nbformat.write(notebook, path)
