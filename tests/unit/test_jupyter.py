"""Saving a notebook cleans it and exports its module, if it is a source."""

import contextlib
import logging
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from tornado.web import HTTPError

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
    with contextlib.suppress(HTTPError):  # the page is told, and its user saves again
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


@pytest.mark.parametrize(
    "cell",
    [
        "#| export\ndef f(: pass",
        "#|export\ndef f(: pass",
        "#| hide\n#| export\ndef f(: pass",
        "#|export\n%matplotlib inline\nx = 1",
        "#| exporti\nx = await f()",
    ],
)
def test_save_refuses_a_cell_that_is_no_part_of_a_module(
    project: Path, caplog: pytest.LogCaptureFixture, cell: str
) -> None:
    save(project / "nbs/00_data.ipynb", "#| default_exp data", cell)
    assert not (project / "rentals/data.py").exists()
    assert "00_data.ipynb exports a cell that is no part of a module" in caplog.text


def test_save_refuses_a_module_of_two_notebooks(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(project / "nbs/00_data.ipynb", "#| default_exp data", "#| export\nrows = 1")
    save(project / "nbs/01_copy.ipynb", "#|default_exp data", "#| export\nrows = 2")
    assert "rows = 1" in (project / "rentals/data.py").read_text()
    assert "00_data.ipynb and 01_copy.ipynb export the same module, data" in caplog.text


def test_save_refuses_an_export_without_a_module(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(project / "nbs/00_data.ipynb", "#| export\nrows = 1")
    assert "does not say where to: write `#| default_exp name`" in caplog.text


def test_nbdev_export_refuses_the_same(project: Path) -> None:
    with (project / "pyproject.toml").open("a") as settings:
        settings.write('export_procs = ["daybook.jupyter:ExportCheck"]\n')
    for name in ("00_first", "01_second"):
        notebook = new_notebook(cells=[new_code_cell("#| default_exp both"), new_code_cell("#| export\nrows = 1")])
        nbformat.write(notebook, project / f"nbs/{name}.ipynb")
    code = "from nbdev.doclinks import nbdev_export; nbdev_export.__wrapped__()"
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True)
    assert done.returncode and not (project / "rentals/both.py").exists()
    assert "00_first.ipynb and 01_second.ipynb export the same module" in done.stderr


def test_save_of_other_files_does_nothing(project: Path) -> None:
    model = {"type": "file", "content": None}
    clean_on_save(model=model, path=str(project / "nbs/notes.md"), contents_manager=MANAGER)
    export_on_save(os_path=str(project / "nbs/notes.md"), model=model, contents_manager=MANAGER)


def test_clean_on_save_tells_the_page_once_of_a_cell_that_does_not_parse(project: Path) -> None:
    path = str(project / "nbs/00_data.ipynb")

    def saves(cell: str) -> bool:
        content = new_notebook(cells=[new_code_cell("#| default_exp data"), new_code_cell(cell)])
        try:
            clean_on_save(model={"type": "notebook", "content": content}, path=path, contents_manager=MANAGER)
        except HTTPError as error:
            assert error.status_code == 400 and "Nothing is saved yet: 00_data.ipynb exports a cell" in str(error)
            return False
        return True

    half, third = "#| export\ndef f(:", "#|export\nx = 1 +"
    assert [saves(cell) for cell in (half, half, third, third)] == [False, True, True, True]
    assert [saves(cell) for cell in ("#| export\nx = 1", half, "def f(:", half)] == [True, False, True, False]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (["#| default_exp data.py", "#| export\nx = 1"], "that no module can be called: data.py"),
        (["#| default_exp __init__", "#| export\nx = 1"], "that no module can be called: __init__"),
        (["#| default_exp my-model", "#| export\nx = 1"], "that no module can be called: my-model"),
        (["#| default_exp class", "#| export\nx = 1"], "that no module can be called: class"),
        (["#| default_exp x", "#| export data\nx = 1"], "exports a cell to data, which is another notebook's"),
        (
            ["#| default_exp x", "#| export\nx = 1", "#| export\nfrom __future__ import annotations"],
            "no module together",
        ),
    ],
)
def test_save_refuses_a_module_that_nobody_could_import(
    project: Path, caplog: pytest.LogCaptureFixture, cells: list[str], reason: str
) -> None:
    (project / "rentals/data.py").write_text("MINE = 1")
    save(project / "nbs/00_x.ipynb", *cells)
    assert reason in caplog.text
    assert sorted(path.name for path in project.glob("rentals/**/*.py")) == ["__init__.py", "data.py"]


def test_save_refuses_a_module_of_two_notebooks_however_it_is_written(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(project / "nbs/00_a.ipynb", "#| default_exp ops.b", "#| export\nx = 1")
    save(project / "nbs/01_b.ipynb", "#| default_exp ops/b", "#| export\ny = 1")
    assert "export the same module" in caplog.text
