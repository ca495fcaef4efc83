"""What a run reports as it goes, and trials that are stopped early."""

import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daybook import cli, runs
from daybook import sweep as module
from daybook.jobs import run_tasks
from daybook.notebooks import Job
from daybook.project import DaybookError
from daybook.run_report import report as run_report
from daybook.runs import Run, all_runs, open_runs, report
from daybook.steps import follow, read_steps, remove_marks, run_folder, steps_of, thinned, was_stopped
from daybook.sweep import ranked, sweep
from daybook.sweep_report import sweep_report

Probe = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the run that the test is in."""
    monkeypatch.setenv("DAYBOOK_RUN_FOLDER", str(tmp_path))
    run_folder.cache_clear()
    yield tmp_path
    run_folder.cache_clear()


def test_report_adds_a_line_to_a_file(folder: Path) -> None:
    for step, metric in ((0, 2), (1, 1.5), (1, 1.25), (5, math.nan)):
        report(step=step, metric=metric)
    steps, place = read_steps(folder)
    assert str(steps) == "{0: 2.0, 1: 1.25, 5: nan}" and place == os.path.getsize(folder / "steps.csv")
    assert read_steps(folder, place) == ({}, place)


def test_report_takes_the_numbers_of_numpy(folder: Path) -> None:
    numpy = pytest.importorskip("numpy")
    report(numpy.int64(3), numpy.float32(0.5))
    assert read_steps(folder)[0] == {3: 0.5}


@pytest.mark.parametrize("args", [(0.5, 1.0), ("1", 1.0), (1, "low"), (1, None), (-1, 1.0)])
def test_report_refuses_what_is_no_step(folder: Path, args: tuple) -> None:
    with pytest.raises(DaybookError, match="step"):
        report(*args)
    assert not (folder / "steps.csv").exists()


def test_read_steps_leaves_a_half_line(tmp_path: Path) -> None:
    assert read_steps(tmp_path) == ({}, 0)
    (tmp_path / "steps.csv").write_text("0,1.0\n1,0.")
    assert read_steps(tmp_path) == ({0: 1.0}, 6)


def test_thinned_keeps_the_same_steps_of_runs_of_any_length() -> None:
    short, long = (thinned(dict.fromkeys(range(count), 0.0)) for count in (300, 5000))
    assert (short[-1][0], long[-1][0]) == (299, 4999) and max(len(short), len(long)) <= 100
    assert {step for step, _ in long[:-1] if step < 296} <= {step for step, _ in short}
    assert long[-2][0] > 4000, "from all of the run"


def test_steps_survive_run_json() -> None:
    run = Run("0" * 24, "probe", "nbs/01_probe.ipynb", {}, "pruned", "2024-01-01", steps=[[0, 1.5], [3, math.nan]])
    read = Run.from_json(run.to_json())
    assert str(read.steps) == "[[0, 1.5], [3, nan]]" and read.ending == "stopped after step 3 at nan"
    assert steps_of(None) == [] and replace(run, steps=[]).ending == ""


def test_follow_passes_new_steps_on_and_stops_the_run(folder: Path) -> None:
    seen: list[dict] = []
    look = follow(folder, lambda steps: seen.append(dict(steps)) or len(seen) > 2)
    look()
    report(0, 1.0)
    look()
    report(1, 2.0)
    report(2, 3.0)
    look()
    assert seen == [{0: 1.0}, {1: 2.0, 2: 3.0}] and not was_stopped(folder)
    look()  # the answer of another machine comes later
    with pytest.raises(SystemExit) as ended:
        report(3, 4.0)
    assert ended.value.code is None and was_stopped(folder) and list(read_steps(folder)[0]) == [0, 1, 2, 3]
    remove_marks(folder)
    assert [path.name for path in folder.iterdir()] == ["steps.csv"]


REPORTS = "import time\nfrom daybook.runs import record, report\nfor step in range(30):\n"
REPORTS += "    report(step, number + 1 / (1 + step))\n    time.sleep(0.05)\nrecord(mae=number)"


@pytest.mark.long
@pytest.mark.parametrize("engine", ["shell", "kernel"])
def test_hopeless_run_ends_without_an_error(probe: Probe, engine: str) -> None:
    job = Job.find(probe(REPORTS, "print('never')"))
    stops: list[Run] = []

    def is_hopeless(run: Run, steps: dict[int, float]) -> bool:
        stops.append(run)
        return max(steps, default=0) > 5

    tasks = [job.task({"number": 3}, engine)]
    [run] = run_tasks(tasks, open_runs(), is_hopeless=is_hopeless)
    assert (run.status, run.error, run.metrics) == ("pruned", None, {}) and 5 < len(run.steps) < 30
    assert {each.id for each in stops} == {run.id}
    folder = Path("runs", run.path)
    assert sorted(path.name for path in folder.iterdir()) == ["notebook.ipynb", "report.html", "run.json", "steps.csv"]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert ">PRUNED</span>" in page and "stopped after step" in page and 'class="trend"' in page
    assert "never" not in (folder / "notebook.ipynb").read_text().replace("print('never')", "")


@pytest.mark.long
def test_sweep_with_trials_stops_bad_runs(probe: Probe) -> None:
    words = [*f"sweep {probe(REPORTS)} --workers 2 --minimize mae -p".split()]
    assert cli.main([*words, "number=1,2,3,4"]) == 0
    assert cli.main([*words, "number=1..1000", "--trials", "8"]) == 0
    pruned = [run for run in all_runs(open_runs(), "probe") if run.status == "pruned"]
    assert len(pruned) >= 3 and min(run.parameters["number"] for run in pruned) > 2
    assert all(7 <= len(run.steps) < 30 for run in pruned), "not in the first fifth of the steps"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that report their number three times at once, unless they are stopped."""

    def run_tasks(todo: Any, folder: Any, workers: int, time_limit: Any, scheduler: Any, is_hopeless: Any) -> Any:
        for place, task in enumerate(todo):
            number, steps = task.run.parameters["number"], []
            ends: dict[str, Any] = {"status": "done", "metrics": {"mae": float(number), "size": 1.0}}
            for step in range(3):
                steps.append([step, float(number)])
                if is_hopeless and is_hopeless(task.run, {step: float(number)}):
                    ends = {"status": "pruned"}
                    break
            count = len(all_runs(folder))
            run = replace(
                task.run, id=f"{count:024}", start=f"2024-01-01T00:{count:02}:{place:02}", steps=steps, **ends
            )
            folder.put(f"{run.path}/run.json", run.to_json())
            yield run

    monkeypatch.setattr(runs, "code_sha256", lambda: "the same")
    monkeypatch.setattr(module, "run_tasks", run_tasks)
    monkeypatch.setattr(module, "start_server", lambda *_, **__: None)


