"""The files of a fresh project: which they are, and that nothing of the template is left in them."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
import yaml
from allpairspy import AllPairs
from template import AUTHOR, PACKAGE, PROJECTS, ROOT, TEMPLATE, bake, copy_of_the_template

CI = {
    "github": [
        ".github/dependabot.yml",
        *(f".github/workflows/{name}.yaml" for name in ("check", "release", "weekly")),
    ],
    "gitlab": [".gitlab-ci.yml"],
    "none": [],
}
FILES = """
    .gitattributes .gitignore .pre-commit-config.yaml AGENTS.md LICENSE README.md champion.json pyproject.toml
    .devcontainer/Dockerfile .devcontainer/devcontainer.json .vscode/extensions.json .vscode/settings.json
    deploy/alerts.yaml deploy/bento.Dockerfile deploy/compose.yaml deploy/grafana.json deploy/jobs.Dockerfile
    deploy/kubernetes.yaml deploy/kustomization.yaml
    etc/jupyter/jupyter_server_config.json
    nbs/00_data.ipynb nbs/01_train.ipynb nbs/02_service.ipynb nbs/03_drift.ipynb nbs/04_backtest.ipynb
    nbs/05_promote.ipynb nbs/06_score.ipynb nbs/07_compact.ipynb nbs/tour.ipynb
    bike_demand/__init__.py bike_demand/data.py bike_demand/model.py bike_demand/service.py
    tests/conftest.py tests/test_notebooks.py tests/test_service.py
""".split()


def files(project: Path) -> Iterator[Path]:
    """All files but git's own and the library's."""
    for path in project.rglob("*"):
        if path.is_file() and path.relative_to(project).parts[0] not in (".git", "daybook"):
            yield path


def names(project: Path) -> list[str]:
    """Their names below the project."""
    return sorted(path.relative_to(project).as_posix() for path in files(project))


def expected_names(project: Path, ci: str = "github") -> list[str]:
    """The names that a project should have."""
    return sorted(name.replace(PACKAGE, project.name.replace("-", "_")) for name in [*FILES, *CI[ci]])


def check_with_ruff(project: Path) -> None:
    """Lint and format find nothing to change."""
    for args in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *args, "--no-cache", "."]
        done = subprocess.run(command, cwd=project, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module", params=PROJECTS)
def fresh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that is as it was baked: of either task, and with a network."""
    return bake(tmp_path_factory.mktemp("fresh"), **PROJECTS[request.param])


def test_project_has_exactly_these_files(fresh: Path) -> None:
    assert names(fresh) == expected_names(fresh)
    assert len(expected_names(fresh)) <= 40
    library = {path.name: path.read_bytes() for path in (TEMPLATE / "daybook").glob("*.py") if path.name[:2] != "_m"}
    assert {path.name: path.read_bytes() for path in (fresh / "daybook").iterdir()} == library
    assert len(library) > 10


def test_template_has_names_that_windows_allows() -> None:
    for path in TEMPLATE.rglob("*"):
        assert not re.search(r'[<>:"|?*\\]|[ .]$', path.relative_to(TEMPLATE).as_posix()), path


def test_project_has_nothing_of_the_template(fresh: Path) -> None:
    for path in files(fresh):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"cookiecutter|\{% (raw|endraw|if|endif)", text), path


