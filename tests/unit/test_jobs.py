"""One run from its call to its folder, run again, sent elsewhere, and removed."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daybook import jobs
from daybook.files import Folder
from daybook.jobs import clean, rerun, run, run_tasks
from daybook.notebooks import Job, Task
from daybook.project import DaybookError
from daybook.runs import Run, all_runs, open_runs
from daybook.supervisor import supervise

Probe = Callable[..., str]
RECORD = "from daybook.runs import record\nrecord(twice=2 * number)"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """Runs that end at once, without a process; the tasks that were executed."""
    tasks: list[Task] = []

    def end(task: Task, folder: Path, *_: Any) -> Run:
        tasks.append(task)
        ended = replace(task.run, status="done", seconds=0.1)
        (folder / "run.json").write_bytes(ended.to_json())
        (folder / "report.html").write_text("")
        return ended

    monkeypatch.setattr(jobs, "supervise", end)
    monkeypatch.setattr(jobs, "start_server", lambda *_, **__: None)
    return tasks


def test_run_leaves_notebook_report_and_run_json(probe: Probe) -> None:
    probe(RECORD, "from daybook.runs import current, save_json\nsave_json('now.json', current().parameters)")
    ended = run("probe", {"number": "21"})
    assert (ended.status, ended.metrics, ended.parameters, ended.engine) == (
        "done",
        {"twice": 42},
        {"number": 21},
        "shell",
    )
    folder = Path("runs", ended.path)
    assert {path.name for path in folder.iterdir()} == {"notebook.ipynb", "report.html", "run.json", "now.json"}
    assert json.loads((folder / "now.json").read_text()) == {"number": 21}
    assert Run.from_json((folder / "run.json").read_bytes()) == ended


@pytest.mark.parametrize("args", [{"nubmer": 1}, {"number": "many"}])
def test_run_refuses_before_anything_starts(probe: Probe, quick: list[Task], args: dict) -> None:
    with pytest.raises(DaybookError):
        run(probe(RECORD), args)
    with pytest.raises(DaybookError, match="moon://base is no place to keep files in"):
        run("probe", runs_url="moon://base")
    assert not quick and not Path("runs").exists()


def test_run_ends_what_the_notebook_started(probe: Probe, tmp_path: Path) -> None:
    import psutil

    exits = f"import atexit\natexit.register(open({str(tmp_path / 'exits')!r}, 'a').write, 'x')"
    child = "import subprocess\nfrom daybook.runs import record\nrecord(pid=subprocess.Popen(['sleep', '600']).pid)"
    pid = run(probe(exits, child)).metrics["pid"]
    assert (tmp_path / "exits").read_text() == "x"
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.long
def test_supervise_says_how_a_process_died(probe: Probe, tmp_path: Path) -> None:
    ends = "import os, signal, time\nif number == 1:\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    ends += "if number == 2:\n    os._exit(7)\nif number == 3:\n    time.sleep(600)"
    job, errors = Job.find(probe(ends)), []
    for number in (1, 2, 3):
        folder = tmp_path / str(number)
        folder.mkdir()
        ended = supervise(jobs.started(job.task({"number": number})), folder, time_limit=3, is_alone=False)
        errors.append(ended.error)
        assert ended.status == "failed" and ended.error.partition(":")[0] in (folder / "report.html").read_text()
        assert {path.name for path in folder.iterdir()} == {"notebook.ipynb", "report.html", "run.json"}
    assert errors == [
        "Killed: its process was ended by SIGKILL, perhaps for want of memory",
        "Ended: its process ended itself with exit code 7",
        "Timeout: it took more than 3 s",
    ]
    assert "KeyboardInterrupt" in (folder / "notebook.ipynb").read_text(), "it shows where it was"


def test_supervise_stops_for_its_caller(probe: Probe, tmp_path: Path) -> None:
    task = jobs.started(Job.find(probe("import time\ntime.sleep(600)")).task({}))
    assert supervise(task, tmp_path, is_stopped=lambda: True).error == "Stopped: by its caller"


def test_run_tasks_yields_runs_and_stops_when_left(probe: Probe, quick: list[Task]) -> None:
    tasks = [Job.find(probe(RECORD)).task({"number": number}) for number in range(9)]
    assert len({run.id for run in run_tasks(tasks, open_runs(), workers=3)}) == 9
    quick.clear()
    ended: Iterator[Run] = run_tasks(tasks, open_runs(), workers=1)
    next(ended)
    ended.close()
    assert len(quick) < 9


def test_run_goes_elsewhere_run_json_last(probe: Probe, quick: list[Task], monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    put = Folder.put
    monkeypatch.setattr(Folder, "put", lambda self, path, content: (order.append(path), put(self, path, content)))
    ended = run(probe(RECORD), runs_url="memory://elsewhere/runs")
    assert [path.rpartition("/")[2] for path in order] == ["run.json", "report.html", "run.json"]
    assert all_runs(open_runs("memory://elsewhere/runs")) == [ended] and not Path("runs").exists()


def test_run_that_cannot_be_sent_is_kept(probe: Probe, quick: list[Task], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Folder, path: str, content: bytes) -> None:
        if path.endswith("report.html"):
            raise OSError("no space")

    monkeypatch.setattr(Folder, "put", fail)
    with pytest.raises(DaybookError, match="cannot be written, no space: the files of the run are in ") as error:
        run(probe(RECORD), runs_url="memory://full/runs")
    assert Path(str(error.value).rpartition(" ")[2], "report.html").exists()


def test_rerun_takes_the_same_parameters(probe: Probe, quick: list[Task]) -> None:
    before = run(probe(RECORD), {"number": 7}, engine="kernel")
    again = rerun(before.id[-8:])
    assert again.id != before.id and (again.parameters, again.engine) == ({"number": 7}, "kernel")
    assert rerun("last", {"number": "8"}, engine="shell").parameters == {"number": 8}


def test_rerun_refuses_other_code(probe: Probe, quick: list[Task]) -> None:
    before = run(probe(RECORD), {"number": 7})
    Path("probes/data.py").write_text("")
    with pytest.raises(DaybookError, match=f"the package changed since run {before.id}.*daybook run probe -p number=7"):
        rerun("last")
    probe(RECORD, "1 + 1")
    with pytest.raises(DaybookError, match="nbs/01_probe.ipynb and the package changed"):
        rerun("last")


def test_rerun_needs_secrets_again(probe: Probe, quick: list[Task]) -> None:
    probe(RECORD, parameters="token: SecretStr = SecretStr('')\nnumber: int = 1")
    run("probe", {"token": "swordfish", "number": 2})
    rerun("last", {"token": "sword of fish"})
    assert [task.secrets for task in quick] == [{"token": "swordfish"}, {"token": "sword of fish"}]
    assert [task.args["number"] for task in quick] == [2, 2]


def test_clean_keeps_the_newest(probe: Probe) -> None:
    probe()
    folder = open_runs()
    example = Run("", "probe", "", {}, "done", "")
    for day in range(1, 6):
        run = replace(example, id=f"2024010{day}T000000-01234567", start=f"2024-01-0{day}")
        folder.put(f"{run.path}/run.json", replace(run, status="running" if day == 1 else "done").to_json())
        folder.put(f"{run.path}/report.html", b"")
        folder.put(f"sweeps/{run.id}/report.html", b"")
    assert len(clean(folder, 2, "probe")) == 2 and len(folder.list("sweeps")) == 5
    assert [run.start[-1] for run in all_runs(folder)] == ["5", "4", "1"], "what is running stays"
    assert len(clean(folder, 1)) == 5
    assert sorted(path.name[:8] for path in Path("runs/probe").iterdir()) == ["20240101", "20240105"]
    assert [path.name[:8] for path in Path("runs/sweeps").iterdir()] == ["20240105"]
