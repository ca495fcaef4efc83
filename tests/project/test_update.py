"""A project of an earlier template becomes one of this version, and keeps what its people wrote."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import Project
from pages import commands, inline
from template import ROOT, TEMPLATE, environment
from updating import (
    OURS,
    by_cookiecutter,
    change,
    check,
    commit,
    create,
    cruft,
    edit,
    edit_by_hand,
    git,
    keep_ours,
    promote,
    replace,
)

pytest_plugins = "updating"
PAGE = "deployment.md"


def releases() -> list[str]:
    """Commits that gave the changelog the heading of a version, the newest first; none in a clone without history."""
    log = ["git", "log", "--format=%H", "-G^## [0-9]", "--", "CHANGELOG.md"]
    return subprocess.run(log, cwd=ROOT, capture_output=True, text=True).stdout.split()


@pytest.mark.long
def test_page_takes_a_project_of_the_first_edition_over(template: Path, project: Project, tmp_path: Path) -> None:
    if len(releases()) < 2:
        pytest.skip("this clone has no history")
    *_, second, _ = releases()
    git(template, "tag", "v0.2.0", second)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    person = Project(tmp_path, tmp_path, environment(PATH=path, HOME=str(tmp_path)))
    person.type(f"{inline(PAGE, 'cruft create')} --no-input {template} --checkout v0.2.0")
    ours = tmp_path / "bike-demand"
    (ours / ".cruft.json").unlink()  # as if cookiecutter had made it
    git(ours, "init", "--quiet")
    commit(ours)
    edit(ours)
    commit(ours)
    link, update = inline(PAGE, "cruft link"), inline(PAGE, "cruft update --skip")
    person.type(f"cd bike-demand\nprintf '\\n%.0s' {{1..40}} | {link} {template}")
    commit(ours)
    person.type(f"cd bike-demand\n{update}")
    assert git(ours, "diff", "--name-only", "--diff-filter=U").split() == []
    check(ours, template, project)


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
    assert changed == {".cruft.json", "daybook/novelty.py", "daybook/sql.py", "deploy/alerts.yaml", "pyproject.toml"}
    assert json.loads((ours / "champion.json").read_text())["model"] == "bike_demand:abc"
    check(ours, template, project)


@pytest.mark.parametrize("maker", ["cookiecutter", "cruft"])
def test_update_by_git_has_both_sides(maker: str, template: Path, project: Project, tmp_path: Path) -> None:
    ours = by_cookiecutter(tmp_path, template) if maker == "cookiecutter" else create(tmp_path, template)
    edit_by_hand(ours)
    change(template)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "cookiecutter").symlink_to(Path(sys.executable).with_name("cookiecutter"))
    person = {f"GIT_{role}_{key}": "t@example.com" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
    path = {"PATH": f"{project.settings['PATH']}{os.pathsep}{tmp_path / 'bin'}"}
    output = project.run("daybook", "update", cwd=ours, **person, **path)
    assert output.startswith("done: the update from commit ")
    assert git(ours, "status", "--porcelain") == ""
    text = (ours / "nbs" / "01_train.ipynb").read_text(encoding="utf-8")
    assert "how much a tree weighs" in text and " = 120  # trees" in text
    assert "Predicts rentals." in (ours / "bike_demand" / "service.py").read_text()
    assert 'version = "0.1.1"' in (ours / "pyproject.toml").read_text()
    assert "## What is yours" in (ours / "README.md").read_text()
    assert json.loads((ours / "champion.json").read_text())["model"] == "bike_demand:abc"
    check(ours, template, project)
    assert "already up to date" in project.run("daybook", "update", cwd=ours, **person, **path)
    if maker == "cruft":
        cruft(ours, "check")


@pytest.mark.long
def test_page_updates_and_rolls_back(template: Path, tmp_path: Path) -> None:
    ours = by_cookiecutter(tmp_path, template)
    home = {"HOME": str(tmp_path / "home"), "BENTOML_HOME": str(tmp_path / "bentoml"), "GIT_EDITOR": "true"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings = environment(PATH=path, UV_PYTHON=sys.executable, **home)

    enter = Project(ours, ours / ".venv" / "bin", settings).type
    [back], [update, after_a_conflict] = (commands(PAGE, heading) for heading in ("Roll back", "Updates"))
    enter("uv sync --quiet")
    for trees in (5, 6):
        enter(f"uv run daybook run train -p max_iter={trees} -p end=2011-04-01")
        enter("uv run daybook run promote -p candidate=latest -p reason=trial -p force=true")
    champion = json.loads((ours / "champion.json").read_text())
    enter(back)
    assert json.loads((ours / "champion.json").read_text())["model"] == champion["previous"] != champion["model"]

    edit_by_hand(ours)
    replace(ours / "nbs" / "01_train.ipynb", " = 100  # trees", " = 140  # trees")
    enter("uv run daybook export")
    commit(ours)
    change(template)
    assert "01_train" in enter("uv run daybook update", code=3)
    enter(inline(PAGE, "git reset --hard"))
    assert git(ours, "status", "--porcelain") == "" and OURS in enter(inline(PAGE, "git diff daybook-template"))
    assert "01_train" in enter("uv run daybook update", code=3)
    keep_ours(ours / "nbs" / "01_train.ipynb")
    enter(after_a_conflict)
    assert " = 140  # trees" in (ours / "nbs" / "01_train.ipynb").read_text(encoding="utf-8")
    assert git(ours, "status", "--porcelain") == ""
    assert "already up to date" in enter(update)
