"""What a run finds of what was imported before its process was forked: a command of its own for each test."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

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
MARKS = "from pathlib import Path; from daybook import preloading, supervisor; "
MARKS += "supervisor._prepare_report = Path('ready').touch; preloading._is_installed = lambda name: True; "


def command(*args: str, before: str = "") -> str:
    """Call `daybook` in the project, after other statements."""
    script = f"import sys; {before}from daybook.cli import main; sys.exit(main(sys.argv[1:]))"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    environment["PYTHONPATH"] = os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-c", script, *args], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def package(name: str, text: str) -> None:
    """A package of the project."""
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


def texts(place: int) -> list[str]:
    """What the last cell of each run has printed, the newest run first; `place` of its outputs."""
    paths = [open_runs().url(f"{run.path}/notebook.ipynb") for run in all_runs(open_runs())]
    return [nbformat.read(path, as_version=4).cells[-1].outputs[place].text for path in paths]


def test_wide_table_is_printed_as_in_a_notebook(probe: Probe) -> None:
    frame = "pd.DataFrame([range(20)], columns=[f'column_{n}' for n in range(20)])"
    job = probe("import pandas as pd", f"print({frame})\nprint(pd.options.display.max_columns)")
    command("run", job)
    command("run", job, "--engine", "kernel")
    shell, kernel = texts(0)
    assert shell == kernel and shell.endswith("20\n") and "column_19" in shell


def test_each_run_imports_the_modules_of_the_project_anew(probe: Probe) -> None:
    package("dice", "import os\nimport uuid\nid = uuid.uuid4().hex\nstage = os.environ['STAGE']\nVERSION = 1\n")
    job = probe("from dice import VERSION, id, stage\nprint(id, stage, VERSION)")
    code = f"""import os
from pathlib import Path
from daybook.jobs import run
os.environ["STAGE"] = "test"
assert run({job!r}).status == "done"
os.environ["STAGE"] = "production"
path = Path("dice", "__init__.py")
path.write_text(path.read_text().replace("VERSION = 1", "VERSION = 22"))
assert run({job!r}).status == "done"
"""
    command("--help", before=f"exec({code!r}); ")
    (second, *others), (first, *before) = (text.split() for text in texts(0))
    assert (before, others) == (["test", "1"], ["production", "22"]) and first != second


@pytest.mark.parametrize("call", [["script.py"], ["-m", "script"]])
def test_script_is_executed_once(probe: Probe, call: list[str]) -> None:
    job = probe("number * 2")
    code = f"from daybook.jobs import run\nfrom daybook.sweep import sweep\nprint('begun', run({job!r}).status)\n"
    code += f"print([run.status for run in sweep({job!r}, {{'number': '2,3'}}).runs])\n"
    Path("script.py").write_text(code)
    done = subprocess.run([sys.executable, *call], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("begun done\n['done', 'done']\n", "")


def test_process_of_a_pool_runs_a_job(probe: Probe) -> None:
    job = probe("import multiprocessing\nwith multiprocessing.Pool(1) as pool:\n    print(pool.map(abs, [-3]))")
    code = "import multiprocessing\nfrom daybook.jobs import run\nwith multiprocessing.Pool(1) as pool:\n"
    code += f"    print([run.error for run in pool.map(run, [{job!r}])])\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr, texts(0)) == ("[None]\n", "", ["[3]\n"])
