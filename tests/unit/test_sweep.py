"""A sweep: what is run, what is taken as it is, the order of runs, and the page that compares them."""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from daybook import sweep as module
from daybook.console import print_sweep
from daybook.notebooks import Task
from daybook.project import DaybookError
from daybook.runs import Run, open_runs
from daybook.sweep import Sweep, ranked, sweep
from daybook.sweep_pictures import _heights, _panel, _positions, learned_picture, sweep_picture
from daybook.sweep_report import sweep_report, telling_metrics

Probe = Callable[..., str]
EXAMPLE = Run("0" * 24, "probe", "nbs/01_probe.ipynb", {"number": 1}, "done", "2024-01-01", seconds=1.0)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """Runs that record twice their number at once, fail at 13, and are interrupted at 14; the tasks."""
    tasks: list[Task] = []

    def run_tasks(todo: list[Task], folder: Any, *_: Any) -> Iterator[Run]:
        for task in todo:
            number = task.run.parameters["number"]
            if number == 14:
                raise KeyboardInterrupt
            tasks.append(task)
            ends = {"status": "failed", "error": "Killed: …"} if number == 13 else {"metrics": {"twice": 2.0 * number}}
            run = replace(task.run, id=f"{len(tasks):024}", **({"status": "done"} | ends))
            folder.put(f"{run.path}/run.json", run.to_json())
            yield run

    monkeypatch.setattr(module, "run_tasks", run_tasks)
    monkeypatch.setattr(module, "start_server", lambda *_, **__: None)
    return tasks


@pytest.mark.long
def test_sweep_runs_processes(probe: Probe) -> None:
    job = probe("from daybook.runs import record\nif number == 2:\n    1 / 0\nrecord(twice=2 * number)")
    done = sweep(job, {"number": "3,2,1"}, workers=2)
    assert [(run.status, run.metrics) for run in done.runs] == [
        ("done", {"twice": 2}),
        ("done", {"twice": 6}),
        ("failed", {}),
    ]
    page = Path(f"runs/sweeps/{done.id}/report.html").read_text(encoding="utf-8")
    links = re.findall(r"href='([^']+)'", page)
    assert len(links) == 3 and all(Path("runs/sweeps/x", link).resolve().is_file() for link in links)
    assert "ZeroDivisionError" in page and "<img alt" in page


def test_sweep_continues_where_it_stopped(probe: Probe, quick: list[Task]) -> None:
    Path("data.csv").write_text("1")
    parameters = "number: int = 1\nsource: Path = Path('data.csv')"
    probe(parameters=parameters)

    def reused(**options: Any) -> int:
        return sweep("probe", {"number": "1,2,3"}, **options).reused

    assert [reused(), reused(), reused(force=True)] == [0, 3, 0]
    Path("data.csv").write_text("2")
    assert [reused(), reused()] == [0, 3], "other data"
    probe("1 + 1", parameters=parameters)
    assert [reused(), reused()] == [0, 3], "another notebook"
    Path("probes/data.py").write_text("")
    assert reused() == 0, "other code"
    Path("probes/data.py").unlink()
    assert sweep("probe", {"number": [3, 4]}).reused == 1


def test_sweep_that_is_interrupted_leaves_a_page(probe: Probe, quick: list[Task]) -> None:
    with pytest.raises(KeyboardInterrupt):
        sweep(probe(), {"number": "1,13,14,15"})
    page = next(Path("runs/sweeps").glob("*/report.html")).read_text(encoding="utf-8")
    assert "1 done, 1 failed, 2 not run" in page


