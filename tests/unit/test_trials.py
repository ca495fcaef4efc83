"""Points that Optuna chooses: what lies in a space, nothing twice, and sweeps that learn and go on."""

import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from daybook import runs
from daybook import sweep as module
from daybook.notebooks import Task
from daybook.project import DaybookError
from daybook.runs import Run, all_runs, open_runs
from daybook.space import Range, drawn_of, value_of
from daybook.sweep import front, sweep
from daybook.trials import Trials

pytest.importorskip("optuna")
Probe = Callable[..., str]
AXES = [
    Range(0.01, 0.3, True),
    Range(2, 9, False),
    Range(date(2024, 1, 1), date(2024, 3, 1), False),
    Range(datetime(2024, 1, 1), datetime(2024, 1, 2), False),
    [8, 4, 4, 16],
    [date(2024, 1, 2), date(2024, 1, 1)],
    ["b", "a", None],
    [True, False],
    [["hour"], ["hour", "temp"]],
]


@pytest.mark.parametrize("axis", AXES, ids=str)
def test_trials_draw_from_the_axis_in_its_type(axis: Any) -> None:
    trials = Trials({"x": axis}, [False], count=3)
    trial, point = trials.ask()
    value = point["x"]
    if isinstance(axis, Range):
        assert type(value) is type(axis.low) and axis.low <= value <= axis.high
    else:
        assert value in axis
    again = value_of(axis, drawn_of(axis, value))
    assert again == value or abs(again - value).total_seconds() < 1e-3


def test_drawn_is_none_outside_the_axis() -> None:
    outside = [0.5, 10, date(2023, 1, 1), datetime(2025, 1, 1), 5, date(2025, 1, 1), "c", 2, ["temp"]]
    assert [drawn_of(axis, value) for axis, value in zip(AXES, outside, strict=True)] == [None] * len(AXES)
    assert drawn_of([True, False], 1) is None and drawn_of([4, 8], None) is None and drawn_of(AXES[1], None) is None


def test_trials_try_nothing_twice_and_end_with_the_space() -> None:
    trials = Trials({"x": [1, 2, 3], "y": ["a", "b", "c"]}, [False], count=20)
    points = []
    while asked := trials.ask():
        trials.tell(asked[0], [float(asked[1]["x"])])
        points.append(str(asked[1]))
    assert len(points) == len(set(points)) == 9


def test_trials_take_failures() -> None:
    trials = Trials({"x": Range(0.0, 1.0, False)}, [True, False], count=20)
    for values in (None, [math.nan, 1.0], [math.inf, 1.0], [0.5, 1.0]):
        trials.tell(trials.ask()[0], values)
    assert [trial.values for trial in trials.study.best_trials] == [[0.5, 1.0]]
    assert trials.importance() == {}


def test_importance_of_equal_results_is_empty() -> None:
    trials = Trials({"x": Range(0.0, 1.0, False), "y": [1, 2, 3]}, [False], count=12)
    for _ in range(12):
        trials.tell(trials.ask()[0], [1.0])
    assert trials.importance() == {}


def test_trials_say_that_optuna_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(DaybookError, match="--trials needs Optuna: install the extra `optuna`"):
        Trials({}, [False], 1)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """Runs that end at once with an error that is least at 70, and fail above 95; the tasks."""
    tasks: list[Task] = []

    def run_tasks(todo: Any, folder: Any, *_: Any) -> Iterator[Run]:
        for task in todo:
            number = task.run.parameters["number"]
            tasks.append(task)
            ends = {"metrics": {"mae": abs(number - 70.0), "size": number}}
            ends |= {"status": "failed", "metrics": {}} if number > 95 else {"status": "done"}
            run = replace(
                task.run, id=f"{len(all_runs(folder)):024}", start=f"2024-01-01T00:00:{len(tasks):02}", **ends
            )
            folder.put(f"{run.path}/run.json", run.to_json())
            yield run

    monkeypatch.setattr(runs, "code_sha256", lambda: "the same")
    monkeypatch.setattr(module, "run_tasks", run_tasks)
    monkeypatch.setattr(module, "start_server", lambda *_, **__: None)
    return tasks


