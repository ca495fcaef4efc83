"""The commands of the documentation, and the chapters that it says how to edit."""

import difflib
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
from template import ROOT, copy_of_the_template, environment


def commands(page: str) -> list[str]:
    """The commands of a page, a text for each block."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def run_blocks(blocks: list[str], folder: Path) -> str:
    """Run blocks in one shell, in a folder that has the template in `daybook`; return what it prints."""
    copy_of_the_template(folder / "daybook")
    (folder / "home").mkdir()
    stop = 'trap \'test -z "${server:-}" || kill "$server" 2>/dev/null || true\' EXIT\n'
    done = subprocess.run(
        ["bash", "-c", "set -eo pipefail\n" + stop + "\n".join(blocks)],
        cwd=folder,
        env=environment(
            HOME=str(folder / "home"), PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def subject(cell: str) -> str:
    """What tells a code cell from the others of its chapter: the first name that it defines, or its first word."""
    if defined := re.search(r"^(?:def|class) (\w+)", cell, re.MULTILINE):
        return defined[0]
    if cell.startswith("#| export\n") and re.search(r"^(from|import) ", cell, re.MULTILINE):
        return "imports"
    return "plot" if "plt.subplots" in cell else re.search(r"^\w+", cell, re.MULTILINE)[0]


def edit_chapter(path: Path, blocks: list[str]) -> int:
    """Put blocks in the place of the cells that do the same, delete other plots; returns the lines of code changed."""
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    before, new = "\n".join(cell.source for cell in code), {subject(block): block for block in blocks}
    assert len(new) == len(blocks)
    for cell in code:
        kind = subject(cell.source) if not cell.source.startswith("#| default_exp") else ""
        if kind in new:
            cell.source = new.pop(kind)
        elif kind in ("plot", "def uci"):
            cell.source = ""
    assert not new, f"no cell of {path} is about {', '.join(new)}"
    notebook.cells = [cell for cell in notebook.cells if cell.source]
    nbformat.write(notebook, path)
    after = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    changes = difflib.ndiff(before.splitlines(), after.splitlines())
    return sum(line.startswith("+ ") and line != "+ " for line in changes)


def move_in_houses(folder: str | Path) -> int:
    """Do to a project's chapters what the page about your data says; returns the lines of code that are new."""
    page = (ROOT / "docs" / "your-data.md").read_text(encoding="utf-8")
    _, data, train, *_ = re.split(r"^## ", page, flags=re.MULTILINE)
    lines = 0
    for name, text in (("00_data", data), ("01_train", train)):
        blocks = [block.rstrip() for block in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)]
        lines += edit_chapter(Path(folder, "nbs", f"{name}.ipynb"), blocks)
    return lines
