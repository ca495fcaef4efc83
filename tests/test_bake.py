"""The files of a fresh project: which they are, and that nothing of the template is left in them."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
import template
import yaml
from allpairspy import AllPairs
from template import PACKAGE, PROJECTS, ROOT, TEMPLATE, bake, copy_of_the_template

CI = {
    "github": [
        ".github/dependabot.yml",
        *(f".github/workflows/{name}.yaml" for name in ("check", "release", "weekly")),
    ],
    "gitlab": [".gitlab-ci.yml"],
    "none": [],
}
FILES = """
    .gitattributes .gitignore .pre-commit-config.yaml LICENSE README.md champion.json pyproject.toml
    .devcontainer/Dockerfile .devcontainer/devcontainer.json .vscode/extensions.json .vscode/settings.json
    deploy/alerts.yaml deploy/bento.Dockerfile deploy/compose.yaml deploy/grafana.json deploy/jobs.Dockerfile
    deploy/kubernetes.yaml deploy/kustomization.yaml deploy/prometheus.yaml
    etc/jupyter/jupyter_server_config.json
    nbs/00_data.ipynb nbs/01_train.ipynb nbs/02_service.ipynb nbs/03_drift.ipynb nbs/04_backtest.ipynb
    nbs/05_promote.ipynb nbs/tour.ipynb
    nbs/ops/contract.ipynb nbs/ops/engine.ipynb nbs/ops/gate.ipynb nbs/ops/iolog.ipynb nbs/ops/jobs.ipynb
    nbs/ops/jupyter.ipynb nbs/ops/recorder.ipynb nbs/ops/registry.ipynb nbs/ops/runs.ipynb
    bike_demand/__init__.py bike_demand/_modidx.py bike_demand/backtest.py bike_demand/data.py bike_demand/drift.py
    bike_demand/model.py bike_demand/service.py
    bike_demand/ops/__init__.py bike_demand/ops/contract.py bike_demand/ops/engine.py bike_demand/ops/gate.py
    bike_demand/ops/iolog.py bike_demand/ops/jobs.py bike_demand/ops/jupyter.py bike_demand/ops/recorder.py
    bike_demand/ops/registry.py bike_demand/ops/runs.py
    tests/conftest.py tests/no-champion.json tests/test_notebooks.py tests/test_recorder.py tests/test_service.py
""".split()


def files(project: Path) -> list[Path]:
    """All files but git's own."""
    return [path for path in project.rglob("*") if path.is_file() and ".git" not in path.relative_to(project).parts]


def expected(project: Path, ci: str = "github") -> list[str]:
    """The files that a project should have."""
    return sorted(name.replace(PACKAGE, project.name.replace("-", "_")) for name in [*FILES, *CI[ci]])


