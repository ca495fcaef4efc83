"""The newest runs of each job, what is in production, and whether anything has to be done."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from daybook.files import Folder
from daybook.recent import Production, attention, headline, newest, read_production, recent_runs
from daybook.runs import Run, open_runs

NOW = datetime(2024, 3, 1, 6, tzinfo=UTC)
RUN = Run("", "train", "nbs/01_train.ipynb", {}, "done", "")


def made(job: str, days_ago: float = 0.1, **facts: object) -> Run:
    """A run of some days ago."""
    start = NOW - timedelta(days=days_ago)
    id = f"{start:%Y%m%dT%H%M%S}-{abs(hash((job, days_ago))) % 2**32:08x}"
    return replace(RUN, id=id, job=job, start=start.isoformat(), **facts)


def champion(days_ago: float) -> Production:
    """What was promoted some days ago."""
    return Production("demand:ab12", {}, "better", promoted_at=NOW - timedelta(days=days_ago))


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    """A folder of runs, on this machine or elsewhere."""
    folder = open_runs(tmp_path / "runs" if request.param == "local" else f"memory://{tmp_path.name}/runs")
    yield folder
    for path in folder.list():
        folder.delete(path)


def test_recent_runs_are_the_newest_of_each_job(folder: Folder) -> None:
    for run in [*(made("train", days, sweep="1") for days in range(40)), made("drift", 50), made("backtest", 60)]:
        folder.put(f"{run.path}/run.json", run.to_json())
    folder.put("sweeps/1/report.html", b"")
    folder.put("index.html", b"")
    jobs = recent_runs(folder, most=10)
    assert {job: len(runs) for job, runs in jobs.items()} == {"backtest": 1, "drift": 1, "train": 8}
    assert [run.start for run in jobs["train"]] == sorted((run.start for run in jobs["train"]), reverse=True)
    assert jobs["train"][0].start == NOW.isoformat()


def test_recent_runs_are_none_in_an_empty_folder(folder: Folder) -> None:
    assert recent_runs(folder) == {}


def test_recent_runs_leave_out_what_cannot_be_read(folder: Folder) -> None:
    sound = made("train", metrics={"mae": 1.5})
    odd = {"no JSON": b"{", "a list": b"[]", "no start": replace(sound, start="soon").to_json()}
    odd["metrics of texts"] = replace(sound, metrics={"mae": 2.0, "text": "<b>", "none": None}).to_json()
    for name, content in odd.items():
        folder.put(f"train/{name}/run.json", content)
    folder.put("train/empty/report.html", b"")
    [run] = recent_runs(folder)["train"]
    assert run.path == "train/metrics of texts" and run.metrics == {"mae": 2.0}, "its links lead where it lies"


def test_recent_runs_read_no_more_than_they_may(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    for days in range(30):
        run = made("train", days)
        folder.put(f"{run.path}/run.json", run.to_json())
    read: list[bytes] = []
    from_json = Run.from_json
    monkeypatch.setattr(Run, "from_json", lambda content: read.append(content) or from_json(content))
    assert len(recent_runs(folder, most=7)["train"]) == 7 == len(read)


@pytest.mark.parametrize("count", [5, 15, 60, 500])
def test_recent_runs_read_on_past_sweeps(folder: Folder, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    alert, older = made("train", 31, alert="moved"), made("train", 40, verdict="OK")
    runs = [made("drift", 50), older, alert]
    for sweep in (made("", 30).id, made("", 20).id):
        start = 30 if sweep < made("", 25).id else 20
        runs += [made("train", start - (number + 1) / 100, sweep=sweep) for number in range(count)]
    for run in runs:
        folder.put(f"{run.path}/run.json", run.to_json())
    read: list[bytes] = []
    from_json = Run.from_json
    monkeypatch.setattr(Run, "from_json", lambda content: read.append(content) or from_json(content))
    jobs = recent_runs(folder, most=10)
    assert newest(jobs["train"]) == alert and len(jobs["train"]) <= 11
    assert [todo.text for todo in attention(jobs, None, NOW)] == ["moved."]
    assert len(read) <= 40, "a step for each sweep"


def test_newest_is_no_running_one_and_of_no_sweep() -> None:
    ended = made("train", 3)
    assert newest([made("train", 1, status="running"), made("train", 2, sweep="1"), ended, made("train", 4)]) is ended
    assert newest([made("train", 1, status="running")]) is None


@pytest.mark.parametrize(
    ("run", "promoted", "badges"),
    [
        (made("drift", alert="moved"), None, ["ALERT"]),
        (made("drift", 2, alert="moved"), 1, None),  # of the champion before
        (made("drift", 2, alert="moved"), 3, ["ALERT"]),
        (made("score", 2, alert="rows break the contract"), 1, ["ALERT"]),  # no model mends that
        (made("backtest", 400, alert="late"), None, ["ALERT"]),  # an alert does not go away by itself
        (made("backtest", verdict="PROMOTE", alert="late"), None, ["ALERT", "PROMOTE"]),
        (made("backtest", 29, verdict="PROMOTE"), None, ["PROMOTE"]),
        (made("backtest", 31, verdict="PROMOTE"), None, None),
        (made("backtest", verdict="KEEP"), None, None),
        (made("train", verdict="WARNING"), None, ["WARNING"]),
        (made("train", verdict="OK"), None, None),
        (made("promote", 13, status="failed", error="refused"), None, ["FAILED"]),
        (made("promote", 15, status="failed", error="refused"), None, None),
        (made("backtest", 2, status="failed"), 1, ["FAILED"]),  # a promotion mends no notebook
        (made("train", sweep="1", alert="one of many"), None, None),
        (made("probe"), None, None),  # recorded nothing
    ],
)
def test_attention_is_for_what_is_open(run: Run, promoted: float | None, badges: list[str] | None) -> None:
    todos = attention({run.job: [run]}, champion(promoted) if promoted else None, NOW)
    assert [todo.badges for todo in todos] == ([badges] if badges else [])


def test_attention_is_about_the_newest_run() -> None:
    assert attention({"drift": [made("drift", 1, verdict="OK"), made("drift", 8, alert="moved")]}, None, NOW) == []


def test_attention_says_the_most_urgent_first() -> None:
    jobs = {
        "a": [made("a", verdict="WARNING", summary="too few rows")],
        "b": [made("b", alert="by a day", summary="It is late", command="daybook run b")],
        "c": [made("c", status="failed", error="ValueError: no rows")],
    }
    todos = attention(jobs, None, NOW)
    assert [todo.run.job for todo in todos] == ["c", "b", "a"]
    assert [todo.text for todo in todos] == ["ValueError: no rows", "by a day. It is late.", "too few rows."]
    assert [todo.command for todo in todos] == [f"daybook show {jobs['c'][0].id[-8:]}", "daybook run b", None]
    assert headline(jobs, todos) == ("FAILED", "Something has to be done: c and b need attention.")
    assert headline(jobs, todos[1:2]) == ("ALERT", "Something has to be done: b needs attention.")
    assert headline(jobs, todos[2:])[1] == "Nothing has to be done, but a cannot be judged, or the result is weak."
    assert headline(jobs, []) == ("OK", "Nothing has to be done.")


def test_read_production_reads_both_editions(probe: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    content = {"model": "demand:ab12", "metrics": {"mae": 2.0, "bias": None}, "reason": "better", "decision": "1"}
    content |= {"promoted_by": "Ada", "promoted_at": "2024-01-09T12:00:00Z", "previous": None, "sha256": "00"}
    old = content | {"figures": content["metrics"], "who": "Ada", "when": "2024-01-09T12:00:00"}
    for name in ("metrics", "promoted_by", "promoted_at"):
        del old[name]
    at = datetime(2024, 1, 9, 12, tzinfo=UTC)
    for each in (content, old):
        Path("champion.json").write_text(json.dumps(each))
        assert read_production() == Production("demand:ab12", {"mae": 2.0}, "better", "1", "Ada", at, None)
    monkeypatch.setenv("CHAMPION_FILE", "elsewhere.json")
    assert read_production() is None


@pytest.mark.parametrize("text", ["", "[]", '{"metrics": 3}', '{"promoted_at": "soon"}'])
def test_read_production_takes_no_broken_file(probe: Callable, text: str) -> None:
    Path("champion.json").write_text(text)
    assert read_production() is None
