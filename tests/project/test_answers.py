"""Every answer to a prompt is either refused in one sentence, or reaches all files as it was given."""

import itertools
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
from helpers import Project
from markdown_it import MarkdownIt
from template import ROOT, bake

HOSTILE = {
    "description": "Räder & \"Fahrten\": C:\\new\\table <b>1</b> 'ok' \\o/ \U0001f6b2 100% $HOME #1",
    "author": 'Zoë "Zed" O\'Neill \\ Søn, Jr. <\U0001f469\u200d\U0001f52c>',
}


def cookiecutter(into: Path, *answers: str) -> subprocess.CompletedProcess:
    """The command as a user types it."""
    command = [sys.executable, "-m", "cookiecutter", "--no-input", "--output-dir", str(into), str(ROOT), *answers]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        ("project=Bike-Demand", "bike-demand"),
        ("project=bike demand", "bike-demand"),
        ("project=3bikes", "bikes"),
        ("project=fahrräder", "fahrrader"),
        ("project=../bikes", "bikes"),
        ("project=a/b", "a-b"),
        ("project=a\\b", "a-b"),
        ("project=..", "already exists"),  # cookiecutter says so itself, before any hook
        ("project=-bikes", "bikes"),
        ("project=bikes-", "bikes"),
        ("project=pandas", "pandas-model"),
        ("project=scikit-learn", "scikit-learn-model"),
        ("project=json", "json-model"),
        ("project=no", "no-model"),
        ("project=自転車", "my-model"),
        (f"project={'x' * 41}", "x" * 40),
        ("package=json", "json_model"),
        ("package=test", "test_model"),
        ("package=tests", "tests_model"),
        ("package=bentoml", "bentoml_model"),
        ("package=sklearn", "sklearn_model"),
        ("package=class", "class_model"),
        ("package=bike-demand", "bike_demand"),
        ("package=2bikes", "bikes"),
        ("package=bike.demand", "bike_demand"),
        ("package=__init__", "init"),
        ("package=aux", "aux_model"),
        ("email=nobody", "you@example.com"),
        ("email=a b@example.com", "you@example.com"),
        ('email="x"@example.com', "you@example.com"),
        ("description=two\nlines", "one line"),
        ("author=tab\there", "one line"),
        ("author= ", "one line"),
        ("description=", "one line"),
    ],
)
def test_hook_refuses_what_would_break(tmp_path: Path, answer: str, advice: str) -> None:
    done = cookiecutter(tmp_path, answer)
    assert done.returncode != 0
    sentences = [line for line in (done.stderr + done.stdout).splitlines() if advice in line]
    assert len(sentences) == 1, done.stderr
    assert not [path for path in tmp_path.rglob("*") if path.is_file()], "something was left behind"


def test_hook_suggests_what_it_accepts(tmp_path: Path) -> None:
    for answer in ("project=Bike Demand", "project=json", "project=12", "package=class", "project=Ünï-cödé"):
        name, _, _ = answer.partition("=")
        folder = tmp_path / answer.encode().hex()
        refusal = cookiecutter(folder, answer).stderr
        suggestion = re.search(rf"^{name} .* type '([^']+)' instead", refusal, re.MULTILINE)[1]
        assert cookiecutter(folder, f"{name}={suggestion}").returncode == 0, suggestion


@pytest.mark.parametrize("mark", ["{{ x }}", "{% x %}", "{# x"])
def test_hook_refuses_a_template_in_a_text(tmp_path: Path, mark: str) -> None:
    """cookiecutter renders what comes from its command line; what is typed at a prompt comes to the hook as it is."""
    assert cookiecutter(tmp_path, f"description=before {mark} after").returncode != 0
    typed = ["1", "bike-demand", "bike_demand", f"before {mark} after", "Me", "me@example.com", "1", "1", "1", "1"]
    command = [sys.executable, "-m", "cookiecutter", "--output-dir", str(tmp_path), str(ROOT)]
    done = subprocess.run(command, input="\n".join(typed) + "\n", capture_output=True, text=True)
    assert "must be one line of text, not blank, without a brace before another" in done.stderr
    assert not list(tmp_path.iterdir())


def taken_names() -> set[str]:
    """What the hook refuses, beside Python's own names."""
    return set(json.loads((ROOT / "cookiecutter.json").read_bytes())["_taken"])


def test_hook_knows_the_direct_dependencies(project: Project) -> None:
    facts = tomllib.loads((project.root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*facts["dependencies"], *itertools.chain(*facts["optional-dependencies"].values())]
    dependencies = {re.match(r"[\w.-]+", line)[0] for line in lines} - {facts["name"]}
    script = (
        "import importlib.metadata as m;"
        "print(*(f'{name}={found}' for name, all in m.packages_distributions().items() for found in all))"
    )
    modules = [pair.split("=") for pair in project.python(script).split()]
    names = dependencies | {name for name, distribution in modules if distribution in dependencies}
    assert {"sklearn", "scikit-learn", "bentoml", "click"} <= names
    names = {re.sub(r"[-.]", "_", name) for name in names if re.match("[a-z]", name)} - {"bike_demand", "daybook"}
    assert names - taken_names() == set()
    assert not {"cloudpickle", "starlette", "job", "classification"} & taken_names(), "the list is short"


def test_hook_knows_the_projects_folders(project: Project) -> None:
    folders = {path.name for path in project.root.iterdir() if path.is_dir()} - {"bike_demand"}
    ignored = re.findall(r"^/(\w+)/$", (project.root / ".gitignore").read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for name in {*folders, *ignored} if name.isidentifier() and name[0].isalpha()} <= taken_names()


def test_answers_arrive_unbroken(tmp_path: Path) -> None:
    project = bake(tmp_path, **HOSTILE)
    facts = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert facts["description"] == HOSTILE["description"]
    assert facts["authors"] == [{"name": HOSTILE["author"], "email": "you@example.com"}]
    chapter = nbformat.read(project / "nbs" / "00_data.ipynb", as_version=4)
    assert any(HOSTILE["description"] in cell.source for cell in chapter.cells)
    assert HOSTILE["author"] in (project / "LICENSE").read_text(encoding="utf-8")
    readme = MarkdownIt().parse((project / "README.md").read_text(encoding="utf-8"))
    assert HOSTILE["description"] in [
        "".join(part.content for part in token.children) for token in readme if token.type == "inline"
    ]
    assert all(json.loads(file.read_bytes()) for file in project.rglob("*.json"))


@pytest.mark.parametrize(
    ("licence", "python"),
    [("MIT", "3.11"), ("Apache-2.0", "3.12"), ("BSD-3-Clause", "3.13"), ("Proprietary", "3.14")],
)
def test_choices_are_rendered(tmp_path: Path, licence: str, python: str) -> None:
    project = bake(tmp_path, license=licence, python=python)
    facts = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    assert facts["project"]["license"] == ("LicenseRef-Proprietary" if licence == "Proprietary" else licence)
    assert facts["project"]["requires-python"] == ">=3.11,<3.15"
    assert f"python:{python}-slim" in (project / "deploy" / "jobs.Dockerfile").read_text(encoding="utf-8")
    text = (project / "LICENSE").read_text(encoding="utf-8")
    opening = {"MIT": "MIT License", "Apache-2.0": "Apache License", "BSD-3-Clause": "BSD 3-Clause"}
    assert opening.get(licence, "All rights reserved") in text
    assert "Your Name" in text


def test_prompts_have_labels() -> None:
    context = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
    prompts = {name for name in context if not name.startswith("_")}
    assert set(context["__prompts__"]) == prompts
    assert len(prompts) <= 10
