"""Git merges notebooks cell by cell, and `daybook export` writes the modules that a merge left in conflict."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from updates import CELLS, commit, files, git, notebook, sources, write

from daybook.cli import main
from daybook.project import DaybookError
from daybook.version_control import export_all, run_git, set_up


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project under version control, set up; its user has no configuration of git."""
    root = tmp_path / "rentals"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "ann")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ann@example.org")
    write(root, files("v1"))
    git(root, "init", "--quiet", "--initial-branch=main")
    monkeypatch.chdir(root)
    set_up(root)
    export_all(root)
    return commit(root, "Start the project")


def two_edits(root: Path, ours: str, theirs: str) -> None:
    """Two people edit the notebook, export it, and the second merges."""
    for branch, content in (("theirs", theirs), ("ours", ours)):
        git(root, "checkout", "--quiet", "-b", branch, "main")
        write(root, {"nbs/01_train.ipynb": content})
        export_all(root)
        commit(root, branch)


def test_set_up_leaves_the_persons_own_settings_alone(project: Path, tmp_path: Path) -> None:
    assert list((tmp_path / "home").iterdir()) == []
    names = git(project, "config", "--local", "--name-only", "--get-regexp", "notebook").split()
    assert names == ["merge.notebook.driver", "diff.notebook.command"]


def test_merge_has_both_sides(project: Path) -> None:
    two_edits(
        project, notebook(*CELLS[:3], "#| export\nseed = 7"), notebook(CELLS[0], "#| export\nrate = 2", *CELLS[2:])
    )
    subprocess.run(["git", "merge", "--quiet", "--no-edit", "theirs"], cwd=project, capture_output=True)
    assert sources(project)[2::2] == ["#| export\nrate = 2", "#| export\nseed = 7"]
    export_all(project)
    module = (project / "rentals/model.py").read_text()
    assert "rate = 2" in module and "seed = 7" in module


def test_merge_of_outputs_leaves_no_conflict(project: Path) -> None:
    def ran(rate: int, output: str) -> str:
        text = json.loads(notebook(*CELLS, f"rate * {rate}"))
        data = {"data": {"text/plain": [output]}, "execution_count": None, "metadata": {}}
        text["cells"][1]["outputs"] = [{"output_type": "execute_result"} | data]
        return json.dumps(text, indent=1)

    two_edits(project, ran(3, "1"), ran(3, "2"))
    assert subprocess.run(["git", "merge", "--quiet", "--no-edit", "theirs"], cwd=project).returncode == 0
    assert '"1"' in (project / "nbs/01_train.ipynb").read_text()


@pytest.mark.parametrize("style", ["merge", "diff3"])
@pytest.mark.parametrize("driver", [True, False], ids=["driver", "no driver"])
def test_conflict_becomes_cells_and_mended_modules(project: Path, style: str, driver: bool) -> None:
    two_edits(project, notebook(CELLS[0], "#| export\nrate = 3"), notebook(CELLS[0], "#| export\nrate = 2"))
    git(project, "config", "merge.conflictStyle", style)
    if not driver:
        git(project, "config", "--unset", "merge.notebook.driver")
    assert subprocess.run(["git", "merge", "--quiet", "theirs"], cwd=project, capture_output=True).returncode == 1
    assert "<<<<<<<" in (project / "rentals/model.py").read_text()
    with pytest.raises(DaybookError, match="nbs/01_train.ipynb has a conflict in cell 3: keep one of the two"):
        export_all(project)
    path = project / "nbs/01_train.ipynb"
    text = json.loads(path.read_bytes())
    assert ["".join(cell["source"]) for cell in text["cells"][2:]] == [
        "`<<<<<<< HEAD`",
        "#| export\nrate = 3",
        "`=======`",
        "#| export\nrate = 2",
        "`>>>>>>> theirs`",
    ]
    text["cells"] = [cell for at, cell in enumerate(text["cells"]) if at in (0, 1, 5)]
    path.write_text(json.dumps(text))
    assert export_all(project) == ["model.py"]
    module = (project / "rentals/model.py").read_text()
    assert "rate = 2" in module and "<<<<<<<" not in module


def test_diff_is_of_cells(project: Path) -> None:
    write(project, {"nbs/01_train.ipynb": notebook(CELLS[0], "#| export\nrate = 2", *CELLS[2:])})
    shown = git(project, "diff", "nbs")
    assert "modified cell-1" in shown and '"source"' not in shown
    assert '+    "rate = 2"' in git(project, "diff", "--no-ext-diff", "nbs")


def test_export_says_what_it_wrote(project: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["export"]) == 0 and capsys.readouterr().out == "nothing to write\n"
    write(project, {"nbs/01_train.ipynb": notebook(*CELLS, "#| export\nnew = 1")})
    assert main(["export"]) == 0 and capsys.readouterr().out == "written: rentals/model.py\n"
    write(project, {"nbs/01_train.ipynb": "<<<<<<< HEAD\n{"})
    assert main(["export"]) == 2
    assert capsys.readouterr().err.startswith("daybook: nbs/01_train.ipynb has conflict markers of git")


@pytest.mark.parametrize("has_uv", [True, False])
def test_git_sets_up_a_clone(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, has_uv: bool
) -> None:
    """What the hook calls is run by uv: without it, no commit would be possible."""
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}" if has_uv else None)
    git(project, "config", "--unset", "merge.notebook.driver")
    assert main(["git"]) == 0
    assert "nbdev-merge" in git(project, "config", "merge.notebook.driver")
    assert (project / ".git/hooks/pre-commit").exists() == has_uv
    first, second = capsys.readouterr().out.splitlines()
    assert first == "git merges and compares notebooks by nbdev, in this clone"
    assert second.startswith("a commit formats" if has_uv else "no hook for commits: uv, which runs what it calls")


def test_run_git_is_not_led_astray(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert run_git(project, "rev-parse", "--show-toplevel") == str(project)
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(DaybookError, match="git is not installed"):
        run_git(project, "status")
