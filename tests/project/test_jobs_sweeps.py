"""Sweeps of real processes: they die, they are stopped, and they meet."""

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from probes import RECORD, Probe, wait_until

ENDS = """
import signal, time
if number == 2:
    raise ValueError("two is too many")
if number == 3:
    os.kill(os.getpid(), signal.SIGKILL)
if number == 4:
    time.sleep(600)
if number == 5:
    os._exit(7)
if number == 6:
    raise MemoryError
"""


def test_runs_that_die_fail_alone(probe: Probe) -> None:
    probe.write(ENDS, RECORD)
    said = probe.daybook("sweep probe -p number=1..7 --sample 99 --time-limit 8", code=1)
    ends = {run["parameters"]["number"]: (run["status"], run["error"], run["metrics"]) for run in probe.runs()}
    assert ends == {
        1: ("done", None, {"twice": 2}),
        2: ("failed", "ValueError: two is too many", {}),
        3: ("failed", "Killed: its process was ended by SIGKILL, perhaps for want of memory", {}),
        4: ("failed", "Timeout: it took more than 8 s", {}),
        5: ("failed", "Ended: its process ended itself with exit code 7", {}),
        6: ("failed", "MemoryError", {}),
        7: ("done", None, {"twice": 14}),
    }
    assert "2 of 7 runs done" in said
    for run in probe.runs():
        folder = probe.root / "runs" / "probe" / run["id"]
        assert {path.name for path in folder.iterdir()} == {"notebook.ipynb", "report.html", "run.json"}
    stuck = next(run for run in probe.runs() if run["parameters"]["number"] == 4)
    text = json.dumps([cell.outputs for cell in probe.cells(stuck)])
    assert "time.sleep(600)" in re.sub(r"\\u001b\[[\d;]*m", "", text), "the notebook shows where it was"
    page = next((probe.root / "runs" / "sweeps").glob("*/report.html")).read_text(encoding="utf-8")
    assert page.count("report.html") == 7 and "two is too many" in page and "<img alt" in page


def test_sweep_ranks_and_says_what_no_run_recorded(probe: Probe) -> None:
    (probe.root / "grid.yaml").write_text("number: [3, 1, 2]\nkind: [x]\n")
    probe.write(RECORD, "record(minus=-number)", parameters='number: int = 1\nkind: Literal["x", "y"] = "y"')
    for words, expected in (
        ("--minimize twice", ["1", "2", "3"]),
        ("--maximize twice", ["3", "2", "1"]),
        ("--minimize minus", ["3", "2", "1"]),
    ):
        said = probe.daybook(f"sweep probe --grid grid.yaml {words}")
        assert re.findall(r"^ *[123] +(\d)", said, re.MULTILINE) == expected
    said = probe.daybook("sweep probe --grid grid.yaml --minimize thrice", code=2)
    assert "recorded no thrice: did you mean twice? there are: minus, twice" in said
    probe.write(RECORD, "record(minus=-number)  # anew", parameters="number: int = 1")
    said = probe.daybook("sweep probe -p number=1,2,3,4,5,6 --workers 1 --minimize thrice", code=2)
    assert "recorded no thrice" in said and probe.statuses()["done"] < 3 + 6


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_sweep_is_stopped_and_continued(probe: Probe, how: signal.Signals) -> None:
    marker = probe.root / "runs" / "go"
    wait = f"while number > 2 and not pathlib.Path({str(marker)!r}).exists():\n    time.sleep(0.1)"
    probe.write(f"import time, pathlib\n{wait}", RECORD)
    words = "sweep probe -p number=1,2,3,4,5,6 --workers 2"
    sweep = probe.start(words)
    wait_until(lambda: probe.statuses() == {"done": 2, "running": 2})
    family = psutil.Process(sweep.pid).children(recursive=True)
    sweep.send_signal(how)
    said, _ = sweep.communicate(timeout=60)
    assert sweep.returncode == 130 and "daybook: stopped" in said and "Traceback" not in said
    assert psutil.wait_procs(family, timeout=10)[1] == [], "something that it started still runs"
    assert probe.statuses() == {"done": 2, "failed": 2}
    assert {run["error"] for run in probe.runs("--status", "failed")} <= {"Stopped: by its caller", "KeyboardInterrupt"}
    marker.touch()
    assert "6 of 6 runs done, 2 of them before" in probe.daybook(words)


def test_command_that_is_killed_leaves_nothing_running(probe: Probe) -> None:
    probe.write("import time\ntime.sleep(600)")
    job = probe.start("run probe")

    def family() -> list[psutil.Process]:
        return psutil.Process(job.pid).children(recursive=True)

    wait_until(lambda: probe.statuses() == {"running": 1} and len(family()) >= 2)
    time.sleep(2)
    processes = family()
    job.kill()
    job.wait()
    assert psutil.wait_procs(processes, timeout=10)[1] == [], "something that it started still runs"
    assert [run["error"] for run in probe.runs()] == ["Died: its process ended and did not say how"]


def test_runs_of_the_same_moment_never_meet(probe: Probe) -> None:
    probe.write(RECORD)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: probe.daybook(f"run probe -p number={number}"), range(8)))
    assert sorted(run["metrics"]["twice"] for run in probe.runs()) == list(range(0, 16, 2))
    assert len({run["id"] for run in probe.runs()}) == 8


def test_progress_bar_counts_what_runs(probe: Probe) -> None:
    probe.write(RECORD, "import time\ntime.sleep(1)")
    terminal, other_end = os.openpty()
    command = [probe.project.commands / "daybook", *"sweep probe -p number=1,2,3 --workers 2".split()]
    settings = probe.project.settings | {"TERM": "xterm", "COLUMNS": "120"}
    sweep = subprocess.Popen(command, cwd=probe.root, env=settings, stdout=subprocess.DEVNULL, stderr=other_end)
    os.close(other_end)
    shown = b""
    with contextlib.suppress(OSError):  # Linux's word for the other end being closed
        while part := os.read(terminal, 65536):
            shown += part
    os.close(terminal)
    assert sweep.wait(60) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode(errors="replace"))
    for line in (r"0 done 0 failed 2 running \S+ 0/3", r"3 done 0 failed 0 running \S+ 3/3"):
        assert re.search(line, text)


def test_rerun_names_the_commit_of_other_code(probe: Probe) -> None:
    probe.write(RECORD)
    for command in ("init --quiet", "add --all", "-c user.name=T -c user.email=t@example.com commit --quiet -m one"):
        subprocess.run(["git", *command.split()], cwd=probe.root, check=True, env=probe.project.settings)
    probe.daybook("run probe -p number=3")
    (run,) = probe.runs()
    assert re.fullmatch(r"[0-9a-f]{40}", run["git_commit"].removesuffix("-dirty"))
    assert "twice            6" in probe.daybook(f"rerun {run['id']}")
    probe.write(RECORD, "1 + 1")
    said = probe.daybook(f"rerun {run['id']}", code=2)
    assert "nbs/probe.ipynb changed since run" in said and run["git_commit"] in said and "-p number=3" in said


def test_threads_that_wait_leave_the_cores_to_other_runs(probe: Probe) -> None:
    probe.write(
        "import time\n\nimport numpy as np\n\nfrom daybook.runs import record\n",
        "np.ones((500, 500)) @ np.ones((500, 500))\nbegan = time.process_time()\ntime.sleep(0.3)\n"
        "record(seconds=time.process_time() - began)",
    )
    probe.daybook("sweep probe -p number=1,2 --workers 1")
    assert all(run["metrics"]["seconds"] < 0.02 for run in probe.runs())
