"""Saving a notebook cleans it and exports its module, if it is a source."""

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from daybook.jupyter import clean_on_save, export_on_save, is_source

MANAGER = SimpleNamespace(_get_os_path=lambda path: path, log=logging.getLogger("jupyter"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of nbdev, without chapters."""
    for folder in ("nbs/ops", "runs/train/1", "rentals"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "rentals/__init__.py").write_text("")
    settings = '[tool.nbdev]\nlib_path = "rentals"\nallowed_cell_metadata_keys = ["tags"]\n'
    (tmp_path / "pyproject.toml").write_text(f'[project]\nname = "rentals"\nversion = "1"\n{settings}')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def save(path: Path, *cells: str) -> None:
    """Save a notebook as Jupyter does."""
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    notebook.cells[0].metadata = {"tags": ["parameters"], "collapsed": True}
    notebook.metadata = {"language_info": {"name": "python"}}
    model: dict[str, Any] = {"type": "notebook", "content": notebook}
    clean_on_save(model=model, path=str(path), contents_manager=MANAGER)
    nbformat.write(notebook, path)
    export_on_save(os_path=str(path), model=model, contents_manager=MANAGER)


def test_is_source_looks_at_the_path(project: Path) -> None:
    assert is_source(project / "nbs/00_data.ipynb") and is_source(project / "nbs/ops/00_data.ipynb")
    for path in ("runs/train/1/notebook.ipynb", "nbs/.ipynb_checkpoints/00_data.ipynb", "nbs/_old.ipynb", "a.ipynb"):
        assert not is_source(project / path)


def test_save_cleans_and_exports_a_source(project: Path) -> None:
    path = project / "nbs/00_data.ipynb"
    save(path, "#| default_exp data", "#| export\nrows = 1")
    notebook = nbformat.read(path, as_version=4)
    assert "language_info" not in notebook.metadata and notebook.cells[0].metadata == {"tags": ["parameters"]}
    assert "rows = 1" in (project / "rentals/data.py").read_text()


def test_save_leaves_an_executed_copy_alone(project: Path) -> None:
    path = project / "runs/train/1/notebook.ipynb"
    save(path, "#| default_exp data", "#| export\nrows = 2")
    assert "language_info" in nbformat.read(path, as_version=4).metadata
    assert not (project / "rentals/data.py").exists()


def test_save_of_half_a_cell_keeps_the_module(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(project / "nbs/00_data.ipynb", "#| default_exp data", "#| export\nrows = 1")
    before = (project / "rentals/data.py").read_text()
    save(project / "nbs/00_data.ipynb", "#| default_exp data", "#| export\nrows =")
    assert (project / "rentals/data.py").read_text() == before
    assert "is saved, but its module is not exported" in caplog.text


def test_save_of_other_files_does_nothing(project: Path) -> None:
    model = {"type": "file", "content": None}
    clean_on_save(model=model, path=str(project / "nbs/notes.md"), contents_manager=MANAGER)
    export_on_save(os_path=str(project / "nbs/notes.md"), model=model, contents_manager=MANAGER)
