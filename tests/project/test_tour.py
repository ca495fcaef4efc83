"""A simulated half-year in production, and a year, of the sample and of other data."""

import json
from pathlib import Path

import pytest
from helpers import REAL, Project, last_run, settle
from pages import inline
from template import bake


def tour(project: Project, *args: str, months: int = 12) -> tuple[Path, dict]:
    """Simulate a year or less, and check what holds of any; folder and metrics of the tour."""
    project.type(" ".join([inline("loop.md", "daybook run tour"), *args]))
    folder, run = last_run(project, "tour")
    metrics = run["metrics"]
    assert metrics["answered"] == metrics["logged"] > 660 * months
    assert len(list(folder.glob("runs/drift/*/report.html"))) == months
    assert not project.status(), "the tour leaves the project as it was"
    assert (folder / "champion.json").read_text() != (project.root / "champion.json").read_text()
    return folder, metrics


def test_tour_of_half_a_year(project: Project) -> None:
    _, metrics = tour(project, "-p", "today=2012-07-01", months=6)
    assert metrics["promoted"] >= 2 and metrics["loop_mae"] < 0.85 * metrics["frozen_mae"]


@pytest.mark.long
def test_tour_of_the_sample(project: Project) -> None:
    _, metrics = tour(project)
    assert metrics["promoted"] >= 3 and metrics["loop_mae"] < 0.8 * metrics["frozen_mae"]


@pytest.mark.long
def test_tour_of_the_real_file(project: Project) -> None:
    if not REAL.exists():
        pytest.skip("the real data set is not here")
    hours = sum(line.split(",")[1].startswith("2012") for line in REAL.read_text().splitlines())
    folder, metrics = tour(project, "-p", f"source={REAL}")
    assert metrics["answered"] == hours == 8734
    monthly = [json.loads(path.read_text()) for path in sorted(folder.glob("runs/backtest/*/decision.json"))]
    assert monthly[0]["in_service"] > 1.5 * monthly[0]["when_made"], "a model of 2011 does not know January 2012"
    assert 61 < metrics["frozen_mae"] < 111
    assert metrics["promoted"] >= 3 and metrics["loop_mae"] < 0.75 * metrics["frozen_mae"]


@pytest.mark.long
def test_tour_of_a_classification(tmp_path: Path) -> None:
    parcels = settle(bake(tmp_path / "parcels", task="classification", project="house"), tmp_path / "settings")
    _, metrics = tour(parcels)
    assert metrics["answered"] == 366 * 24
    assert metrics["promoted"] >= 1 and metrics["loop_log_loss"] < 0.98 * metrics["frozen_log_loss"]
