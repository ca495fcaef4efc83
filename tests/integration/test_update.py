"""An update merges a new version of the template by git, keeps what people wrote, and can be killed at any moment."""

import itertools
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from updates import CELLS, OURS, THEIRS, VERSIONS, Files, check_both, commit, export, files, git, notebook, write

from daybook import update
from daybook.project import DaybookError
from daybook.update import update_project


@pytest.fixture
def template(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Files]:
    """What each version of the template generates."""
    versions: dict[str, Files] = {"v1": files("v1"), "v2": files("v2")}
    names = {commit: name for name, commit in VERSIONS.items()}

    def generate(clone: Path, commit: str, origin: object, folder: Path) -> Path:
        write(folder, versions[names[commit]])
        return folder

    monkeypatch.setattr(update, "clone_template", lambda template, root, folder: folder / "clone")
    monkeypatch.setattr(update, "commit_of", lambda clone, version: VERSIONS[version or "v2"])
    monkeypatch.setattr(update, "generate", generate)
    monkeypatch.setattr(update, "_export", export)
    return versions


@pytest.fixture
def project(template: dict[str, Files], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of the first version, in one commit."""
    root = tmp_path / "rentals"
    write(root, files("v1"))
    for args in (
        ["init", "--initial-branch=main"],
        ["config", "user.name", "ann"],
        ["config", "user.email", "a@b.org"],
    ):
        git(root, *args)
    monkeypatch.chdir(root)
    return commit(root, "Start the project")


def test_update_has_both_sides(project: Path, template: dict[str, Files]) -> None:
    template["v2"] |= THEIRS
    commit(project, "ours", OURS)
    done, left = update_project(project)
    assert (done, left) == ("done: the update from commit 1111111 to commit 2222222 of ../daybook", "")
    check_both(project)
    head = git(project, "rev-parse", "HEAD")
    assert update_project(project) == ("already up to date: commit 2222222 of ../daybook", "")
    assert git(project, "rev-parse", "HEAD") == head


def test_update_starts_from_the_first_commit_or_from_the_update_before(
    project: Path, template: dict[str, Files]
) -> None:
    first = git(project, "rev-parse", "HEAD")
    template["v3"] = template["v2"] | {"pyproject.toml": files("v3")["pyproject.toml"], "README.md": "3\n"}
    commit(project, "ours", {"README.md": "Our rentals\n\n\nThe end\n"})
    update_project(project)
    assert git(project, "rev-parse", "daybook-template^") == first
    second = git(project, "rev-parse", "daybook-template")
    git(project, "branch", "-D", "daybook-template")
    _, left = update_project(project, version="v3")
    assert left == "README.md has a conflict"
    assert git(project, "rev-parse", "daybook-template^") == second


@pytest.mark.parametrize("how", ["squashed", "more in the first commit", "in a folder of a larger repository"])
def test_update_finds_its_way_without_a_common_commit(
    project: Path, template: dict[str, Files], how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template["v2"] |= THEIRS
    if how == "squashed":
        template["v3"] = template["v2"] | {"pyproject.toml": files("v3")["pyproject.toml"], "LICENSE": "new\n"}
        commit(project, "ours", OURS)
        update_project(project)
        for args in (["checkout", "--quiet", "--orphan", "other"], ["commit", "--quiet", "--message=all of it"]):
            git(project, *args)
        git(project, "branch", "-D", "main", "daybook-template")
        update_project(project, version="v3")
        assert (project / "LICENSE").read_text() == "new\n"
        project = commit(project, "back", {"pyproject.toml": files("v2")["pyproject.toml"]})
    else:
        write(project, OURS | {"uv.lock": "1\n"})
        if how == "in a folder of a larger repository":
            (tmp_path / "all").mkdir()
            project = project.rename(tmp_path / "all" / "rentals")
            monkeypatch.chdir(project)
        top = project.parent if project.parent.name == "all" else project
        subprocess.run(["rm", "-r", project / ".git"], check=True)
        for args in (
            ["init", "--initial-branch=main"],
            ["config", "user.name", "a"],
            ["config", "user.email", "a@b.c"],
        ):
            git(top, *args)
        commit(top, "all of it")
        update_project(project)
        assert (project / "uv.lock").exists()
    check_both(project)


def test_update_leaves_a_conflict_as_cells(project: Path, template: dict[str, Files]) -> None:
    template["v2"] |= {"nbs/01_train.ipynb": notebook(CELLS[0], "#| export\nrate = 2", *CELLS[2:])}
    commit(project, "ours", {"nbs/01_train.ipynb": notebook(CELLS[0], "#| export\nrate = 3", *CELLS[2:])})
    git(project, "config", "merge.conflictStyle", "diff3")
    before = (project / "rentals/model.py").read_bytes()
    done, left = update_project(project)
    assert done.startswith("not finished") and left.startswith("nbs/01_train.ipynb has a conflict in cell 3: keep one")
    assert (project / "rentals/model.py").read_bytes() == before
    with pytest.raises(DaybookError, match="a merge is under way"):
        update_project(project)
    assert len(json.loads((project / "nbs/01_train.ipynb").read_bytes())["cells"]) == len(CELLS) + 1 + 4


def test_update_leaves_a_conflict_in_pyproject(project: Path, template: dict[str, Files]) -> None:
    text = template["v2"]["pyproject.toml"]
    template["v2"] |= {"pyproject.toml": text.replace('version = "1"', 'version = "2"')}
    commit(project, "ours", {"pyproject.toml": files("v1")["pyproject.toml"].replace('version = "1"', 'version = "3"')})
    done, left = update_project(project)
    assert done.startswith("not finished") and left == "pyproject.toml has a conflict"


def test_update_replaces_the_library_and_says_so(project: Path, template: dict[str, Files]) -> None:
    template["v2"] |= {"daybook/sql.py": "library = 2\n"}
    commit(project, "ours", {"daybook/sql.py": "library = 'ours'\n", "daybook/own.py": ""})
    done, left = update_project(project)
    assert "your edits of the library are replaced" in done and "-- daybook/own.py daybook/sql.py" in done and not left
    assert [path.name for path in (project / "daybook").iterdir()] == ["sql.py"]


def test_update_keeps_deleted_files_deleted(project: Path, template: dict[str, Files]) -> None:
    template["v2"] |= {"README.md": "changed\n"}
    git(project, "rm", "--quiet", "README.md")
    commit(project, "ours")
    assert update_project(project)[1] == "" and not (project / "README.md").exists()


def test_update_keeps_an_adopted_chapter(project: Path, template: dict[str, Files]) -> None:
    for version, number in (("v1", 1), ("v2", 2)):
        cells = ["#| default_exp data", f'#| export\nSOURCE = "sample"\nrows = {number}']
        template[version] |= {"nbs/00_data.ipynb": notebook(*cells)}
    commit(project, "ours", {"nbs/00_data.ipynb": notebook("#| default_exp data", '#| export\nSOURCE = "orders.csv"')})
    export(project)
    commit(project, "exported")
    assert update_project(project)[1] == ""
    assert "orders.csv" in (project / "rentals/data.py").read_text()


def test_update_notes_its_commit_for_cruft(project: Path, template: dict[str, Files]) -> None:
    commit(project, "linked", {".cruft.json": json.dumps({"commit": VERSIONS["v1"]})})
    update_project(project)
    assert json.loads((project / ".cruft.json").read_text()) == {"commit": VERSIONS["v2"]}
    assert git(project, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("echo more >> README.md", "there are uncommitted changes"),
        ("git checkout --quiet --detach", "check out the branch"),
        ("git checkout --quiet -b daybook-template", "check out the branch"),
        ("rm -r .git", "no commit that an update could start from"),
        ("sed -i s/1111/11x1/ pyproject.toml && git commit -qam x", "write the commit of the template"),
        ("sed -i /tool.daybook/d pyproject.toml && git commit -qam x", r"no whole table \[tool.daybook\]"),
        ("mkdir -p daybook && touch daybook/log.py", "untracked working tree files would be overwritten"),
    ],
)
def test_update_refuses_in_one_sentence(project: Path, template: dict[str, Files], command: str, reason: str) -> None:
    template["v2"] |= THEIRS
    subprocess.run(command, shell=True, cwd=project, check=True)
    before = {path: path.read_bytes() for path in project.rglob("*.*") if path.is_file() and ".git" not in path.parts}
    with pytest.raises(DaybookError, match=reason) as refused:
        update_project(project)
    assert "\n" not in str(refused.value)
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.long
def test_update_may_be_killed_between_any_two_steps(
    project: Path, template: dict[str, Files], monkeypatch: pytest.MonkeyPatch
) -> None:
    template["v2"] |= THEIRS
    commit(project, "ours", OURS)
    run_git: Callable = update.run_git
    calls = 0

    def killed_at(number: int) -> Callable:
        def run(*args: str, **settings: str) -> str:
            nonlocal calls
            calls += 1
            if calls == number:
                raise KeyboardInterrupt
            return run_git(*args, **settings)

        return run

    mine = git(project, "rev-parse", "HEAD^{tree}")
    for number in itertools.count(1):
        calls = 0
        monkeypatch.setattr(update, "run_git", killed_at(number))
        try:
            update_project(project)
            break
        except KeyboardInterrupt:
            monkeypatch.setattr(update, "run_git", run_git)
        git(project, "reset", "--quiet", "--hard")
        assert git(project, "status", "--porcelain") == ""
        assert git(project, "rev-parse", "HEAD^{tree}") == mine
    assert number > 30
    check_both(project)
