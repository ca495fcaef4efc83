"""The commands of the documentation run as they are written."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
from helpers import last_run, settle
from pages import blocks_of, commands, edit_chapter, inline, run_blocks
from template import AUTHOR, ROOT, bake

LANES = {  # of the start page, and what their commands print
    "Data scientist": (r"^4 of 4 runs done", r"^Success\.$", r"^ *mean +0\.\d+"),
    "ML engineer": (r"^All checks passed!$", r"^=+ [23]\d passed"),
    "MLOps engineer": (
        r'"reason": "the first one"',
        r"^compact done",
        r"^401$",
        r'^\{"model":"bike_demand:\w+"',
        r"^iolog_written_total",
    ),
}


def test_start_page_runs(tmp_path: Path) -> None:
    of_others = [block for heading in (*LANES, "The tools") for block in commands("start.md", heading)]
    blocks = [block for block in commands("start.md") if block not in of_others]
    assert len(blocks) > 8
    output = run_blocks(blocks, tmp_path)
    for line in (r"0 +first +/predict +200", r"1 +second +/predict +400", r"2 +third +/actuals +200"):
        assert len(re.findall(f"^{line}$", output, re.MULTILINE)) == 2, output
    assert len(re.findall(r"^0 +first:0 2012-07-04 +17 +[\d.]+ +212.0$", output, re.MULTILINE)) == 2, output
    assert {"actuals", "archive", "contracts", "predictions", "requests"} <= set(output.split()[-6:])
    assert len(list((tmp_path / "bike-demand" / "iolog").glob("archive/*/*.jsonl"))) == 1


@pytest.mark.parametrize("lane", LANES)
def test_start_page_lanes_run(lane: str, tmp_path: Path) -> None:
    enter = "python3 -m cookiecutter --no-input daybook > /dev/null\ncd bike-demand\ngit init --quiet -b main\n"
    first, *others = commands("start.md", lane)
    assert len(first.splitlines()) == 5, "five commands that this role types"
    output = run_blocks([enter, first, *others], tmp_path)
    for line in LANES[lane]:
        assert re.search(line, output, re.MULTILINE), f"{line} is not in\n{output}"


def test_your_data_page_runs(tmp_path: Path) -> None:
    blocks = commands("your-data.md")
    assert len(blocks) > 9 and blocks[0] in commands("start.md"), "the start page types the first block"
    name = "git config --global user.name Ada\ngit config --global user.email ada@example.com\n"
    refused = f"uv run daybook run {inline('your-data.md', 'train -p source=newer')} --runs refused || test $? = 1\n"
    database = f"{inline('your-data.md', 'uv sync --extra')} && uv run python -c 'import adbc_driver_postgresql'\n"
    output = run_blocks([name, *blocks[1:], database, refused], tmp_path)
    project = tmp_path / "shop-sales"
    runs = {path.parent.parent.name: json.loads(path.read_bytes()) for path in project.glob("runs/*/*/run.json")}
    jobs = ("train", "promote", "score", "backtest", "drift")
    assert {job: run["status"] for job, run in runs.items()} == dict.fromkeys(jobs, "done")
    metrics = {job: run["metrics"] for job, run in runs.items()}
    assert metrics["train"]["mae"] < 0.7 * metrics["train"]["baseline_mae"]
    assert metrics["score"]["rows"] == 186 and metrics["score"]["rejected"] == 0
    assert metrics["backtest"]["mae_in_service"] < metrics["backtest"]["mae_when_made"]
    assert json.loads(next(project.glob("runs/drift/*/drift.json")).read_bytes())["verdict"] == "none"
    for line in (
        r"day \+ shop is the key\. Nothing is written yet",
        r'^\{"request_id":"\w+","model":"shop_sales:\w+","predictions":\[\d+\.\d+\]\}',
        r'^2026-01-01,"Harbour",false,false,true,"\w+:0",\d+',
        r"^ +shop: .*row 0 \(Harbor\), row 6 \(Harbor\)",
        r"sqlite:///shops\.db: 2,190 rows, 3 columns",
    ):
        assert re.search(line, output, re.MULTILINE), f"{line} is not in\n{output}"
    module = (project / "shop_sales" / "data.py").read_text(encoding="utf-8")
    assert blocks_of("your-data.md", "python")[0] in module, "the page shows the chapter as it is written"


@pytest.mark.long
def test_your_data_page_says_how_to_edit_the_model(tmp_path: Path) -> None:
    project = settle(bake(tmp_path / "shops", project="shop-sales"), tmp_path / "settings")
    for name in ("sales.csv", "january.csv"):
        shutil.copy(ROOT / "docs" / "example" / name, project.root)
    project.run("daybook", "adopt", "sales.csv", *"--target sales --time day --key day --key shop".split())
    changed = {line[3:] for line in project.status().splitlines()}
    assert changed == {"data/", "nbs/00_data.ipynb", "shop_sales/data.py"}
    _, closed, *_, loss = blocks_of("your-data.md", "python")
    edit_chapter(project.root / "nbs" / "01_train.ipynb", r" +return trees\.predict\(matrix\)", closed)
    edit_chapter(project.root / "nbs" / "01_train.ipynb", r"(?s)def loss.*", loss)
    project.run("nbdev-export")
    project.git("add", "--all")
    project.git(*AUTHOR, "commit", "--quiet", "--message=adopted")
    for command in ("ruff check", "ruff format --check", "nbdev-test", "pytest"):
        project.run(*command.split())
    for job in ("tour", "train"):
        project.run("daybook", "run", job)
    assert next(iter(last_run(project, "train")[1]["metrics"])) == "euros"
    metrics = last_run(project, "tour")[1]["metrics"]
    assert metrics["answered"] == metrics["logged"] > 700
    project.run("daybook", "run", "score", "-p", "source=january.csv", "-p", "output=forecast.csv")
    forecast = csv.DictReader((project.root / "forecast.csv").read_text(encoding="utf-8").splitlines())
    assert {float(row["prediction"]) for row in forecast if row["open"] == "false"} == {0}
    assert not project.status()


def test_readme_types_what_your_data_page_types() -> None:
    [shown] = re.findall(
        r"^python3 -m venv .*\n(cookiecutter .*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S
    )
    typed = " ".join(" ".join(commands("your-data.md")).split())
    for line in re.split(r"\n|&&", re.sub(" +#.*", "", shown).strip()):
        assert line.strip() in typed, line


def test_pages_name_the_pythons_that_a_project_may_choose() -> None:
    first, *_, last = pythons = sorted(json.loads((ROOT / "cookiecutter.json").read_bytes())["python"])
    assert f"Python {first} to {last}" in (ROOT / "README.md").read_text(encoding="utf-8")
    start = (ROOT / "docs" / "start.md").read_text(encoding="utf-8")
    assert f"Python {', '.join(pythons[:-1])} or {last}" in start


def anchors(page: Path) -> set[str]:
    """The headings of a page, as its links name them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


@pytest.mark.parametrize("page", PAGES)
def test_links_have_targets(page: str) -> None:
    text = re.sub(r"`[^`]*`", "", (ROOT / page).read_text(encoding="utf-8"))
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", text):
        file = (ROOT / page).parent / target if target else ROOT / page
        assert file.exists(), target
        assert not anchor or file.suffix != ".md" or anchor in anchors(file), f"{target}#{anchor}"
