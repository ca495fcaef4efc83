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


@pytest.mark.parametrize("name", PROJECTS)
def test_sync_gives_back_what_was_baked(copy: Path, name: str) -> None:
    assert "nothing has changed" in template_command(copy, "sync", f"build/{name}")
    assert changes(copy) == set()


@pytest.mark.parametrize(
    ("name", "condition", "chapter"),
    [
        ("bike-demand", "task == 'regression'", "00_data"),
        ("late-parcels", "task == 'classification'", "00_data"),
        ("bike-demand", "model == 'trees'", "01_train"),
        ("bike-net", "model != 'trees'", "01_train"),
    ],
)
def test_sync_brings_a_chapter_of_its_own_with_placeholders(
    copy: Path, name: str, condition: str, chapter: str
) -> None:
    project, package = copy / "build" / name, name.replace("-", "_")
    module = {"00_data": "data.py", "01_train": "model.py"}[chapter]
    paths = project / "nbs" / f"{chapter}.ipynb", project / package / module
    before = {path: path.read_text(encoding="utf-8") for path in paths}
    for path, text in before.items():
        path.write_text(text.replace("import numpy as np", f"import numpy as {package}_np"), encoding="utf-8")
    try:
        assert f"copied nbs/{chapter}.ipynb" in template_command(copy, "sync", f"build/{name}")
        mine = f"{TEMPLATE.name}/nbs/{{% if cookiecutter.{condition} %}}{chapter}.ipynb{{% endif %}}"
        assert mine in changes(copy) and len(changes(copy)) == 2
        assert "import numpy as {{cookiecutter.package}}_np" in (copy / mine).read_text(encoding="utf-8")
    finally:
        subprocess.run(["git", "checkout", "--quiet", "."], cwd=copy, check=True)
        for path, text in before.items():
            path.write_text(text, encoding="utf-8")


def test_sync_refuses_what_jinja_would_read(copy: Path) -> None:
    chapter = copy / "build" / "bike-demand" / "nbs" / "02_service.ipynb"
    before = chapter.read_text(encoding="utf-8")
    chapter.write_text(before.replace("> ", "> {{x}} ", 1), encoding="utf-8")
    assert "rewrite it" in template_command(copy, "sync", "build/bike-demand", code=1)
    chapter.write_text(before, encoding="utf-8")


def test_sync_needs_a_default_project(copy: Path) -> None:
    assert "not baked from the template" in template_command(copy, "sync", "build", code=1)


def test_bake_keeps_edits(copy: Path) -> None:
    assert "sync what was edited there" in template_command(copy, "bake", "build", code=1)
