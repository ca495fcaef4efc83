"""Everything that a cell can do leaves the same in a notebook, with a kernel and without one."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from daybook.console import failed_cell
from daybook.jobs import run
from daybook.runs import Run, all_runs, open_runs


def topics() -> dict[str, list[str]]:
    """The cells below each heading, after the test suites and the documentation of IPython and ipykernel."""
    text = Path(__file__).with_name("everything.txt").read_text("utf-8")
    chapters = re.split(r"^# %% \[markdown\]\n## (.+)\n", text, flags=re.MULTILINE)[1:]
    cells = [re.split(r"^# %%\n", chapter, flags=re.MULTILINE)[1:] for chapter in chapters[1::2]]
    return {name: [cell.strip("\n") for cell in each] for name, each in zip(chapters[::2], cells, strict=True)}


# Where the engines differ: a part of the cell, and why.
DIFFERENT = {
    "print('\\ud800')": "half a surrogate pair: the kernel loses what is printed with it, and logs an error of its own",
    "'😀'.encode()[:2]": "half a character: the kernel does not wait for the other half",
    "sys.stdout = saved": "the kernel drops what is printed to a stream that was away while the cell began",
    "stdout=sys.stdout.fileno()": "a program that writes to this file writes past the kernel's notebook",
    "import this": "imports are done before the cells run, so what a module prints then is not an output",
    "JSON({'a': float('nan')})": "the warning names a line of the module that packs the message",
}
CHANGING = r"0x[0-9a-f]+|[\w/]*ipykernel_\d+/\d+(\.py)?|(CPU times|Wall time): .*?\\n|\d+(?= (frames|similar))"
Probe = Callable[..., str]


def plain(cell: NotebookNode) -> str:
    """What a reader sees of a cell; between two displays, a stream is one text, whenever its parts arrived."""
    outputs: list[dict[str, Any]] = []
    streams: dict[str, dict[str, Any]] = {}
    for output in cell.outputs:
        if output.output_type != "stream":
            streams = {}
        elif output.name in streams:
            streams[output.name]["text"] += output.text
            continue
        outputs.append(dict(output))
        if output.output_type == "stream":
            streams[output.name] = outputs[-1]
    outputs.sort(key=lambda output: output.get("name") == "stderr")
    return re.sub(CHANGING, "…", json.dumps([cell.execution_count, *outputs], indent=1, ensure_ascii=False))


def cells_of(run: Run) -> list[NotebookNode]:
    """The code cells of a run, as executed."""
    notebook = nbformat.read(open_runs().url(f"{run.path}/notebook.ipynb"), as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def run_by_both(probe: Probe, cells: list[str], **metadata: Any) -> tuple[Run, Run]:
    """Run cells without a kernel, and with one."""
    probe()
    path = Path("nbs/01_probe.ipynb")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells += [new_code_cell(source, metadata=metadata) for source in cells]
    nbformat.write(notebook, path)
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    for engine in ("shell", "kernel"):  # not in this process: in a test, ipykernel leaves out what programs print
        code = f"from daybook.jobs import run; run('probe', engine='{engine}')"
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    kernel, shell = all_runs(open_runs())
    assert (shell.engine, kernel.engine) == ("shell", "kernel")
    return shell, kernel


@pytest.mark.parametrize("topic", topics())
def test_engines_leave_the_same_notebook(probe: Probe, topic: str) -> None:
    shell, kernel = run_by_both(probe, topics()[topic], tags=["raises-exception"])
    pairs = list(zip(cells_of(shell), cells_of(kernel), strict=True))
    for cell in pairs[-1]:
        assert cell.execution_count, f"a cell ended the notebook: {shell.error}, {kernel.error}"
    texts = [(one.source, plain(one), plain(other)) for one, other in pairs]
    different = [text for text in texts if text[1] != text[2]]
    unexplained = [text for text in different if not any(part in text[0] for part in DIFFERENT)]
    assert not unexplained, "\n".join(f"{source}\n{one}\n{other}" for source, one, other in unexplained)
    assert shell.error == kernel.error


ENDS = {
    "exit()": None,
    "import sys; sys.exit(0)": None,
    "import sys; sys.exit(3)": "SystemExit: 3",
    "quit('no data')": "SystemExit: no data",
    "raise SystemExit": None,
    "raise KeyboardInterrupt": "KeyboardInterrupt",
    "%nosuchmagic": "UsageError: Line magic function `%nosuchmagic` not found.",
    "%%bash\nexit 3": "CalledProcessError: Command 'b'exit 3\\n'' returned non-zero exit status 3.",
    "raise ExceptionGroup('some', [ValueError('the cause')])": "ExceptionGroup: some (1 sub-exception)",
    "input('name?')": "StdinNotImplementedError: a job has no person to ask: make it a parameter",
    "import getpass; getpass.getpass()": "StdinNotImplementedError: a job has no person to ask: make it a parameter",
    "raise ValueError('caf\\udce9')": "ValueError: caf\ufffd",
    "def f(:": "SyntaxError: invalid syntax",
}


@pytest.mark.parametrize("end", ENDS)
def test_engine_ends_a_notebook(probe: Probe, end: str) -> None:
    ended = run(probe(end, "print('never')"))
    assert (ended.error or "").startswith(ENDS[end] or "") and bool(ended.error) == bool(ENDS[end])
    assert cells_of(ended)[-1].execution_count is None


@pytest.mark.parametrize(
    ("cell", "cause"), [("%nosuchmagic", "not found"), ("raise ExceptionGroup('some', [KeyError('why')])", "'why'")]
)
def test_failed_cell_shows_an_error_that_is_a_text(probe: Probe, cell: str, cause: str) -> None:
    text = failed_cell(open_runs(), run(probe(cell)))
    assert text.startswith(cell) and cause in text.removeprefix(cell)


@pytest.mark.long
@pytest.mark.parametrize("end", ENDS)
def test_engines_end_a_notebook_alike(probe: Probe, end: str) -> None:
    shell, kernel = run_by_both(probe, [end, "print('never')"])
    assert shell.error == kernel.error
    assert [plain(cell) for cell in cells_of(shell)] == [plain(cell) for cell in cells_of(kernel)]
