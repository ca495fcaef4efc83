"""The commands of the documentation, and the code that it says how to edit."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
from template import ROOT, copy_of_the_template, environment


def blocks_of(page: str, language: str, heading: str | None = None) -> list[str]:
    """The blocks of a page that are in a language: all of them, or those under one heading."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    if heading:
        [text] = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(page: str, heading: str | None = None) -> list[str]:
    """The commands of a page, or of what is under one of its headings: a text for each block."""
    return blocks_of(page, "sh", heading)


def lines_of(page: str) -> list[str]:
    """The indented lines of a page, without comments at their ends."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return [re.sub(r"  +#.*", "", line) for line in re.findall(r"^    (\S.*)$", text, re.MULTILINE)]


def inline(page: str, beginning: str) -> str:
    """The command with that beginning which stands in a sentence of a page, there once or several times."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    [command] = {" ".join(each.split()) for each in re.findall(rf"`({re.escape(beginning)}[^`]*)`", text)}
    return command


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


def edit_chapter(path: Path, old: str, new: str) -> None:
    """Replace what a pattern matches, once in the code of a chapter."""
    notebook = nbformat.read(path, as_version=4)
    [cell] = [cell for cell in notebook.cells if cell.cell_type == "code" and re.search(old, cell.source)]
    cell.source = re.sub(old, lambda _: new.rstrip("\n"), cell.source)
    nbformat.write(notebook, path)
