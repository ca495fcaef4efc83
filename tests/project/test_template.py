"""The maintainers' commands: chapters that were edited in a baked project come back into the template."""

import subprocess
import sys
from pathlib import Path

import pytest
from template import PROJECTS, TEMPLATE, copy_of_the_template


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the template, with both projects baked in build/."""
    root = copy_of_the_template(tmp_path_factory.mktemp("template"))
    template_command(root, "bake", "build")
    return root


def template_command(root: Path, *args: str, code: int = 0) -> str:
    """Run tools/template.py of a copy of the template; return what it prints."""
    command = [sys.executable, root / "tools" / "template.py", *args]
    done = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == code, done.stdout
    return done.stdout


def changes(root: Path) -> set[str]:
    """What differs from the commit."""
    status = ["git", "status", "--porcelain", "-z"]
    listing = subprocess.run(status, cwd=root, capture_output=True, text=True, check=True).stdout
    return {entry[3:] for entry in listing.split("\0") if entry}


@pytest.mark.parametrize("task", PROJECTS)
def test_sync_gives_back_what_was_baked(copy: Path, task: str) -> None:
    assert "nothing has changed" in template_command(copy, "sync", f"build/{PROJECTS[task]}")
    assert changes(copy) == set()


@pytest.mark.parametrize("task", PROJECTS)
def test_sync_brings_a_chapter_of_its_task_with_placeholders(copy: Path, task: str) -> None:
    project = copy / "build" / PROJECTS[task]
    chapter, module = project / "nbs" / "00_data.ipynb", project / PROJECTS[task].replace("-", "_") / "data.py"
    before = {path: path.read_text(encoding="utf-8") for path in (chapter, module)}
    for path, text in before.items():
        path.write_text(text.replace("class LabelledRow", f"class {module.parent.name}_Row", 1), encoding="utf-8")
    try:
        assert "copied nbs/00_data.ipynb" in template_command(copy, "sync", f"build/{project.name}")
        mine = f"{TEMPLATE.name}/nbs/{{% if cookiecutter.task == '{task}' %}}00_data.ipynb{{% endif %}}"
        assert mine in changes(copy) and len(changes(copy)) == 2
        assert "class {{cookiecutter.package}}_Row" in (copy / mine).read_text(encoding="utf-8")
    finally:
        subprocess.run(["git", "checkout", "--quiet", "."], cwd=copy, check=True)
        for path, text in before.items():
            path.write_text(text, encoding="utf-8")


def test_sync_refuses_what_jinja_would_read(copy: Path) -> None:
    chapter = copy / "build" / PROJECTS["regression"] / "nbs" / "02_service.ipynb"
    before = chapter.read_text(encoding="utf-8")
    chapter.write_text(before.replace("> ", "> {{x}} ", 1), encoding="utf-8")
    assert "rewrite it" in template_command(copy, "sync", "build/bike-demand", code=1)
    chapter.write_text(before, encoding="utf-8")


def test_sync_needs_a_default_project(copy: Path) -> None:
    assert "not baked from the defaults" in template_command(copy, "sync", "build", code=1)


def test_bake_keeps_edits(copy: Path) -> None:
    assert "sync what was edited there" in template_command(copy, "bake", "build", code=1)
