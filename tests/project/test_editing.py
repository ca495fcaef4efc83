"""What keeps a team's notebooks clean: the hook of a commit, the merge driver, the editor's settings."""

import json
import subprocess
import sys

import nbformat
import pytest
from helpers import Project
from template import environment

NOTEBOOK = "nbs/00_data.ipynb"


@pytest.fixture(scope="module")
def clone(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A teammate's clone, set up by the command that a dev container runs."""
    root = tmp_path_factory.mktemp("clone") / "bike-demand"
    subprocess.run(["git", "clone", "--quiet", project.root, root], check=True)
    person = {
        f"GIT_{role}_{key}": "tester@example.com" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")
    }
    settings = environment(HOME=project.settings["HOME"], UV_PYTHON=sys.executable, **person)
    clone = Project(root, root / ".venv" / "bin", settings)
    container = json.loads((root / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    clone.type(container["postCreateCommand"])
    return clone


@pytest.fixture(autouse=True)
def as_cloned(clone: Project) -> None:
    """Each test begins with what was cloned."""
    clone.type(
        "git merge --abort 2> /dev/null || true; git checkout --quiet --force origin/main && git clean --quiet --force"
    )


def save(project: Project, old: str, new: str, editor: str = "VS Code") -> None:
    """Edit a cell, and save the notebook with what an editor adds."""
    path = project.root / NOTEBOOK
    notebook = nbformat.read(path, as_version=4)
    [cell] = [cell for cell in notebook.cells if old in cell.source]
    cell.source = cell.source.replace(old, new)
    cell.metadata["vscode"] = {"languageId": "python"}
    notebook.metadata["language_info"] = {"name": "python", "version": "3.11.7"}
    notebook.metadata["kernelspec"]["display_name"] = f".venv ({editor})"
    for number, other in enumerate(code for code in notebook.cells if code.cell_type == "code"):
        other.execution_count = number + len(editor)
    nbformat.write(notebook, path)


def test_commit_is_clean_exported_and_formatted(clone: Project) -> None:
    save(clone, "hour of the day, 0 to 23", "the hour,   0 to 23")
    refused = clone.type("git commit --all --message='Say it otherwise'", code=1)
    for hook in ("nbdev-clean", "nbdev-export"):
        assert hook in refused and "files were modified by this hook" in refused
    clone.type("git commit --all --message='Say it otherwise'")
    assert clone.type("git status --porcelain --untracked-files=no") == ""
    assert clone.type("git show --stat --format= --name-only").split() == ["bike_demand/data.py", NOTEBOOK]
    assert ".venv" not in (clone.root / NOTEBOOK).read_text(encoding="utf-8")


def test_vs_code_saves_what_jupyter_saves(clone: Project) -> None:
    save(clone, "hour of the day, 0 to 23", "the hour, 0 to 23")
    settings = json.loads((clone.root / ".vscode" / "settings.json").read_text(encoding="utf-8"))
    [on_save] = settings["emeraldwalk.runonsave"]["commands"]
    clone.type(on_save["cmd"].replace("${file}", str(clone.root / NOTEBOOK)))
    changed = [
        line
        for line in clone.type("git diff --no-ext-diff --unified=0").splitlines()
        if line[0] in "+-" and line[1] not in "+-"
    ]
    assert len(changed) == 4, changed  # a line of the notebook and one of its module, before and after


def two_edits(clone: Project, first: str, second: str, line: str = "hour of the day, 0 to 23") -> None:
    """Two people save a version of a line each, and what their editors add."""
    for branch, old, new, editor in (
        ("ours", "hour of the day, 0 to 23", first, "VS Code"),
        ("theirs", line, second, "x"),
    ):
        clone.type(f"git checkout --quiet -B {branch} origin/main")
        save(clone, old, new, editor)
        clone.type("git commit --quiet --all --no-verify --message=edit")
    clone.type("git checkout --quiet ours")


@pytest.mark.filterwarnings(
    "ignore::nbformat.warnings.MissingIDFieldWarning", "ignore::nbformat.warnings.DuplicateCellId"
)
def test_merge_leaves_a_notebook_that_opens(clone: Project) -> None:
    two_edits(clone, "hour as we say", "hour as they say")
    output = clone.type("git merge --quiet theirs", code=1)
    assert "CONFLICT" in output
    merged = nbformat.read(clone.root / NOTEBOOK, as_version=4)
    nbformat.validate(merged)
    text = "\n".join(cell.source for cell in merged.cells)
    assert all(part in text for part in ("<<<<<<<", "hour as we say", "hour as they say"))
    refused = clone.type("uv run daybook export", code=2)
    number = next(at for at, cell in enumerate(merged.cells, 1) if "<<<<<<<" in cell.source)
    assert f"{NOTEBOOK} has a conflict in cell {number}: keep one of the two versions" in refused


def test_merge_has_both_edits_and_export_their_modules(clone: Project) -> None:
    two_edits(clone, "hour as we say", "a million degrees", "air temperature, 0 is -8 °C and 1 is +39 °C")
    clone.type("git merge --quiet --no-edit theirs")
    assert "bike_demand/data.py" in clone.type("uv run daybook export")
    module = (clone.root / "bike_demand" / "data.py").read_text(encoding="utf-8")
    assert "hour as we say" in module and "a million degrees" in module


def test_merge_ignores_what_only_editors_have_changed(clone: Project) -> None:
    two_edits(clone, "the hour", "the hour")
    clone.type("git merge --quiet theirs")
    assert "<<<<<<<" not in (clone.root / NOTEBOOK).read_text(encoding="utf-8")
