"""Parameters and secrets on their way into an executed notebook, and a notebook without a kernel."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from papermill.engines import NotebookExecutionManager

from daybook.client import save_before_code
from daybook.engine import SavedNotebook, Translator, redact, variable, written
from daybook.jobs import run
from daybook.parameters import SECRET
from daybook.runs import Run, open_runs

Probe = Callable[..., str]


def executed(run: Run) -> list[NotebookNode]:
    """The code cells of a run, as executed."""
    cells = nbformat.read(open_runs().url(f"{run.path}/notebook.ipynb"), as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code"]


def printed(run: Run) -> str:
    """All that a run printed."""
    return "".join(output.get("text", "") for cell in executed(run) for output in cell.outputs)


def test_translator_writes_dates_and_secrets() -> None:
    days = [date(2024, 1, 1), datetime(2024, 1, 1, 12, tzinfo=UTC)]
    source = Translator.codify({"days": written(days), "rate": 0.1, "text": "a'b", "token": SECRET})
    namespace = {"SecretStr": str}
    os.environ[variable("token")] = "swordfish"
    exec(source, namespace)
    assert [namespace[name] for name in ("days", "rate", "text", "token")] == [days, 0.1, "a'b", "swordfish"]
    assert "swordfish" not in source
    assert json.dumps(written(days[0])) == '"2024-01-01"'


def test_redact_takes_secrets_out_of_all_texts() -> None:
    value = {"text": ["token=swordfish\n"], "n": 1, "data": {"text/plain": "swordfish"}, "none": None}
    redacted = {"text": [f"token={SECRET}\n"], "n": 1, "data": {"text/plain": SECRET}, "none": None}
    assert redact(value, ["swordfish"]) == redacted
    assert redact(None, ["swordfish"]) is None and redact(value, []) == value


def test_saved_notebook_is_redacted_and_whole(tmp_path: Path) -> None:
    saved = SavedNotebook(tmp_path / "notebook.ipynb", ["swordfish"])
    saved.write(json.dumps({"cells": [{"source": "'swordfish'", "metadata": {"n": 1}}]}), "elsewhere")
    assert json.loads(saved.read("")) == {"cells": [{"source": f"'{SECRET}'", "metadata": {"n": 1}}]}
    assert list(tmp_path.iterdir()) == [tmp_path / "notebook.ipynb"]


def test_notebook_is_saved_before_each_code_cell_and_at_the_end() -> None:
    saved: list[str] = []

    class Manager(NotebookExecutionManager):
        def save(self, **_: object) -> None:
            saved.append(" ".join(cell.metadata.papermill.status for cell in self.nb.cells))

    cells = [new_markdown_cell("first"), new_code_cell("1"), new_code_cell("2"), new_markdown_cell("last")]
    manager = Manager(new_notebook(cells=cells, metadata={"papermill": {}}), progress_bar=False)
    save_before_code(manager)
    manager.notebook_start()
    for position, cell in enumerate(cells):
        manager.cell_start(cell, position)
        manager.cell_complete(cell, cell_index=position)
    manager.notebook_complete()
    assert saved == [
        "pending pending pending pending",
        "completed running pending pending",
        "completed completed running pending",
        "completed completed completed completed",
    ]


def test_engine_runs_cells_in_order_until_one_fails(probe: Probe) -> None:
    probe("import os\nos.chdir('/')\nprint(number)", "number + 1", "1 / 0", "2")
    ended = run("probe", {"number": "5"})
    assert ended.error == "ZeroDivisionError: division by zero" and printed(ended) == "5\n"
    outputs = [output for cell in executed(ended) for output in cell.outputs]
    assert [output.output_type for output in outputs] == ["stream", "execute_result", "error"]
    assert outputs[1].data["text/plain"] == "6" and executed(ended)[-1].execution_count is None


def test_engine_awaits(probe: Probe) -> None:
    probe("import asyncio\nawait asyncio.sleep(0.01)\nprint('awaited')", "%%bash\necho from a program")
    assert printed(run("probe")) == "awaited\nfrom a program\n"


@pytest.mark.parametrize(
    ("end", "error"), [("exit()", None), ("import sys\nsys.exit(0)", None), ("quit('no data')", 1)]
)
def test_engine_lets_a_notebook_end_itself(probe: Probe, end: str, error: int | None) -> None:
    probe(end, "1 / 0")
    assert run("probe").error == (error and "SystemExit: no data")


def test_engine_leaves_a_failed_import_to_its_cell(probe: Probe) -> None:
    probe("import there_is_none")
    assert run("probe").error == "ModuleNotFoundError: No module named 'there_is_none'"


def test_engine_refuses_questions(probe: Probe) -> None:
    probe("input('name?')")
    assert "make it a parameter" in run("probe").error


def test_engine_preloads_what_can_be_imported() -> None:
    preload = {"DAYBOOK_PRELOAD": "import there_is_none\nimport colorsys\nraise SystemExit"}
    script = "import daybook.engine, gc, os, sys\n"
    script += "print('colorsys' in sys.modules, 'DAYBOOK_PRELOAD' in os.environ, gc.isenabled())"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=os.environ | preload, capture_output=True, text=True, check=True)
    assert done.stdout == "True False True\n"
