"""A project of an earlier template becomes one of this version, and keeps what its people wrote."""

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from helpers import Project
from template import AUTHOR, ROOT, TEMPLATE, copy_of_the_template

OURS = "Our stations are closed at night."


def git(folder: Path, *args: str) -> str:
    """Run git in a folder and return what it prints."""
    return subprocess.run(["git", *AUTHOR, *args], cwd=folder, check=True, capture_output=True, text=True).stdout


def releases() -> list[str]:
    """Commits that gave the changelog the heading of a version, the newest first; none in a clone without history."""
    log = ["git", "log", "--format=%H", "-G^## [0-9]", "--", "CHANGELOG.md"]
    return subprocess.run(log, cwd=ROOT, capture_output=True, text=True).stdout.split()


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
    assert json.loads((ours / ".cruft.json").read_text())["commit"] == git(template, "rev-parse", "HEAD").strip()
    notebook = nbformat.read(ours / "nbs" / "00_data.ipynb", as_version=4)
    nbformat.validate(notebook)
    text = "\n".join(cell.source for cell in notebook.cells)
    assert OURS in text and "hour of our day" in text
    assert "holidays" in (ours / "pyproject.toml").read_text()
    modules = {path.name: path.read_bytes() for path in (template / TEMPLATE.name / "daybook").glob("*.py")}
    assert {path.name: path.read_bytes() for path in (ours / "daybook").glob("*.py")} == modules
    project.run("pytest", "-q", "--noconftest", "tests/test_notebooks.py", "-k", "clean or questions", cwd=ours)


@pytest.mark.parametrize("release", releases(), ids=lambda commit: commit[:7])
def test_update_of_a_release(release: str, template: Path, project: Project, tmp_path: Path) -> None:
    """CHANGELOG.md says what is left to do by hand."""
    ours = create(tmp_path, template, "--checkout", release)
    edit(ours)
    promote(ours)
    commit(ours)
    cruft(ours, "update", "--skip-apply-ask")
    assert git(ours, "diff", "--name-only", "--diff-filter=U").split() == ["champion.json"]
    git(ours, "checkout", "--quiet", "--ours", "champion.json")
    assert json.loads((ours / "champion.json").read_text())["model"] == "bike_demand:abc"
    assert not (ours / "nbs" / "ops").exists() and not (ours / "bike_demand" / "ops").exists()
    assert (ours / "nbs" / "07_compact.ipynb").exists() and not (ours / "bike_demand" / "backtest.py").exists()
    check(ours, template, project)


def test_update_replaces_the_library_alone(template: Path, project: Project, tmp_path: Path) -> None:
    ours = create(tmp_path, template)
    edit(ours)
    promote(ours)
    commit(ours)
    library, deploy = template / TEMPLATE.name / "daybook", template / TEMPLATE.name / "deploy" / "alerts.yaml"
    (library / "sql.py").write_text((library / "sql.py").read_text() + '\nBRACES = "{{ 1 }} {% 2 %}"\n')
    (library / "novelty.py").write_text('"""New in this version."""\n')
    deploy.write_text(deploy.read_text().replace("for: 2m", "for: 3m"))
    (template / TEMPLATE.name / "champion.json").write_text('{"model": null, "reason": "Changed."}\n')
    commit(template)
    cruft(ours, "update", "--skip-apply-ask")
    changed = {line[3:] for line in git(ours, "status", "--porcelain").splitlines()}
    assert changed == {".cruft.json", "daybook/novelty.py", "daybook/sql.py", "deploy/alerts.yaml"}
    assert json.loads((ours / "champion.json").read_text())["model"] == "bike_demand:abc"
    check(ours, template, project)
