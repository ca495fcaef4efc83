"""What the guide says is typed as it stands."""

import difflib
import json
import re
import subprocess
from pathlib import Path

import nbformat
import pytest
from conftest import settle
from template import ROOT, bake, copy_of_the_template, environment


def test_the_start_page_runs_as_typed(tmp_path: Path) -> None:
    blocks = re.findall(
        r"^```sh\n(.*?)^```", (ROOT / "docs" / "start.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert len(blocks) > 8
    copy_of_the_template(tmp_path / "daybook")
    (tmp_path / "home").mkdir()
    stop = 'trap \'test -z "${server:-}" || kill "$server" 2>/dev/null || true\' EXIT\n'
    done = subprocess.run(
        ["bash", "-c", "set -eo pipefail\n" + stop + "\n".join(blocks)],
        cwd=tmp_path,
        env=environment(HOME=str(tmp_path / "home")),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout
    for line in (r"0 +first +/predict +200", r"1 +second +/predict +400", r"2 +third +/actuals +200"):
        assert len(re.findall(f"^{line}$", done.stdout, re.MULTILINE)) == 2, done.stdout
    assert len(re.findall(r"^0 +first:0 2012-07-04 +17 +[\d.]+ +212.0$", done.stdout, re.MULTILINE)) == 2, done.stdout
    assert {"actuals", "archive", "contracts", "predictions", "requests"} <= set(done.stdout.split()[-6:])
    assert len(list((tmp_path / "bike-demand" / "iolog").glob("archive/*/*.jsonl"))) == 1


def what(cell: str) -> str:
    """What tells a code cell from the others of its chapter: the first name that it defines, or its first word."""
    if defined := re.search(r"^(?:def|class) (\w+)", cell, re.MULTILINE):
        return defined[0]
    if cell.startswith("#| export\n") and re.search(r"^(from|import) ", cell, re.MULTILINE):
        return "imports"
    return "plot" if "plt.subplots" in cell else re.match(r"(?:#\| export\n)?(\w+)", cell)[1]


def edit_chapter(path: Path, blocks: list[str]) -> int:
    """Put blocks in the place of the cells that do the same, delete other plots; returns the lines of code changed."""
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    before, new = "\n".join(cell.source for cell in code), {what(block): block for block in blocks}
    assert len(new) == len(blocks)
    for cell in code:
        kind = what(cell.source) if not cell.source.startswith("#| default_exp") else ""
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


def test_other_data_by_editing_two_chapters(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "your-data.md").read_text(encoding="utf-8")
    _, data, train, *_ = re.split(r"^## ", page, flags=re.MULTILINE)
    project = settle(bake(tmp_path / "houses"), tmp_path / "settings")
    lines = 0
    for name, text in (("00_data", data), ("01_train", train)):
        blocks = [block.rstrip() for block in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)]
        lines += edit_chapter(project.root / "nbs" / f"{name}.ipynb", blocks)
    assert f"In the example {lines} lines of code" in page
    for command in re.findall(r"^uv run (.*)$", page.split("## See that it holds")[1], re.MULTILINE)[:7]:
        project.run(*command.split())
    changed = {line[3:] for line in project.status().splitlines()}
    assert {name for name in changed if not name.startswith("nbs/")} == {
        f"bike_demand/{name}.py" for name in ("_modidx", "data", "model")
    }
    project.run("job", "run", "tour")
    [run] = (project.root / "runs" / "tour").glob("*/run.json")
    figures = json.loads(run.read_bytes())["figures"]
    assert figures["answered"] == figures["recorded"] > 2900 and figures["promoted"] >= 1
    assert figures["loop_mae"] < 0.8 * figures["frozen_mae"]


@pytest.mark.parametrize("page", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (ROOT / "docs" / target).exists(), target
