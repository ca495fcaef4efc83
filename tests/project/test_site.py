"""The site of a project: built, looked at, published; and nbdev's own pages."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import Project, last_run, train
from links import faults
from pages import inline
from pipelines import run_steps
from template import bake


def test_docs_says_what_to_install(project: Project) -> None:
    output = project.run("daybook", "docs", code=2)
    assert output.startswith("daybook: the site needs ") and "`uv sync --extra docs`" in output
    assert output.count("\n") == 1


@pytest.fixture(scope="module")
def documented(project: Project) -> Iterator[Project]:
    """The project, whose newest run is one of train, and for the tests of this module with what its site needs."""
    train(project)
    sync = [sys.executable, "-m", "uv", "sync", "--quiet", "--python", sys.executable]
    project.type(inline("deployment.md", "uv run --extra docs"), UV_PYTHON=sys.executable)
    yield project
    subprocess.run(sync, cwd=project.root, env=project.settings, check=True)


def test_docs_has_readme_chapters_and_reports_without_a_network(documented: Project) -> None:
    assert "site/index.html" in documented.run("daybook", "docs")
    site = documented.root / "site"
    assert faults(site) == []
    folder, run = last_run(documented, "train")
    assert (site / "runs" / "train" / folder.name / "report.html").exists()
    assert run["summary"] in (site / "reports.html").read_text(encoding="utf-8")
    chapters = {path.stem for path in documented.root.glob("nbs/*.ipynb")}
    assert {path.stem for path in site.glob("nbs/*.html")} == chapters
    page = (site / "nbs" / "00_data.html").read_text(encoding="utf-8")
    assert "#|" not in page and 'href="#data-load"' in page and 'class="dataframe"' in page and "image/png" not in page
    assert len(list(site.glob("_images/*.png"))) > 2
    assert documented.status() == ""


def test_docs_refuses_a_broken_link_if_it_is_to_be_strict(documented: Project) -> None:
    readme = documented.root / "README.md"
    before = readme.read_text(encoding="utf-8")
    readme.write_text(before + "\n[gone](nbs/99_gone.ipynb)\n", encoding="utf-8")
    try:
        output = documented.run("daybook", "docs", "--output", "broken", "--strict", code=2)
    finally:
        readme.write_text(before, encoding="utf-8")
    assert "daybook: the site is not built" in output and "target not found: 'nbs/99_gone.ipynb'" in output
    assert not (documented.root / "broken").exists()


@pytest.mark.long
@pytest.mark.parametrize(("ci", "job", "folder"), [("github", "site", "site"), ("gitlab", "pages", "public")])
def test_pipelines_publish_the_site(ci: str, job: str, folder: str, tmp_path: Path) -> None:
    project = bake(tmp_path, ci=ci, task="classification")
    code, output = run_steps(project, "weekly", job, tmp_path / "home")
    assert code == 0, output
    assert faults(project / folder) == []
    assert not (project / folder / "runs").exists()


@pytest.mark.long
@pytest.mark.parametrize("task", ["regression", "classification"])
def test_pages_of_nbdev_can_be_made(project: Project, task: str, tmp_path: Path) -> None:
    root = bake(tmp_path, task=task)
    (tmp_path / "bin").mkdir()
    quarto = tmp_path / "bin" / "quarto"  # only asked for its version; nbdev would download one
    quarto.write_text("#!/bin/sh\necho 99.0.0\n")
    quarto.chmod(0o755)
    command = [project.commands / "nbdev-proc-nbs"]
    settings = project.settings | {"PATH": f"{quarto.parent}:{project.settings['PATH']}", "PYTHONPATH": str(root)}
    done = subprocess.run(command, cwd=root, env=settings, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    pages = {path.name for path in (root / "_proc").glob("*.ipynb")}
    assert pages == {path.name for path in (root / "nbs").glob("*.ipynb")}
    assert "show_doc" in (root / "_proc" / "02_service.ipynb").read_text(encoding="utf-8")
