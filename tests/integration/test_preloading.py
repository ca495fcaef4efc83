"""What a run finds of what was imported before its process was forked: a command of its own for each test."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat

from daybook.runs import all_runs, open_runs

Probe = Callable[..., str]
DRAWS = """import random
import numpy as np
import seeds
from daybook.runs import record
record(numpy=np.random.rand(), python=random.random())"""


WAITS = """import time
from pathlib import Path
end = time.monotonic() + 10
while not Path("ready").exists() and time.monotonic() < end:
    time.sleep(0.01)
is_ready = Path("ready").exists()"""
MARKS = "from pathlib import Path; from daybook import supervisor; supervisor._prepare_report = Path('ready').touch; "


def command(*args: str, before: str = "") -> str:
    """Call `daybook` in the project, after other statements."""
    script = f"import sys; {before}from daybook.cli import main; sys.exit(main(sys.argv[1:]))"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    environment["PYTHONPATH"] = os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-c", script, *args], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def package(name: str, text: str) -> None:
    """A package of the project, which is imported before a run begins."""
    Path(name).mkdir()
    Path(name, "__init__.py").write_text(text)


def test_runs_of_a_sweep_draw_numbers_of_their_own(probe: Probe) -> None:
    package("seeds", "")
    command("sweep", probe(DRAWS), "-p", "number=1,2,3", "--workers", "2")
    made = [run.metrics for run in all_runs(open_runs())]
    assert len({each["numpy"] for each in made}) == len({each["python"] for each in made}) == 3


def test_numbers_that_an_import_has_set_are_those_of_a_kernel(probe: Probe) -> None:
    package("seeds", "import random\nimport numpy as np\nrandom.seed(0)\nnp.random.seed(0)\n")
    job = probe(DRAWS)
    command("run", job)
    command("run", job, "--engine", "kernel")
    first, second = (run.metrics for run in all_runs(open_runs()))
    assert first == second == {"numpy": 0.5488135039273248, "python": 0.8444218515250481}


def test_module_prints_to_the_stream_that_it_took_when_it_was_imported(probe: Probe) -> None:
    package("talk", "import sys\n\ndef say(text, file=sys.stdout):\n    print(text, file=file)\n")
    command("run", probe("from talk import say\nsay('hello')"))
    [run] = all_runs(open_runs())
    notebook = nbformat.read(open_runs().url(f"{run.path}/notebook.ipynb"), as_version=4)
    assert "hello" in json.dumps(notebook.cells[-1].outputs)


def test_report_gets_ready_while_the_imports_are_made(probe: Probe) -> None:
    package("slow", WAITS)
    command("run", probe("import slow\nfrom daybook.runs import record\nrecord(ready=slow.is_ready)"), before=MARKS)
    [run] = all_runs(open_runs())
    assert run.metrics == {"ready": 1}