def test_pruned_runs_count_as_trials_and_stand_before_the_failed(probe: Probe, quick: None) -> None:
    first = sweep(probe(), {"number": "1..1000"}, trials=12, minimize="mae")
    statuses = [run.status for run in first.runs]
    assert {"done", "pruned"} == set(statuses) and statuses == sorted(statuses), statuses
    assert all(len(run.steps) > 1 for run in first.runs), "none in the first fifth of the steps"
    failed = replace(first.runs[0], status="failed")
    assert [run.status for run in ranked([failed, first.runs[-1], first.runs[0]], "mae", False)][1:] == [
        "pruned",
        "failed",
    ]
    page = sweep_report(first, 12)
    assert f"{statuses.count('pruned')} stopped early" in page and "stopped after step" in page and ">OK<" in page
    more = sweep("probe", {"number": "1..1000"}, trials=14, minimize="mae")
    assert (more.reused, len(more.runs)) == (12, 14)
    assert sweep("probe", {"number": [run.parameters["number"] for run in first.runs]}).reused >= statuses.count("done")


def test_a_grid_makes_pruned_runs_again(probe: Probe, quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    first = sweep(probe(), {"number": "1..1000"}, trials=12, minimize="mae")
    pruned = next(run for run in first.runs if run.status == "pruned")
    done = replace(pruned, status="done", metrics={"mae": 1.0})
    monkeypatch.setattr(module, "run_tasks", lambda tasks, *_: (done for _ in tasks))
    assert sweep("probe", {"number": [pruned.parameters["number"]]}).reused == 0


def test_several_metrics_stop_no_run(probe: Probe, quick: None) -> None:
    ended = sweep(probe(), {"number": "1..1000"}, trials=12, minimize=["mae", "size"])
    assert {run.status for run in ended.runs} == {"done"}


def test_report_of_a_run_shows_its_steps(tmp_path: Path) -> None:
    (tmp_path / "notebook.ipynb").write_text(
        json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    )
    run = Run("0" * 24, "probe", "nbs/01_probe.ipynb", {}, "done", "2024-01-01", steps=[[0, 3.0], [9, 1.5]])
    assert "reported from 3 to 1.5, between 1.5 and 3" in run_report(run, tmp_path / "notebook.ipynb")
    assert 'class="trend"' not in run_report(replace(run, steps=[]), tmp_path / "notebook.ipynb")
