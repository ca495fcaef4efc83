"""Ctrl-C at any moment, and a full disk: the command says so in a line, and no process shows a traceback."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from daybook.runs import all_runs, open_runs

# as if the packages of the test were installed: those of a project are imported in the run
COMMAND = "import sys; from daybook import preloading; preloading._is_installed = lambda name: True; "
COMMAND += "from daybook.cli import main; sys.exit(main(sys.argv[1:]))"
SLOW_IMPORT = 'import pathlib, time\npathlib.Path("importing").touch()\ntime.sleep(2)'
LONG_IMPORT = """import time
from pathlib import Path
Path("importing").touch()
end = time.monotonic() + 60
while not Path("go-on").exists() and time.monotonic() < end:
    time.sleep(0.05)"""
LIMITED = """import sys, time
from pathlib import Path
from daybook import preloading
from daybook.jobs import run
preloading._is_installed = lambda name: True
print(run(sys.argv[1], time_limit=1).error)
Path("go-on").touch()
time.sleep(3)"""
FULL = """import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"""  # of the run's process alone
# a default that is looked at before the notebook begins, to redact it
INTERRUPTING = 'token: SecretStr = SecretStr("DAYBOOK_RUN_ID" in os.environ and os.kill(os.getpid(), 2) or "swordfish")'


def start(*args: str, code: str = COMMAND) -> subprocess.Popen:
    """Call `daybook` as a terminal does, in a group of processes of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *args],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def interrupted_when(is_there: Callable[[], bool], *args: str) -> tuple[int, str]:
    """Call `daybook`, and send Ctrl-C to all of its processes; returns exit code and output."""
    process, end = start(*args), time.monotonic() + 60
    while not is_there():
        assert process.poll() is None and time.monotonic() < end, process.communicate()
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    return process.returncode, said


def test_while_the_imports_are_made(probe: Callable[..., str]) -> None:
    Path("slow").mkdir()
    Path("slow", "__init__.py").write_text(SLOW_IMPORT)
    code, said = interrupted_when(Path("importing").exists, "run", probe("import slow"))
    assert code == 130 and "daybook: stopped" in said and "Traceback" not in said


def test_no_import_is_waited_for(probe: Callable[..., str]) -> None:
    Path("slow").mkdir()
    Path("slow", "__init__.py").write_text(LONG_IMPORT)
    process = start("run", probe("import slow\nfrom pathlib import Path\nPath('has-run').touch()"))
    while not Path("importing").exists():
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=30) == 130 and not Path("go-on").exists()
    assert [(run.status, run.error) for run in all_runs(open_runs())] == [("failed", "Stopped: by its caller")]
    Path("go-on").touch()
    said, _ = process.communicate(timeout=60)  # until the last process has ended
    assert said.strip() == "daybook: stopped" and not Path("has-run").exists()


def test_import_that_crashes_ends_its_run(probe: Callable[..., str]) -> None:
    Path("slow").mkdir()
    Path("slow", "__init__.py").write_text("import os\nos.abort()")
    process = start("sweep", probe("import slow"), "-p", "number=1,2")
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1 and "Traceback" not in said
    error = "Killed: the process that makes the notebook's imports crashed in one of them"
    assert [(run.status, run.error) for run in all_runs(open_runs())] == 2 * [("failed", error)]


def test_run_whose_time_is_up_does_not_begin(probe: Callable[..., str]) -> None:
    Path("slow").mkdir()
    Path("slow", "__init__.py").write_text(LONG_IMPORT)
    job = probe("import slow\nfrom pathlib import Path\nPath('has-run').touch()")
    said, _ = start(job, code=LIMITED).communicate(timeout=60)
    assert said == "Timeout: it took more than 1 s\n" and not Path("has-run").exists()
    assert [run.error for run in all_runs(open_runs())] == ["Timeout: it took more than 1 s"]


def test_when_the_disk_is_full(probe: Callable[..., str]) -> None:
    process = start("run", probe(FULL))
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1 and "daybook: [Errno 27] File too large" in said and "Traceback" not in said


def test_while_runs_are_under_way(probe: Callable[..., str]) -> None:
    job = probe("import pathlib, time", 'pathlib.Path(f"run-{number}").touch()\ntime.sleep(600)')
    sweep = "sweep", job, "-p", "number=1,2,3,4", "--workers", "2"
    code, said = interrupted_when(lambda: Path("run-1").exists() and Path("run-2").exists(), *sweep)
    assert code == 130 and "daybook: stopped" in said and "Traceback" not in said
    assert {run.error for run in all_runs(open_runs())} <= {"Stopped: by its caller", "KeyboardInterrupt"}


def test_before_the_notebook_begins(probe: Callable[..., str]) -> None:
    process = start("run", probe("print(6 * 7)", parameters=INTERRUPTING))
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1 and "KeyboardInterrupt" in said and "Traceback" not in said
    assert [(run.status, run.error) for run in all_runs(open_runs())] == [("failed", "KeyboardInterrupt")]
