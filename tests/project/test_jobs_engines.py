"""A notebook is executed the same way by either engine, with its parameters, and without its secrets."""

import json
import os
import re
from pathlib import Path

import pytest
from probes import Probe, is_running

ENGINES = pytest.mark.parametrize("engine", ["shell", "kernel"])
TYPED = """
text: str = "a"
count: int = 1
share: float = 0.5
is_on: bool = False
day: date = date(2011, 1, 1)
until: date | None = None
names: list[str] = ["a"]
days: list[date] = []
kind: Literal["x", "y"] = "x"  # which of them
"""
SHOW = "print(repr((text, count, share, is_on, day, until, names, days, kind)))"
SHOWN = (
    "('no', 1000, 0.001, True, datetime.date(2012, 2, 29), datetime.date(2012, 3, 1), "
    "['b', 'c, d'], [datetime.date(2012, 1, 1), datetime.date(2012, 1, 2)], 'y')"
)
VALUES = {"text": "no", "count": 1000, "share": 1e-3, "is_on": True, "day": "2012-02-29", "until": "2012-03-01"}
VALUES |= {"names": ["b", "c, d"], "days": ["2012-01-01", "2012-01-02"], "kind": "y"}
TEXTS = ["text=no", "count=1000", "share=1e-3", "is_on=yes", "day=2012-02-29", "until=2012-03-01"]
TEXTS += ['names=b,"c, d"', "days=2012-01-01,2012-01-02", "kind=y"]


def test_parameters_arrive_in_their_types(probe: Probe, tmp_path: Path) -> None:
    probe.write(SHOW, parameters=TYPED)
    (tmp_path / "values.json").write_text(json.dumps(VALUES))
    probe.daybook("run probe", *(word for pair in TEXTS for word in ("-p", pair)))
    probe.daybook("run probe --engine kernel --params", tmp_path / "values.json")
    probe.daybook("run probe -p until=none --params", tmp_path / "values.json")
    last, *runs = probe.runs()
    assert [probe.printed(run).strip() for run in runs] == [SHOWN] * 2
    assert all(run["parameters"] == VALUES for run in runs)
    assert probe.printed(last).strip() == SHOWN.replace("datetime.date(2012, 3, 1)", "None")


SECRET = """
token: SecretStr = SecretStr(os.environ.get("TOKEN", ""))  # of the warehouse
fail: bool = False
"""
LEAK = """
import base64, sys, warnings
value = token.get_secret_value()
print(value, len(value))
warnings.warn(value)
{"url": f"https://user:{value}@warehouse"}
"""


@ENGINES
def test_secrets_are_redacted_everywhere(probe: Probe, engine: str) -> None:
    probe.write(LEAK, "assert not fail, value", parameters=SECRET)
    environment = {"TOKEN": "from the environment"}
    said = probe.daybook(f"run probe --engine {engine}", **environment)
    said += probe.daybook(f"run probe --engine {engine} -p", "token=from the command line")
    said += probe.daybook(f"run probe --engine {engine} -p fail=yes", code=1, **environment)
    said += probe.daybook("show last") + probe.daybook("params probe", **environment)
    last, given, default = probe.runs()
    assert "********** 20" in probe.printed(default) and "********** 21" in probe.printed(given)
    files = [path for path in (probe.root / "runs" / "probe").rglob("*") if path.is_file()]
    assert len(files) == 9
    for text in (said, *(path.read_text(encoding="utf-8") for path in files)):
        assert "from the environment" not in text and "from the command line" not in text
    assert last["error"] == "AssertionError: **********"