def test_chapters_show_no_results_of_another_project(fresh: Path) -> None:
    own = {"late-parcels": {"00_data"}, "bike-net": {"00_data", "01_train"}}.get(fresh.name)
    for path in fresh.glob("nbs/*.ipynb"):
        outputs = [cell.outputs for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        assert any(outputs) is (path.stem != "tour" and (own is None or path.stem in own)), path


CHOICES = OrderedDict(
    (prompt, options)
    for prompt, options in json.loads((ROOT / "cookiecutter.json").read_bytes()).items()
    if isinstance(options, list) and not prompt.startswith("_")
)
PAIRS = list(AllPairs(CHOICES))


@pytest.mark.parametrize(
    "answers",
    [pytest.param(pair, marks=[pytest.mark.long] if at > 2 else []) for at, pair in enumerate(PAIRS)],
    ids="-".join,
)
def test_bake_with_every_pair_of_choices(answers: NamedTuple, tmp_path: Path) -> None:
    project = bake(tmp_path, **answers._asdict())
    assert names(project) == expected_names(project, answers.ci)
    assert (project / ".github").exists() is (answers.ci == "github")
    tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    check_with_ruff(project)
    for path in files(project):
        text = path.read_text(encoding="utf-8")
        if path.suffix in (".yaml", ".yml"):
            list(yaml.load_all(text, Loader=yaml.BaseLoader))
        elif path.suffix == ".json":
            json.loads(text)
        elif path.suffix == ".py":
            ast.parse(text, path.name, feature_version=(3, 11))
        assert not re.search(r"[ \t]$", text, re.MULTILINE) or path.suffix == ".ipynb", f"{path} ends a line in blanks"


@pytest.mark.parametrize("name", ["a", "z-name-of-forty-letters-for-a-tiny-thing"], ids=len)
@pytest.mark.parametrize("answers", PROJECTS.values(), ids=PROJECTS)
def test_bake_leaves_no_name_of_the_default_project(answers: dict[str, str], name: str, tmp_path: Path) -> None:
    project = bake(tmp_path, **answers | {"project": name, "description": "Other."})
    check_with_ruff(project)  # neither the order of imports nor the length of lines depends on the name
    for path in files(project):
        assert not re.search(r"bike.demand\b|late.parcels\b|bike.net\b", path.read_text(encoding="utf-8")), path


def test_template_notebooks_open_as_they_lie() -> None:
    paths = [path for path in TEMPLATE.glob("nbs/*.ipynb*") if path.is_file()]
    assert len(paths) == 11
    for path in paths:
        nbformat.validate(nbformat.read(path, as_version=4))
        marks = set(re.findall(r"\{\{.*?\}\}|\{%|\{#", path.read_text(encoding="utf-8")))
        assert marks <= {"{{cookiecutter.package}}", "{{cookiecutter.project}}", "{{cookiecutter.__description}}"}, path


def run_cookiecutter(folder: Path, **settings: str) -> str:
    """Generate with the command, in an environment that holds nothing but `settings`."""
    command = [sys.executable, "-m", "cookiecutter", "--no-input", "--output-dir", str(folder), str(ROOT)]
    done = subprocess.run(command, env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def person(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody whose git knows a name."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\nname = Tester\nemail = tester@example.com\n")
    return {"HOME": str(home), "PATH": os.environ["PATH"]}


def git_log(folder: Path) -> str:
    """Authors and messages of the commits in a folder."""
    log = ["git", "log", "--format=%an %s"]
    return subprocess.run(log, cwd=folder, capture_output=True, text=True).stdout


def test_hook_commits_where_git_is_configured(tmp_path: Path, person: dict[str, str]) -> None:
    output = run_cookiecutter(tmp_path, **person)
    assert git_log(tmp_path / "bike-demand") == "Tester Start the project\n"
    assert len(output.strip().splitlines()) == 4


def test_hook_looks_at_no_other_repository(tmp_path: Path, person: dict[str, str]) -> None:
    """As a git hook calls it, and with the new project inside of another repository."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("mine")
    for args in (["init", "--quiet"], ["add", "."], [*AUTHOR, "commit", "--quiet", "--message=mine"]):
        subprocess.run(["git", *args], cwd=other, check=True)
    index = (other / ".git" / "index").read_bytes()
    pointers = {
        "GIT_DIR": str(other / ".git"),
        "GIT_WORK_TREE": str(other),
        "GIT_INDEX_FILE": str(other / ".git" / "index"),
    }
    run_cookiecutter(
        other / "inside", **person, **pointers, GIT_PREFIX="", GIT_OBJECT_DIRECTORY=str(other / ".git/objects")
    )
    assert git_log(other) == "Tester mine\n" and (other / ".git" / "index").read_bytes() == index
    assert git_log(other / "inside" / "bike-demand") == "Tester Start the project\n"


@pytest.mark.parametrize("path", ["", os.environ["PATH"]], ids=["no git", "git without a user"])
def test_hook_commits_nothing_otherwise(tmp_path: Path, path: str) -> None:
    (tmp_path / "home").mkdir()
    output = run_cookiecutter(tmp_path, HOME=str(tmp_path / "home"), PATH=path, GIT_CONFIG_NOSYSTEM="1")
    assert not (tmp_path / "bike-demand" / ".git").exists()
    assert len(output.strip().splitlines()) == 4


def test_hooks_are_short() -> None:
    assert sum(path.read_text(encoding="utf-8").count("\n") for path in ROOT.glob("hooks/*.py")) < 80


def test_cruft_creates_the_same_project(tmp_path: Path) -> None:
    fresh = bake(tmp_path / "plain")
    clone = copy_of_the_template(tmp_path / "clone")
    command = [sys.executable, "-m", "cruft", "create", "--no-input", "--output-dir", str(tmp_path), str(clone)]
    subprocess.run(command, check=True, capture_output=True)
    project = tmp_path / "bike-demand"
    assert set(names(project)) == {*names(fresh), ".cruft.json"}
    for name in set(names(fresh)) - {"pyproject.toml"}:  # it names the template, which is a clone here
        assert (project / name).read_bytes() == (fresh / name).read_bytes()
