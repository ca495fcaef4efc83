"""Runs beyond one machine: on the workers of a Dask cluster, and kept in an object store."""

import contextlib
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from helpers import free_port, object_store
from probes import RECORD, Probe, wait_until

pytestmark = pytest.mark.long


@pytest.fixture
def cluster(probe: Probe, extras: None, tmp_path: Path) -> tuple[str, list[subprocess.Popen], Callable]:
    """A scheduler and two workers in checkouts of the project; the address, the workers, and what starts another."""
    address = f"tcp://127.0.0.1:{free_port()}"
    with ExitStack() as stack:

        def serve(name: str, *words: str) -> subprocess.Popen:
            output = stack.enter_context((tmp_path / f"{name}.log").open("wb"))
            command = [probe.project.commands / "dask", *words, "--no-dashboard"]
            settings = probe.project.settings | {"TMPDIR": str(tmp_path)}
            process = subprocess.Popen(command, cwd=probe.root, env=settings, stdout=output, stderr=output)
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
            return process

        serve("scheduler", "scheduler", "--host", address)
        workers: list[subprocess.Popen] = []

        def serve_worker() -> None:
            folder = ("--local-directory", str(tmp_path))
            workers.append(serve(f"worker{len(workers)}", "worker", address, "--nthreads", "1", *folder))

        serve_worker()
        serve_worker()
        yield address, workers, serve_worker


def kill_family(process: subprocess.Popen) -> None:
    """Kill a process after all that it started."""
    for one in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended with the one before
            one.kill()


