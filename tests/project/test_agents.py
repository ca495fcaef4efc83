"""AGENTS.md, followed to the letter: three changes by its script, each proven by its commands."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import Project, last_run
from template import ROOT, TEMPLATE

NONE_YET = '{"model": null, "metrics": {}, "reason": "None yet."}'
CONDITION = """if run_id() and promotion.metrics.get("rows", 0) < 5000:
    raise ValueError(f"{tag} has learned from too few rows")"""
FEATURES = """
import sys
from daybook import models
model = models.load(sys.argv[1])
print(model.estimator["trees"].n_features_in_, *model.contract.fields)
"""


def block(page: Path, language: str) -> str:
    """The one block of a language in a page."""
    [text] = re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return text


def edit(project: Project, path: str, old: str, new: str) -> None:
    """Run the page's script with another path and other texts."""
    script = block(project.root / "AGENTS.md", "python")
    named = f"path, old, new = {path!r}, {old!r}, {new!r}"
    script, count = re.subn("^path, old, new = .*$", lambda _: named, script, flags=re.MULTILINE)
    assert count == 1
    project.python(script)


def prove(project: Project) -> dict:
    """Type the page's commands; returns the run of the last, which trains."""
    for line in block(project.root / "AGENTS.md", "sh").splitlines():
        command, *args = shlex.split(line.removeprefix("uv run "))
        project.run(command, *args)
    return last_run(project, "train")[1]


@pytest.fixture
def changed(project: Project) -> Iterator[Project]:
    """The default project, which is as it was after the test."""
    yield project
    project.git("checkout", "--quiet", ".")
    project.git("clean", "--quiet", "--force", "-d")


@pytest.mark.parametrize("page", [ROOT / "AGENTS.md", TEMPLATE / "AGENTS.md"], ids=["template", "project"])
def test_page_is_one_page_and_names_what_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 46
    for name in re.findall(r"`([\w./]+\.(?:md|json|ipynb|toml))`", text):
        assert (page.parent / name).exists() or list(
            page.parent.glob(f"{name.rpartition('/')[0] or '.'}/*{name[-12:]}*")
        )
    targets = re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {target for target in re.findall(r"make ([a-z-]+)\b", text)} <= {*targets, "build"}


@pytest.mark.long
def test_feature_is_added(changed: Project) -> None:
    old = "return encoder.transform(columns)"
    new = 'return np.column_stack([encoder.transform(columns), columns["atemp"] - columns["temp"]])'
    edit(changed, "nbs/01_train.ipynb", old, new)
    run = prove(changed)
    assert changed.python(FEATURES, run["model"]).split()[0] == "11"
    assert {line[3:] for line in changed.status().splitlines()} == {"nbs/01_train.ipynb", "bike_demand/model.py"}


@pytest.mark.long
def test_field_is_added(changed: Project) -> None:
    for old, new in (
        ('description="wind, 1 is 67 km/h")', '\n    event: bool = Field(description="a match nearby")'),
        ('"casual": casual,', '\n            "event": (days.astype(int) % 17 == 0).astype(int),'),
        ("windspeed=0.1,", "\n    event=False,"),
    ):
        edit(changed, "nbs/00_data.ipynb", old, old + new)
    run = prove(changed)
    assert changed.python(FEATURES, run["model"]).split()[-1] == "event"
    assert {line[3:] for line in changed.status().splitlines()} == {"nbs/00_data.ipynb", "bike_demand/data.py"}


@pytest.mark.long
def test_rule_of_promotion_is_added(changed: Project, tmp_path: Path) -> None:
    edit(changed, "nbs/04_backtest.ipynb", " = 0.02  # share of", " = 0.05  # share of")
    edit(
        changed,
        "nbs/05_promote.ipynb",
        "promoted = promotion.promote()",
        f"{CONDITION}\npromoted = promotion.promote()",
    )
    run = prove(changed)
    changed.run("daybook", "run", "train", "-p", "max_iter=5", "-p", "end=2011-04-01")
    settings = {"CHAMPION_FILE": str(tmp_path / "champion.json"), "MODEL_STORE": str(tmp_path / "models")}
    Path(settings["CHAMPION_FILE"]).write_text(NONE_YET)
    refused = changed.run("daybook", "run", "promote", "-p", "candidate=latest", code=1, **settings)
    assert "has learned from too few rows" in refused
    changed.run("daybook", "run", "promote", "-p", f"candidate={run['model']}", **settings)
    assert json.loads(Path(settings["CHAMPION_FILE"]).read_text())["model"] == run["model"]
    default = json.loads(changed.run("daybook", "params", "backtest", "--json"))
    assert next(each["default"] for each in default if each["name"] == "min_gain") == 0.05