CELLS = [
    "import sys\nprint('out')\nprint('err', file=sys.stderr)\nprint('more')\nnumber * 7",
    "from IPython.display import HTML, Markdown, clear_output, display\ndisplay(HTML('<b>bold</b>'), Markdown('*it*'))",
    "import asyncio\nawait asyncio.sleep(0.01)\n'awaited'",
    "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.show()",
    "figure, axis = plt.subplots()\naxis.bar(['a', 'b'], [1, 2]);",
    "import pandas as pd\npd.DataFrame({'x': [1.5, 2]})",
    "!echo from a shell",
    "%%bash\necho out; echo err >&2",
    "%timeit -n1 -r1 -q pass\n%pwd",
    "handle = display('first', display_id=True)\nhandle.update('second')",
    "print('gone')\nclear_output(wait=True)\nprint('kept')",
    "class Shown:\n    def _repr_html_(self):\n        return '<i>shown</i>'\n\nShown()",
    "try:\n    input('?')\nexcept NotImplementedError:\n    print('refused')",
    "import multiprocessing\nmultiprocessing.get_context('fork').Pool(1).map(abs, [-1])",
    "__name__, sys.path[0] in ('', os.getcwd()), [name for name in ('_', 'In', 'Out') if name in globals()]",
    "def f(x):\n    return 1 / x\n\nf(0)",
    "print('never')",
]


def test_engines_leave_the_same_notebook(probe: Probe) -> None:
    probe.write(*CELLS)
    notebooks = []
    for engine in ("shell", "kernel"):
        probe.daybook(f"run probe --engine {engine} -p number=6", code=1)
        run = probe.runs()[0]
        assert run["error"] == "ZeroDivisionError: division by zero"
        texts = [json.dumps([cell.source, cell.execution_count, cell.outputs]) for cell in probe.cells(run)]
        notebooks.append([re.sub(r"0x[0-9a-f]+|\S*ipykernel_\d+/\d+(\.py)?", "…", text) for text in texts])
    assert [pair for pair in zip(*notebooks, strict=True) if pair[0] != pair[1]] == []
    assert sum("image/png" in text for text in notebooks[0]) == 2


def test_kernel_lets_a_notebook_end_itself(probe: Probe) -> None:
    for end, code in (("exit()", 0), ("import sys\nsys.exit(0)", 0), ("quit('no data')", 1)):
        probe.write(end, "1 / 0")
        said = probe.daybook("run probe --engine kernel", code=code)
        assert ("SystemExit: no data" in said) == bool(code) and "ZeroDivision" not in said


def test_processes_leave_nothing_behind(probe: Probe, tmp_path: Path) -> None:
    probe.write(
        "import json, subprocess, threading, time",
        "print(os.environ.get('LEFT'), os.getcwd(), getattr(json, 'left', None))",
        "os.environ['LEFT'] = 'left'\njson.left = 'left'\nos.chdir('/')",
        "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()",
        f"import atexit\natexit.register(open({str(tmp_path / 'exits')!r}, 'a').write, 'x')",
        "child = subprocess.Popen(['sleep', '600'])\nprint('child', child.pid)",
    )
    probe.daybook("sweep probe -p number=1,2,3 --workers 1")
    texts = [probe.printed(run) for run in probe.runs()]
    assert [text.splitlines()[0] for text in texts] == [f"None {probe.root} None"] * 3
    assert not any(is_running(int(text.split()[-1])) for text in texts)
    assert (tmp_path / "exits").read_text() == "xxx"


THREADS = """
import json, numpy, sklearn.ensemble
from threadpoolctl import threadpool_info
numpy.ones((8, 8)) @ numpy.ones((8, 8))
names = [name for name in os.environ if name.endswith(("_NUM_THREADS", "_MAX_THREADS"))]
print(json.dumps([[os.environ[name] for name in names], [pool["num_threads"] for pool in threadpool_info()]]))
"""


def test_threads_are_cores_by_workers(probe: Probe) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    probe.write(THREADS)
    for workers in {cores, 1}:
        probe.daybook(f"sweep probe -p number=1,2 --force --workers {workers}")
        variables, pools = json.loads(probe.printed(probe.runs()[0]))
        assert set(variables) == {str(cores // workers)} and len(variables) >= 8
        assert pools and set(pools) == {cores // workers}


def test_import_that_fails_is_the_error_of_its_cell(probe: Probe) -> None:
    (probe.root / "broken_module.py").write_text("raise RuntimeError('half a module')\n")
    probe.write("import broken_module")
    said = probe.daybook("run probe", code=1, PYTHONPATH=f"{probe.root}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    assert "RuntimeError: half a module" in said and "daybook: " not in said