def test_sweep_shares_the_cores(probe: Probe, quick: list[Task], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cores", lambda: 8)
    for count, workers, threads in ((9, None, 1), (9, 2, 4), (9, 3, 2), (9, 16, 1), (2, None, 4), (1, 3, 8)):
        sweep(probe(), {"number": list(range(count))}, workers=workers, force=True)
        assert quick[-1].threads == threads
    assert sweep(probe(), {"number": list(range(9))}).reused == 9, "nothing is left to share"
    sweep(probe(), {"number": 1}, force=True, scheduler="tcp://127.0.0.1:1")
    assert quick[-1].threads is None


def test_sweep_reports_progress(probe: Probe, quick: list[Task]) -> None:
    calls = []
    sweep(probe(), {"number": [1, 2]})
    sweep("probe", {"number": [1, 2, 3]}, on_progress=lambda *call: calls.append(call))
    assert [(run and run.status, ended, total) for run, ended, total in calls] == [(None, 2, 3), ("done", 3, 3)]


def test_sweep_gives_typed_arguments(probe: Probe, quick: list[Task]) -> None:
    probe(parameters="number: int = 1\nnames: list[str] = []\nday: date | None = None")
    sweep("probe", {"number": "1", "names": ["a,b", '["c"]'], "day": "2024-01-01,none"})
    assert {str(task.args["names"]) for task in quick} == {"['a', 'b']", "['c']"}
    assert {task.run.parameters["day"] for task in quick} == {"2024-01-01", None}


@pytest.mark.parametrize("args", [{"nubmer": "1"}, {"number": "1..9"}, {"number": "1,many"}])
def test_sweep_refuses_before_anything_starts(probe: Probe, quick: list[Task], args: dict) -> None:
    with pytest.raises(DaybookError):
        sweep(probe(), args)
    assert not quick and not Path("runs").exists()


def test_ranked_puts_the_best_first_and_the_failed_last() -> None:
    trials = [replace(EXAMPLE, id=str(k), metrics={"mae": mae}) for k, mae in enumerate((3.0, 1.0, math.nan, 2.0))]
    trials += [replace(EXAMPLE, id="4", status="failed"), replace(EXAMPLE, id="5")]
    assert "".join(run.id for run in ranked(trials, "mae", False)) == "130254"
    assert "".join(run.id for run in ranked(trials, "mae", True)) == "031254"
    assert "".join(run.id for run in ranked(trials, None, True)) == "012354"


def test_sweep_ranks_by_the_first_metric_or_by_the_given(probe: Probe, quick: list[Task]) -> None:
    best = [
        sweep(probe(), {"number": "2,1,3"}, **options).runs[0].parameters["number"]
        for options in ({}, {"maximize": "twice"})
    ]
    assert best == [1, 3]
    for number in ("2,1", "7,8,9"):  # of which the first were run before
        with pytest.raises(DaybookError, match="recorded no thrice: did you mean twice?"):
            sweep("probe", {"number": number}, minimize="thrice")


def report_of(*parameters: dict, **changes: Any) -> tuple[Sweep, str]:
    """A sweep with these parameters, and its page."""
    runs = [
        replace(EXAMPLE, id=f"{number:024}", parameters=each, metrics={"mae": float(number), "rows": 9})
        for number, each in enumerate(parameters)
    ]
    example = replace(Sweep("1", "probe", tuple(parameters[0]), runs, "mae", False, 0), **changes)
    return example, sweep_report(example, len(runs))


def test_sweep_report_shows_what_differs() -> None:
    example, page = report_of({"number": 1, "kind": "<b>"}, {"number": 2, "kind": "y"})
    assert telling_metrics(example, example.runs) == ["mae"] and "probe: 2 runs, the lowest mae first" in page
    assert "&lt;b&gt;" in page and "<b>" not in page and 'src="http' not in page and "href='http" not in page
    alts = sweep_picture(example, example.runs).alt.splitlines()
    assert (
        alts[0] == "mae of 2 runs against number; the best at 1. Medians: 0 at 1, 1 at 2." and "against kind" in alts[1]
    )
    assert "The best of 2 runs has mae 0, with number=1, kind=&lt;b&gt;." in page


def test_sweep_report_without_metrics_has_no_picture() -> None:
    _, page = report_of({"number": 1}, {"number": 2}, metric=None)
    assert "<img" not in page and "probe: 2 runs<" in page


def test_sweep_report_says_what_the_best_run_says_is_next() -> None:
    example, _ = report_of({"number": 1}, {"number": 2})
    runs = [replace(example.runs[0], command="daybook run promote"), replace(example.runs[1], command="another")]
    page = sweep_report(replace(example, runs=runs), 2)
    assert "<code>daybook run promote</code>" in page and "another" not in page
    assert ">OK</span>" in page and ">WARNING</span>" in sweep_report(example, 3)
    failed = replace(example, runs=[replace(run, status="failed", error="late") for run in runs])
    assert ">FAILED</span>" in sweep_report(failed, 2) and "None of 2 runs is done." in sweep_report(failed, 2)


def test_sweep_picture_places_booleans_as_categories() -> None:
    assert _positions([False, True, False]) == ([0, 1, 0], {0: "False", 1: "True"}, "categories")
    assert _positions([0.1, 2, 0.1]) == ([0.1, 2, 0.1], {0.1: "0.1", 2: "2"}, "numbers")
    assert _heights([True, False, True]) == ([0, 1, 0], {0: "True", 1: "False"})
    example, _ = report_of({"is_on": False}, {"is_on": True})
    assert "0 at False, 1 at True" in sweep_picture(example, example.runs).alt


def test_learned_picture_takes_lists() -> None:
    example, _ = report_of({"names": ["a", "b"], "depth": 1}, {"names": ["c"], "depth": 2}, is_chosen=True)
    alt = learned_picture(example, example.runs).alt
    assert "2 runs as lines across names, depth, mae; the best has names ['a', 'b'], depth 1." in alt


def test_sweep_picture_has_dates_on_a_scale() -> None:
    days = [f"2020-{month:02}-01" for month in (1, 12, 6, 5)]
    figure, _ = _panel("start", days, "mae", [1.0, 2.0, 3.0, 4.0], False)
    figure.draw_without_rendering()
    panel = figure.axes[0]
    assert panel.collections[0].get_offsets()[:, 0].tolist() == [18262, 18597, 18414, 18383]
    assert "Jul" in [label.get_text() for label in panel.get_xticklabels()]
    assert _heights(["2020-01-03T06:30:00", "2020-01-01", "2020-01-02"])[1] == {0: "2020-01-01", 1: "2020-01-03 06:30"}
    assert _positions(["2020-01-01", "none"])[2] == "categories"


def test_sweep_pictures_leave_out_what_is_no_number() -> None:
    example, _ = report_of(*({"number": number} for number in range(4)), is_chosen=True)
    runs = [replace(run, start=f"2024-01-0{number}") for number, run in enumerate(example.runs, 1)]
    for value in (math.nan, math.inf):
        some = [replace(runs[0], metrics={"mae": value}), *runs[1:]]
        assert "mae of 3 runs against number" in sweep_picture(example, some).alt
        assert "the best, 1, is run 1." in learned_picture(example, some).alt
        assert learned_picture(replace(example, goals={"mae": False, "rows": True}), some).alt.startswith(
            "rows against"
        )
    strange = replace(example, runs=[replace(run, metrics={"mae": math.nan}) for run in runs])
    page = sweep_report(strange, 4)
    assert (
        "<img" not in page and ">WARNING</span>" in page and "4 runs are done, and none has a number for mae." in page
    )


def test_sweep_report_links_to_jobs_with_odd_names() -> None:
    example, _ = report_of({"number": 1}, {"number": 2})
    job = "10_ann's model #2"
    page = sweep_report(replace(example, job=job, runs=[replace(run, job=job) for run in example.runs]), 2)
    links = re.findall(r"href='([^']+)'", page)
    assert [unquote(link) for link in links] == [f"../../{job}/{run.id}/report.html" for run in example.runs]


def test_print_sweep_of_failed_runs_has_their_status(probe: Probe, capsys: pytest.CaptureFixture) -> None:
    example, _ = report_of({"number": 1}, {"number": 2}, metric=None)
    failed = replace(example, runs=[replace(run, status="failed", error="late", metrics={}) for run in example.runs])
    print_sweep(failed, open_runs())
    _, heads, _, first, *_ = capsys.readouterr().out.splitlines()
    assert heads.split() == ["number", "status", "seconds", "run"]
    assert first.split() == ["1", "1", "failed", "1.0", "0" * 24]
    assert "<th>status</th>" in sweep_report(failed, 2)


def test_open_runs_is_where_sweeps_go(probe: Probe, quick: list[Task]) -> None:
    done = sweep(probe(), {"number": 1}, runs_url="memory://sweeps")
    assert f"sweeps/{done.id}/report.html" in open_runs("memory://sweeps").list()