@pytest.fixture(scope="module", params=PROJECTS)
def fresh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that nobody has touched, of either task."""
    return bake(tmp_path_factory.mktemp("fresh"), task=request.param)


def test_exactly_these_files(fresh: Path) -> None:
    assert sorted(path.relative_to(fresh).as_posix() for path in files(fresh)) == expected(fresh)
    assert not [name for name in FILES if re.search(r'[<>:"|?*\\]', name)], "Windows has no such names"


def test_nothing_of_the_template_is_left(fresh: Path) -> None:
    for path in files(fresh):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"cookiecutter|\{% (raw|endraw)", text), path
        assert "daybook" not in text.lower(), path


CHOICES = OrderedDict(
    (prompt, options)
    for prompt, options in json.loads((ROOT / "cookiecutter.json").read_bytes()).items()
    if isinstance(options, list)
)


@pytest.mark.parametrize("answers", list(AllPairs(CHOICES)), ids="-".join)
def test_every_pair_of_choices(answers: NamedTuple, tmp_path: Path) -> None:
    project = bake(tmp_path, **answers._asdict())
    assert sorted(path.relative_to(project).as_posix() for path in files(project)) == expected(project, answers.ci)
    facts = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    assert facts["project"]["requires-python"] == f">={answers.python},<3.14"
    for words in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, "--no-cache", "."], cwd=project, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout
    for path in files(project):
        text = path.read_text(encoding="utf-8")
        if path.suffix in (".yaml", ".yml"):
            list(yaml.load_all(text, Loader=yaml.BaseLoader))
        elif path.suffix == ".json":
            json.loads(text)
        elif path.suffix == ".py":
            ast.parse(text, path.name, feature_version=(3, 11))
        assert not re.search(r"[ \t]$", text, re.MULTILINE) or path.suffix == ".ipynb", (
            f"{path} has blanks at the end of a line"
        )


@pytest.mark.parametrize("task", PROJECTS)
def test_no_name_of_the_default_project_is_left(task: str, tmp_path: Path) -> None:
    project = bake(tmp_path, task=task, project="a-much-longer-name-for-a-small-project", description="Other.")
    for path in files(project):
        assert not re.search(r"bike.demand\b|late.parcels\b", path.read_text(encoding="utf-8")), path


def test_template_notebooks_open_as_they_lie() -> None:
    for path in TEMPLATE.rglob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        marks = set(re.findall(r"\{\{.*?\}\}|\{%|\{#", path.read_text(encoding="utf-8")))
        assert marks <= {"{{cookiecutter.package}}", "{{cookiecutter.project}}", "{{cookiecutter.__description}}"}, path


def test_the_tasks_differ_in_data_and_model_alone(tmp_path: Path) -> None:
    own = {path.name for path in (TEMPLATE / "classification").rglob("*") if path.is_file()}
    assert own == {"00_data.ipynb", "01_train.ipynb", "data.py", "model.py"}
    assert "uci" not in (bake(tmp_path, task="classification") / "late_parcels" / "_modidx.py").read_text()


def test_home_gives_back_what_was_baked(fresh: Path) -> None:
    assert template.bring_home(fresh) == []


def test_home_restores_placeholders_and_refuses_marks(fresh: Path) -> None:
    name, line = Path("x.ipynb"), f"from {fresh.name.replace('-', '_')}.data import Row"
    assert template.with_placeholders(line, name, fresh).startswith("from {{cookiecutter.package}}.")
    with pytest.raises(ValueError, match="write it otherwise"):
        template.with_placeholders('f"{{x}}"', name, fresh)


def test_home_wants_a_default_project(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not baked from the defaults"):
        template.bring_home(tmp_path)


def run_cookiecutter(into: Path, **settings: str) -> str:
    """Generate with the command, in an environment that holds nothing but `settings`."""
    command = [sys.executable, "-m", "cookiecutter", "--no-input", "--output-dir", str(into), str(ROOT)]
    done = subprocess.run(command, env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_first_commit_where_git_is_configured(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\nname = Tester\nemail = tester@example.com\n")
    said = run_cookiecutter(tmp_path, HOME=str(home), PATH=os.environ["PATH"])
    log = subprocess.run(["git", "log", "--format=%an"], cwd=tmp_path / "bike-demand", capture_output=True, text=True)
    assert log.stdout == "Tester\n"
    assert len(said.strip().splitlines()) == 3


@pytest.mark.parametrize("path", ["", os.environ["PATH"]], ids=["no git", "git without a user"])
def test_no_commit_and_no_complaint_otherwise(tmp_path: Path, path: str) -> None:
    (tmp_path / "home").mkdir()
    said = run_cookiecutter(tmp_path, HOME=str(tmp_path / "home"), PATH=path, GIT_CONFIG_NOSYSTEM="1")
    assert not (tmp_path / "bike-demand" / ".git").exists()
    assert len(said.strip().splitlines()) == 3


def test_cruft_creates_the_same_project(tmp_path: Path) -> None:
    fresh = bake(tmp_path / "plain")
    clone = copy_of_the_template(tmp_path / "clone")
    command = [sys.executable, "-m", "cruft", "create", "--no-input", "--output-dir", str(tmp_path), str(clone)]
    subprocess.run(command, check=True, capture_output=True)
    made = tmp_path / "bike-demand"
    names = expected(fresh)
    assert {path.relative_to(made).as_posix() for path in files(made)} == {*names, ".cruft.json"}
    assert all((made / name).read_bytes() == (fresh / name).read_bytes() for name in names)
