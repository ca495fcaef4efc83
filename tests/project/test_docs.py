"""The commands of the documentation run as they are written."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from helpers import settle
from pages import commands, move_in_houses, run_blocks
from template import ROOT, bake


def test_start_page_runs(tmp_path: Path) -> None:
    blocks = commands("start.md")
    assert len(blocks) > 8
    output = run_blocks(blocks, tmp_path)
    for line in (r"0 +first +/predict +200", r"1 +second +/predict +400", r"2 +third +/actuals +200"):
        assert len(re.findall(f"^{line}$", output, re.MULTILINE)) == 2, output
    assert len(re.findall(r"^0 +first:0 2012-07-04 +17 +[\d.]+ +212.0$", output, re.MULTILINE)) == 2, output
    assert {"actuals", "archive", "contracts", "predictions", "requests"} <= set(output.split()[-6:])
    assert len(list((tmp_path / "bike-demand" / "iolog").glob("archive/*/*.jsonl"))) == 1


@pytest.mark.parametrize("lane", ["data-scientist", "ml-engineer", "mlops-engineer"])
def test_lane_pages_run(lane: str, tmp_path: Path) -> None:
    enter = "python3 -m cookiecutter --no-input daybook > /dev/null\ncd bike-demand\ngit init --quiet -b main\n"
    blocks = commands(f"{lane}.md")
    assert len(blocks) > 2
    output = run_blocks([enter, *blocks], tmp_path)
    expected = {
        "data-scientist": (r"^4 of 4 runs done", r"^ *mean +0\.\d+"),
        "ml-engineer": (r"^=+ [23]\d passed", r'"loc": \["rows", 0', r"^iolog_written_total.* 1\.0$", r"/predict"),
        "mlops-engineer": (r'"reason": "the first one"', r"^401$", r'^\{"model":"bike_demand:\w+"', r"^compact done"),
    }
    for line in expected[lane]:
        assert re.search(line, output, re.MULTILINE), f"{line} is not in\n{output}"


@pytest.mark.long
def test_guide_runs(tmp_path: Path) -> None:
    blocks = commands("guide.md")
    edit = next(number for number, block in enumerate(blocks) if "nbdev-export" in block)
    folders = [str(ROOT / "tools"), str(ROOT / "tests" / "project")]
    call = f"import sys; sys.path[:0] = {folders}; import pages; pages.move_in_houses('.')"
    blocks.insert(edit, f"{shlex.join([sys.executable, '-c', call])}\n")
    output = run_blocks(blocks, tmp_path)
    project = tmp_path / "bike-demand"
    runs = sorted((path.parent.parent.name, path) for path in project.glob("runs/*/*/run.json"))
    assert [job for job, _ in runs] == ["backtest"] * 2 + ["drift"] + ["promote"] * 2 + ["train"] * 3
    decisions = [json.loads(path.with_name("decision.json").read_bytes()) for job, path in runs if job == "backtest"]
    assert all(decision["in_service"] > 1.5 * decision["when_made"] for decision in decisions)
    assert decisions[1]["verdict"] == "promote" and decisions[0]["retrain"]["command"] in output
    retrain = decisions[0]["retrain"]
    assert f"-p start={retrain['starts'][1]} -p end={retrain['end']}" in blocks[-1], "the proposal is trained"
    champion = json.loads((project / "champion.json").read_bytes())
    assert champion["model"] == decisions[1]["comparison"]["candidate"] and champion["previous"]
    assert re.search(r"^moved +0$", output, re.MULTILINE) and re.search(r"^182$", output, re.MULTILINE)


@pytest.mark.long
def test_tour_of_other_data_after_editing_two_chapters(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "your-data.md").read_text(encoding="utf-8")
    project = settle(bake(tmp_path / "houses"), tmp_path / "settings")
    assert f"In the example {move_in_houses(project.root)} lines of code" in page
    for command in re.findall(r"^uv run (.*)$", page.split("## See that it holds")[1], re.MULTILINE)[:7]:
        project.run(*command.split())
    changed = {line[3:] for line in project.status().splitlines()}
    assert {name for name in changed if not name.startswith("nbs/")} == {
        f"bike_demand/{name}.py" for name in ("data", "model")
    }
    project.run("daybook", "run", "tour")
    [run] = (project.root / "runs" / "tour").glob("*/run.json")
    metrics = json.loads(run.read_bytes())["metrics"]
    assert metrics["answered"] == metrics["logged"] > 2900 and metrics["promoted"] >= 1
    assert metrics["loop_mae"] < 0.8 * metrics["frozen_mae"]


@pytest.mark.parametrize("page", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_links_have_targets(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (ROOT / "docs" / target).exists(), target