def test_sweep_with_trials_goes_on_where_it_stopped(probe: Probe, quick: list[Task]) -> None:
    probe(parameters="number: int = 1\nseed: int = 0")
    first = sweep("probe", {"number": "1..1000"}, trials=5)
    assert (first.reused, len(first.runs), len(quick)) == (0, 5, 5)
    done = sum(run.status == "done" for run in first.runs)
    more = sweep("probe", {"number": "1..1000"}, trials=12)
    assert (more.reused, len(more.runs)) == (done, 12), "those that failed are not among them"
    for other in ({"number": "1..1000", "seed": "1"}, {"number": "2000..3000"}):
        assert sweep("probe", other, trials=1).reused == 0
    probe("1 + 1", parameters="number: int = 1\nseed: int = 0")
    assert sweep("probe", {"number": "1..1000"}, trials=1).reused == 0, "another notebook"


def test_sweep_with_trials_learns(probe: Probe, quick: list[Task]) -> None:
    best = []
    for seed in range(3):
        options = {"seed": seed, "force": True}
        learned = sweep(probe(), {"number": "1..90"}, trials=20, minimize="mae", **options)
        best.append(learned.runs[0].metrics["mae"])
        assert learned.is_chosen and learned.goals == {"mae": False}
    assert sorted(best)[1] <= 1


def test_sweep_with_trials_counts_grids_and_runs_too(probe: Probe, quick: list[Task]) -> None:
    sweep(probe(), {"number": "10,20"})
    assert sweep("probe", {"number": "1..90"}, trials=2).reused == 2
    assert sweep("probe", {"number": "1..90"}, trials=2, force=True).reused == 0
    whole = sweep("probe", {"number": "1,2,3"}, trials=9)
    assert len(whole.runs) == 3, "the space has no more"
    page = Path(f"runs/sweeps/{whole.id}/report.html").read_text(encoding="utf-8")
    assert ">OK</span>" in page and "not run" not in page


@pytest.mark.parametrize("error", ["OperationalError: the database is down", "Stopped: by its caller"])
def test_sweep_with_trials_tries_again_what_has_failed(probe: Probe, quick: list[Task], error: str) -> None:
    """As a grid does: it ended with nothing done, and with 0."""
    for run in sweep(probe(), {"number": "1,2,3"}, trials=3).runs:
        open_runs().put(f"{run.path}/run.json", replace(run, status="failed", metrics={}, error=error).to_json())
    again = sweep("probe", {"number": "1,2,3"}, trials=3)
    assert [run.status for run in again.runs] == ["done"] * 3 and again.reused == 0


def test_sweep_with_several_metrics_puts_the_front_first(probe: Probe, quick: list[Task]) -> None:
    ended = sweep(probe(), {"number": "1..90"}, trials=12, minimize=["mae", "size"])
    on = front(ended.runs, ended.goals)
    assert ended.runs[: len(on)] == on and all(run.parameters["number"] <= 70 for run in on)
    assert sweep("probe", {"number": "1..90"}, trials=20, minimize=["mae", "size"]).reused == 12, "whole numbers too"
    page = Path(f"runs/sweeps/{ended.id}/report.html").read_text(encoding="utf-8")
    assert f"{len(on)} of 12 runs are on the front: no other beats them in mae and size." in page
    assert "size against mae of 12 runs" in page and "the front of mae and size first" in page
    assert "mae of 12 runs in order; the best" in page


def test_optuna_and_mlflow_are_imported_by_nobody_else() -> None:
    code = "import sys, daybook.cli, daybook.jobs, daybook.sweep, daybook.sweep_report, daybook.tracking; "
    code += "print([name for name in ('optuna', 'mlflow') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
