"""What the guide says is typed as it stands."""

import difflib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from conftest import settle
from template import ROOT, bake, copy_of_the_template, environment


def typed(page: str) -> list[str]:
    """The commands of a page, a text for each block."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def type_in(blocks: list[str], folder: Path) -> str:
    """Type blocks into one shell, in a folder that has the template in `daybook`; return what it prints."""
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


def test_the_start_page_runs_as_typed(tmp_path: Path) -> None:
    blocks = typed("start.md")
    assert len(blocks) > 8
    said = type_in(blocks, tmp_path)
    for line in (r"0 +first +/predict +200", r"1 +second +/predict +400", r"2 +third +/actuals +200"):
        assert len(re.findall(f"^{line}$", said, re.MULTILINE)) == 2, said
    assert len(re.findall(r"^0 +first:0 2012-07-04 +17 +[\d.]+ +212.0$", said, re.MULTILINE)) == 2, said
    assert {"actuals", "archive", "contracts", "predictions", "requests"} <= set(said.split()[-6:])
    assert len(list((tmp_path / "bike-demand" / "iolog").glob("archive/*/*.jsonl"))) == 1


@pytest.mark.parametrize("lane", ["data-scientist", "ml-engineer", "mlops-engineer"])
def test_the_pages_of_the_lanes_run_as_typed(lane: str, tmp_path: Path) -> None:
    enter = "python3 -m cookiecutter --no-input daybook > /dev/null\ncd bike-demand\ngit init --quiet -b main\n"
    blocks = typed(f"{lane}.md")
    assert len(blocks) > 2
    said = type_in([enter, *blocks], tmp_path)
    expected = {
        "data-scientist": (r"^4 of 4 runs done", r"^ *mean +0\.\d+"),
        "ml-engineer": (r"^=+ 3\d passed", r'"loc": \["rows", 0', r"^iolog_written_total.* 1\.0$", r"/predict"),
        "mlops-engineer": (r'"reason": "the first one"', r"^401$", r'^\{"model":"bike_demand:\w+"', r"^iolog done"),
    }
    for line in expected[lane]:
        assert re.search(line, said, re.MULTILINE), f"{line} is not in\n{said}"


def test_the_guide_runs_as_typed(tmp_path: Path) -> None:
    blocks = typed("guide.md")
    edit = next(number for number, block in enumerate(blocks) if "nbdev-export" in block)
    call = f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r}); import test_docs; test_docs.bring_the_houses('.')"
    blocks.insert(edit, f"{shlex.join([sys.executable, '-c', call])}\n")
    said = type_in(blocks, tmp_path)
    project = tmp_path / "bike-demand"
    runs = sorted((path.parent.parent.name, path) for path in project.glob("runs/*/*/run.json"))
    assert [job for job, _ in runs] == ["backtest"] * 2 + ["drift"] + ["promote"] * 2 + ["train"] * 3
    decisions = [json.loads(path.with_name("decision.json").read_bytes()) for job, path in runs if job == "backtest"]
    assert all(decision["in_service"] > 1.5 * decision["when_made"] for decision in decisions)
    assert decisions[1]["verdict"] == "promote" and decisions[0]["retrain"]["command"] in said
    asked = decisions[0]["retrain"]
    assert f"-p start={asked['starts'][1]} -p end={asked['end']}" in blocks[-1], "the guide trains what was proposed"
    champion = json.loads((project / "champion.json").read_bytes())
    assert champion["model"] == decisions[1]["comparison"]["candidate"] and champion["previous"]
    assert re.search(r"^moved +0$", said, re.MULTILINE) and re.search(r"^182$", said, re.MULTILINE)


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


def bring_the_houses(folder: str | Path) -> int:
    """Do to a project's chapters what the page about your data says; returns the lines of code that are new."""
    page = (ROOT / "docs" / "your-data.md").read_text(encoding="utf-8")
    _, data, train, *_ = re.split(r"^## ", page, flags=re.MULTILINE)
    lines = 0
    for name, text in (("00_data", data), ("01_train", train)):
        blocks = [block.rstrip() for block in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)]
        lines += edit_chapter(Path(folder, "nbs", f"{name}.ipynb"), blocks)
    return lines


@pytest.mark.matrix
def test_the_tour_of_other_data_after_editing_two_chapters(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "your-data.md").read_text(encoding="utf-8")
    project = settle(bake(tmp_path / "houses"), tmp_path / "settings")
    assert f"In the example {bring_the_houses(project.root)} lines of code" in page
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
