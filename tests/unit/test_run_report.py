"""The page of a run, and what a run is executed with."""

import os
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from daybook.execution import _thread_variables, finish, secrets_of
from daybook.notebooks import Task
from daybook.run_report import format_number, html_table, report
from daybook.runs import Run

RUN = Run("0" * 24, "probe", "nbs/01_probe.ipynb", {"text": "<b>"}, "running", "2024-01-01T00:00:00.123", 1.5)


def write(path: Path, parameters: str = "") -> bytes:
    """An executed notebook."""
    output = new_output("execute_result", {"text/plain": "all of them"})
    cells = [new_code_cell(parameters, metadata={"tags": ["parameters"]}), new_markdown_cell("# Rentals")]
    nbformat.write(new_notebook(cells=[*cells, new_code_cell("count", outputs=[output])]), path)
    return path.read_bytes()


def test_report_is_one_page_with_a_header(tmp_path: Path) -> None:
    write(tmp_path / "notebook.ipynb")
    page = report(RUN, tmp_path / "notebook.ipynb")
    assert f"<title>probe {RUN.id}</title>" in page and "2024-01-01T00:00:00 UTC" in page
    assert page.index("&lt;b&gt;") < page.index("Rentals") < page.index("all of them")
    assert 'src="http' not in page and "<link" not in page and "<td><b>" not in page


def test_html_table_and_numbers() -> None:
    assert html_table("a&b", {"<x>": 1}) == (
        "<table><tr><th colspan=2>a&amp;b</th></tr><tr><td>&lt;x&gt;</td><td>1</td></tr></table>"
    )
    assert [format_number(value) for value in (20.3194, 17379, 1e-9)] == ["20.32", "17,379", "1e-09"]


def test_finish_writes_run_json_last(tmp_path: Path) -> None:
    write(tmp_path / "notebook.ipynb")
    finish(RUN, tmp_path, 2.0004)
    run = Run.from_json((tmp_path / "run.json").read_bytes())
    assert (run.status, run.seconds, run.error) == ("done", 2.0, None)
    assert (tmp_path / "run.json").stat().st_mtime_ns >= (tmp_path / "report.html").stat().st_mtime_ns
    (tmp_path / "report.html").unlink()
    finish(RUN, tmp_path, 2.0, "ValueError: late", makes_report=False)
    assert Run.from_json((tmp_path / "run.json").read_bytes()).status == "failed"
    assert not (tmp_path / "report.html").exists()


def test_secrets_of_finds_defaults_and_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "from the environment")
    parameters = "a: SecretStr = SecretStr(os.environ['TOKEN'])\nb: SecretStr = SecretStr('unused default')\nn: int = 1"
    notebook = write(tmp_path / "notebook.ipynb", parameters)
    task = Task(RUN, notebook, {}, {"b": "line one\nline \t two\nabc"})
    secrets = secrets_of(task)
    assert set(secrets) == {
        "from the environment",
        "line one\nline \t two\nabc",
        "line one\\nline \\t two\\nabc",
        "line one",
        "line \t two",
    }
    assert [len(secret) for secret in secrets] == sorted(map(len, secrets), reverse=True)


def test_thread_variables_leave_what_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.endswith("_NUM_THREADS"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    variables = _thread_variables(2)
    assert variables["OMP_NUM_THREADS"] == "7" and variables["MKL_NUM_THREADS"] == "2" and len(variables) == 10