def jobs_of(worker: subprocess.Popen) -> list[psutil.Process]:
    """What a worker has started for its runs."""
    jobs = []
    for one in psutil.Process(worker.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
            if "forkserver" in str(one.cmdline()):
                jobs.append(one)
    return jobs


def test_sweep_survives_a_worker(probe: Probe, cluster: tuple, tmp_path: Path) -> None:
    address, workers, _ = cluster
    marker = tmp_path / "go"
    wait = f"while number > 4 and not pathlib.Path({str(marker)!r}).exists():\n    time.sleep(0.1)"
    probe.write(f"import time, pathlib\n{wait}", "print(os.getcwd())", RECORD)
    sweep = probe.start("sweep probe -p number=1,2,3,4,5,6,7,8 --scheduler", address)
    wait_until(lambda: probe.statuses()["done"] == 4, 120)
    time.sleep(2)  # both workers are busy with runs that wait
    kill_family(workers[0])
    marker.touch()
    said, _ = sweep.communicate(timeout=180)
    assert sweep.returncode == 0 and "8 of 8 runs done" in said, said
    assert sorted(run["metrics"]["twice"] for run in probe.runs()) == list(range(2, 18, 2))
    assert {probe.printed(run).strip() for run in probe.runs()} == {str(probe.root)}

    probe.write("import time\ntime.sleep(600)")
    sweep = probe.start("sweep probe -p number=9 --scheduler", address)
    wait_until(lambda: len(jobs_of(workers[1])) >= 2)
    time.sleep(2)
    sweep.send_signal(signal.SIGINT)
    said, _ = sweep.communicate(timeout=60)
    assert sweep.returncode == 130 and "daybook: stopped" in said, said
    wait_until(lambda: len(jobs_of(workers[1])) <= 1, 30)


def test_sweep_of_many_jobs_loses_none(probe: Probe, cluster: tuple, tmp_path: Path) -> None:
    """One worker dies and another joins; the runs go to an object store."""
    (address, workers, serve_worker), count = cluster, 200
    probe.write("import time\ntime.sleep(0.2)", RECORD)
    with object_store(tmp_path) as settings:
        probe.project.python("import s3fs; s3fs.S3FileSystem().mkdir('bucket')", **settings)
        numbers = ",".join(map(str, range(count)))
        words = ["sweep", "probe", "-p", f"number={numbers}", "--scheduler", address, "--runs", "s3://bucket/runs"]
        output = tmp_path / "sweep.log"
        with output.open("wb") as file:
            command = [probe.project.commands / "daybook", *words]
            sweep = subprocess.Popen(
                command, cwd=probe.root, env=probe.project.settings | settings, stdout=file, stderr=file
            )
        wait_until(lambda: output.read_text().count(" done ") >= count // 4, 600)
        kill_family(workers[0])
        serve_worker()
        assert sweep.wait(1200) == 0, output.read_text()[-2000:]
        assert f"{count} of {count} runs done" in output.read_text()
        runs = probe.runs("--runs", "s3://bucket/runs", **settings)
    assert Counter(run["parameters"]["number"] for run in runs) == Counter(range(count)), "none lost, and none twice"
    assert {run["status"] for run in runs} == {"done"}


def test_sweep_with_trials_learns_on_a_cluster(probe: Probe, cluster: tuple) -> None:
    address, workers, _ = cluster
    probe.write("from daybook.runs import record\nrecord(error=abs(number - 70))")
    words = "sweep probe -p number=1..90 --minimize error --scheduler"
    assert "5 of 5 runs done" in probe.daybook(f"{words} {address} --trials 5")
    kill_family(workers[0])
    assert "12 of 12 runs done, 5 of them before" in probe.daybook(f"{words} {address} --trials 12")
    assert len({run["parameters"]["number"] for run in probe.runs()}) == 12, "no point twice"


def test_sweep_with_trials_stops_bad_runs_on_a_cluster(probe: Probe, cluster: tuple) -> None:
    steps = "for step in range(40):\n    report(step, number)\n    time.sleep(0.1)\nrecord(error=number)"
    probe.write(f"import time\nfrom daybook.runs import record, report\n{steps}")
    words = f"sweep probe --scheduler {cluster[0]} --minimize error -p"
    assert "4 of 4 runs done" in probe.daybook(f"{words} number=1,2,3,4")
    said = probe.daybook(f"{words} number=1..9000 --trials 8")
    pruned = [run for run in probe.runs() if run["status"] == "pruned"]
    assert f"8 runs done, 4 of them before, {len(pruned)} stopped early" in said and len(pruned) >= 3, said
    assert all(9 <= len(run["steps"]) < 40 and run["error"] is None for run in pruned)


def test_sweep_says_that_no_scheduler_answers(probe: Probe, extras: None) -> None:
    probe.write(RECORD)
    said = probe.daybook("sweep probe -p number=1,2 --scheduler tcp://127.0.0.1:1", code=2)
    assert "no Dask scheduler responds at tcp://127.0.0.1:1" in said and "Traceback" not in said
    assert probe.runs() == []


LIST_BUCKET = (
    "import s3fs; fs = s3fs.S3FileSystem(); paths = fs.find('bucket'); print(*paths, fs.cat(paths), sep='\\n')"
)


def test_runs_are_kept_in_an_object_store(probe: Probe, extras: None, tmp_path: Path) -> None:
    probe.write(RECORD, "if number == 3:\n    raise ValueError('three')")
    bucket, temporary = ("--runs", "s3://bucket/runs"), tmp_path / "temporary"
    temporary.mkdir()
    with object_store(tmp_path) as settings:
        probe.project.python("import s3fs; s3fs.S3FileSystem().mkdir('bucket')", **settings)
        settings |= {"TMPDIR": str(temporary)}
        said = probe.daybook("run probe", *bucket, **settings)
        assert "s3://bucket/runs/probe/" in said
        said += probe.daybook("sweep probe -p number=1,2,3", *bucket, code=1, **settings)
        assert "2 of 3 runs done, 1 of them before: s3://bucket/runs/sweeps/" in said
        runs = probe.runs(*bucket, **settings)
        assert Counter(run["status"] for run in runs) == {"done": 2, "failed": 1}
        failed = next(run for run in runs if run["status"] == "failed")
        assert "ValueError: three" in probe.daybook(f"show {failed['id'][-8:]}", *bucket, **settings)
        probe.daybook("rerun last -p number=2", *bucket, **settings)
        probe.daybook("clean --keep 2", *bucket, **settings)
        text = probe.project.python(LIST_BUCKET, **settings)
        names = Counter(path.rpartition("/")[2] for path in re.findall(r"^bucket/\S+", text, re.MULTILINE))
        assert names == {"notebook.ipynb": 2, "report.html": 3, "run.json": 2, "index.html": 1}
        assert "key-of-the-tests" not in text + said
    assert probe.runs() == [] and not list(temporary.glob("daybook-*")), "it all went to the store"
    gone = probe.daybook("run probe", *bucket, code=2, **settings)
    assert "s3://bucket/runs" in gone and "Traceback" not in gone
