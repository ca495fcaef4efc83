"""Notebooks as jobs: what they are given, how they end, and what is kept, with notebooks made for the purpose."""

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import nbformat
import psutil
import pytest
from conftest import Project, free_port, object_store
from nbformat.v4 import new_code_cell, new_notebook
from template import ROOT

FIGURE = "from bike_demand.ops.runs import record\nrecord(twice=2 * number)"
NUMBER = "number: int = 1  # to be doubled"
Write = Callable[..., str]


@pytest.fixture
def write(project: Project) -> Iterator[Write]:
    """Write a notebook of a parameters cell and other cells; it and its runs are gone when the test ends."""
    notebook = project.root / "nbs" / "probe.ipynb"

    def write(*cells: str, parameters: str = NUMBER) -> str:
        tagged = new_code_cell(parameters, metadata={"tags": ["parameters"]})
        imports = new_code_cell("import os\nfrom datetime import date\nfrom typing import Literal")
        content = new_notebook(cells=[imports, tagged, *map(new_code_cell, cells)])
        content.metadata.kernelspec = {"name": "python3", "display_name": "python3", "language": "python"}
        nbformat.write(content, notebook)
        return "probe"

    yield write
    notebook.unlink(missing_ok=True)
    for folder in ("probe", "sweeps"):
        subprocess.run(["rm", "-rf", project.root / "runs" / folder], check=True)


def kept(project: Project, *words: str, **settings: str) -> list[dict]:
    """What `job list` says, the newest first."""
    return json.loads(project.run("job", "list", "probe", "--json", *words, **settings))


def outputs(project: Project, run: dict) -> list[list[dict]]:
    """The outputs of each code cell of a run."""
    path = project.root / "runs" / run["job"] / run["id"] / "notebook.ipynb"
    return [cell.outputs for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def printed(project: Project, run: dict) -> str:
    """All that a run printed."""
    return "".join(output.get("text", "") for cell in outputs(project, run) for output in cell)


def is_running(pid: int) -> bool:
    """Whether there is a process, and not only what is left of one."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# What a notebook is given

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


def test_parameters_have_the_types_of_their_annotations(project: Project, write: Write, tmp_path: Path) -> None:
    expected = (
        "('no', 1000, 0.001, True, datetime.date(2012, 2, 29), datetime.date(2012, 3, 1), "
        "['b', 'c, d'], [datetime.date(2012, 1, 1), datetime.date(2012, 1, 2)], 'y')"
    )
    name = write(SHOW, parameters=TYPED)
    on_line = ["text=no", "count=1000", "share=1e-3", "is_on=yes", "day=2012-02-29", "until=2012-03-01"]
    on_line += ['names=b,"c, d"', "days=2012-01-01,2012-01-02", "kind=y"]
    project.run("job", "run", name, *(word for pair in on_line for word in ("-p", pair)))
    values = {"text": "no", "count": 1000, "share": 1e-3, "is_on": True, "day": "2012-02-29", "until": "2012-03-01"}
    values |= {"names": ["b", "c, d"], "days": ["2012-01-01", "2012-01-02"], "kind": "y"}
    (tmp_path / "values.json").write_text(json.dumps(values))
    (tmp_path / "values.yaml").write_text(
        "text: 'no'\ncount: 1000\nshare: 1e-3\nis_on: yes\nday: 2012-02-29\nuntil: 2012-03-01\n"
        "names: [b, 'c, d']\ndays: [2012-01-01, 2012-01-02]\nkind: y\n"
    )
    for file in ("values.json", "values.yaml"):
        project.run("job", "run", name, "--params", str(tmp_path / file))
    project.run("job", "run", name, "--engine", "kernel", "--params", str(tmp_path / "values.json"))
    found = kept(project)
    assert [printed(project, run).strip() for run in found] == [expected] * 4
    assert all(run["parameters"] == values for run in found)
    project.run("job", "run", name, "--params", str(tmp_path / "values.yaml"), "-p", "until=none")
    assert printed(project, kept(project)[0]).strip() == expected.replace("datetime.date(2012, 3, 1)", "None")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("-p count=many", "count=many: input should be a valid integer"),
        ("-p count=1.5", "count=1.5"),
        ("-p is_on=maybe", "is_on=maybe: input should be a valid boolean"),
        ("-p day=yesterday", "day=yesterday: input should be a valid date"),
        ("-p days=2012-01-01,soon", "days=2012-01-01,soon: input should be a valid date"),
        ("-p kind=z", "kind=z: input should be 'x' or 'y'"),
        ("-p cuont=3", "no parameter cuont: did you mean count?"),
        ("-p count=1 -p count=2", "count is given 2 times: a run takes one value, `job sweep` takes several"),
        ("--params there-is-none.yaml", "there-is-none.yaml cannot be read"),
        ("--params champion.json", "no parameter model"),
        ("--params README.md", "README.md cannot be read"),
    ],
)
def test_a_wrong_parameter_is_one_sentence(project: Project, write: Write, words: str, hint: str) -> None:
    name = write(SHOW, parameters=TYPED)
    said = project.run("job", "run", name, *words.split(), code=2)
    assert hint in said and "Traceback" not in said and len(said.splitlines()) == 1
    assert kept(project) == []


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("number: Moon = 1", "`number: Moon = 1` is no parameter: write `name: type = value  # help`"),
        ("number: int = 'one'", "the default is not what the annotation says: input should be a valid integer"),
        ("number = open('/etc/hostname')", "is no parameter"),
    ],
)
def test_a_wrong_parameters_cell_is_one_sentence(project: Project, write: Write, line: str, hint: str) -> None:
    said = project.run("job", "run", write(parameters=line), code=2)
    assert hint in said and len(said.splitlines()) == 1


def test_params_shows_types_defaults_and_help(project: Project, write: Write) -> None:
    name = write(SHOW, parameters=TYPED)
    assert re.search(r"kind +Literal\['x', 'y'\] +'x' +which of them", project.run("job", "params", name))
    assert json.loads(project.run("job", "params", name, "--json"))[4]["default"] == "2011-01-01"


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


@pytest.mark.parametrize("engine", ["shell", "kernel"])
def test_a_secret_is_seen_nowhere(project: Project, write: Write, engine: str) -> None:
    name = write("from pydantic import SecretStr", LEAK, "assert not fail, value", parameters=SECRET)
    notebook = project.root / "nbs" / "probe.ipynb"  # the import must come before the annotation is evaluated
    cells = nbformat.read(notebook, as_version=4)
    cells.cells.insert(0, cells.cells.pop(2))
    nbformat.write(cells, notebook)
    said = project.run("job", "run", name, "--engine", engine, TOKEN="from the environment")
    said += project.run("job", "run", name, "--engine", engine, "-p", "token=from the command line")
    said += project.run("job", "run", name, "--engine", engine, "-p", "fail=yes", code=1, TOKEN="from the environment")
    said += project.run("job", "show", "last") + project.run("job", "params", name, TOKEN="from the environment")
    assert "********** 20" in printed(project, kept(project)[2]) and "********** 21" in printed(
        project, kept(project)[1]
    )
    files = [path for path in (project.root / "runs" / "probe").rglob("*") if path.is_file()]
    assert len(files) == 9
    for text in (said, *(path.read_text(encoding="utf-8") for path in files)):
        assert "from the environment" not in text and "from the command line" not in text
    assert kept(project)[0]["error"] == "AssertionError: **********"
    short = project.run("job", "run", name, "-p", "token=short", code=2)
    assert "6 characters at least" in short and "=short" not in short


def test_the_documented_calls_are_understood(project: Project) -> None:
    text = (ROOT / "docs" / "jobs.md").read_text(encoding="utf-8")
    calls = [shlex.split(line, comments=True)[1:] for line in re.findall(r"^    (job .*)", text, re.MULTILINE)]
    assert len(calls) >= 15
    script = "import json, sys; from bike_demand.ops.jobs import _parser; "
    script += "[_parser().parse_args(call) for call in json.loads(sys.argv[1])]"
    project.run("python", "-c", script, json.dumps(calls))
    for page in ("run", "sweep", "params", "list", "show", "rerun", "clean"):
        assert f"job {page}" in text and "usage" in project.run("job", page, "--help")


# How it is executed

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


def test_the_notebook_is_the_same_whichever_engine_ran_it(project: Project, write: Write) -> None:
    name = write(*CELLS)
    shown = []
    for engine in ("shell", "kernel"):
        project.run("job", "run", name, "--engine", engine, "-p", "number=6", code=1)
        run = kept(project)[0]
        assert run["error"] == "ZeroDivisionError: division by zero"
        path = project.root / "runs" / "probe" / run["id"] / "notebook.ipynb"
        cells = nbformat.read(path, as_version=4).cells
        texts = [json.dumps([cell.source, cell.get("execution_count"), cell.get("outputs")]) for cell in cells]
        shown.append([re.sub(r"0x[0-9a-f]+|\S*ipykernel_\d+/\d+(\.py)?", "…", text) for text in texts])
    different = [pair for pair in zip(*shown, strict=True) if pair[0] != pair[1]]
    assert different == [] and sum("image/png" in text for text in shown[0]) == 2


@pytest.mark.parametrize("engine", ["shell", "kernel"])
def test_a_notebook_may_end_itself(project: Project, write: Write, engine: str) -> None:
    for how, code in (("exit()", 0), ("import sys\nsys.exit(0)", 0), ("quit('no data')", 1)):
        said = project.run("job", "run", write(how, "1 / 0"), "--engine", engine, code=code)
        assert ("SystemExit: no data" in said) == bool(code) and "ZeroDivision" not in said


def test_what_a_notebook_leaves_behind_is_gone(project: Project, write: Write, tmp_path: Path) -> None:
    name = write(
        "import json, subprocess, threading, time",
        "print(os.environ.get('LEFT'), os.getcwd(), getattr(json, 'left', None))",
        "os.environ['LEFT'] = 'left'\njson.left = 'left'\nos.chdir('/')",
        "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()",
        f"import atexit\natexit.register(open({str(tmp_path / 'exits')!r}, 'a').write, 'x')",
        "child = subprocess.Popen(['sleep', '600'])\nprint('child', child.pid)",
    )
    project.run("job", "sweep", name, "-p", "number=1,2,3", "--workers", "1")
    found = [printed(project, run) for run in kept(project)]
    assert [text.splitlines()[0] for text in found] == [f"None {project.root} None"] * 3
    assert not any(is_running(int(text.split()[-1])) for text in found)
    assert (tmp_path / "exits").read_text() == "xxx"


THREADS = """
import json, numpy, sklearn.ensemble
from threadpoolctl import threadpool_info
numpy.ones((8, 8)) @ numpy.ones((8, 8))
names = [name for name in os.environ if name.endswith(("_NUM_THREADS", "_MAX_THREADS"))]
print(json.dumps([[os.environ[name] for name in names], [pool["num_threads"] for pool in threadpool_info()]]))
"""


def test_threads_are_cores_by_workers(project: Project, write: Write) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    name = write(THREADS)
    for workers in {cores, 1}:
        project.run("job", "sweep", name, "-p", "number=1,2", "--workers", str(workers), "--again")
        by_name, pools = json.loads(printed(project, kept(project)[0]))
        assert set(by_name) == {str(cores // workers)} and len(by_name) >= 8
        assert pools and set(pools) == {cores // workers}


def test_an_import_that_fails_is_the_cells_error(project: Project, write: Write, tmp_path: Path) -> None:
    (project.root / "broken_module.py").write_text("raise RuntimeError('half a module')\n")
    try:
        said = project.run("job", "run", write("import broken_module"), code=1)
        assert "RuntimeError: half a module" in said and "job failed" not in said
        said = project.run("job", "run", write("import there_is_none"), code=1)
        assert "No module named 'there_is_none'" in said
    finally:
        (project.root / "broken_module.py").unlink()


# Many at once

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


def test_a_run_that_dies_fails_alone_and_says_so(project: Project, write: Write) -> None:
    name = write(ENDS, FIGURE)
    said = project.run("job", "sweep", name, "-p", "number=1..7", "--sample", "99", "--time-limit", "8", code=1)
    ends = {run["parameters"]["number"]: (run["status"], run["error"], run["figures"]) for run in kept(project)}
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
    for run in kept(project):
        folder = project.root / "runs" / "probe" / run["id"]
        assert {path.name for path in folder.iterdir()} == {"notebook.ipynb", "report.html", "run.json"}
    stuck = next(run for run in kept(project) if run["parameters"]["number"] == 4)
    shown = re.sub(r"\\u001b\[[\d;]*m", "", json.dumps(outputs(project, stuck)))
    assert "time.sleep(600)" in shown, "the notebook shows where it was"
    page = next((project.root / "runs" / "sweeps").glob("*/report.html")).read_text(encoding="utf-8")
    assert page.count("report.html") == 7 and "two is too many" in page and "<svg" in page
    links = re.findall(r"href='([^']+)'", page)
    assert all((project.root / "runs" / "sweeps" / "x" / link).resolve().is_file() for link in links)


def test_a_sweep_goes_on_where_it_stopped(project: Project, write: Write, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("1")
    name = write(FIGURE, parameters=f"{NUMBER}\nsource: str = {str(data)!r}")

    def made_before(*words: str) -> tuple[int, int]:
        said = project.run("job", "sweep", name, "-p", "number=3,1,2", *words)
        found = re.search(r"(\d+) of \d+ runs done(?:, (\d+) of them before)?", said)
        return int(found[1]), int(found[2] or 0)

    project.run("job", "run", name, "-p", "number=2")
    assert made_before() == (3, 1)
    assert made_before() == (3, 3)
    assert made_before("--again") == (3, 0)
    data.write_text("2")
    assert made_before() == (3, 0), "other data"
    write(FIGURE, "1 + 1", parameters=f"{NUMBER}\nsource: str = {str(data)!r}")
    assert made_before() == (3, 0), "another notebook"
    module = project.root / "bike_demand" / "data.py"
    module.write_text(module.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    try:
        assert made_before() == (3, 0), "other code"
    finally:
        project.git("checkout", "--quiet", "bike_demand/data.py")
    assert made_before() == (3, 3)


def test_the_best_comes_first(project: Project, write: Write, tmp_path: Path) -> None:
    grid = tmp_path / "grid.yaml"
    grid.write_text("number: [3, 1, 2]\nkind: [x]\n")
    name = write(FIGURE, "record(minus=-number)", parameters=f'{NUMBER}\nkind: Literal["x", "y"] = "y"')
    for words, expected in (
        (["--lowest", "twice"], ["1", "2", "3"]),
        (["--highest", "twice"], ["3", "2", "1"]),
        (["--lowest", "minus"], ["3", "2", "1"]),
    ):
        said = project.run("job", "sweep", name, "--grid", str(grid), *words)
        assert re.findall(r"^ *[123] +(\d)", said, re.MULTILINE) == expected
    assert "no run recorded thrice" in project.run("job", "sweep", name, "--grid", str(grid), "--lowest", "thrice")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("-p number=1..9", "say how many to draw with --sample"),
        ("-p number=9..1 --sample 3", "a range goes up"),
        ("-p number=1,many", "number=many: input should be a valid integer"),
        ("-p nubmer=1,2", "did you mean number?"),
        ("--grid there-is-none.yaml", "there-is-none.yaml cannot be read"),
        ("-p number=1,2 --scheduler tcp://127.0.0.1:1", "no Dask scheduler answers at tcp://127.0.0.1:1"),
        ("-p number=1,2 --runs moon://base", "moon://base is no place to keep files in"),
    ],
)
def test_a_wrong_sweep_is_one_sentence(project: Project, write: Write, cluster: None, words: str, hint: str) -> None:
    said = project.run("job", "sweep", write(FIGURE), *words.split(), code=2)
    assert hint in said and "Traceback" not in said
    assert kept(project) == []


def start(project: Project, *words: str) -> subprocess.Popen:
    """A command that goes on while the test does."""
    command = [project.commands / words[0], *words[1:]]
    return subprocess.Popen(command, cwd=project.root, env=project.settings, stdout=-1, stderr=-2, text=True)


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Return when something has come about; fail if it does not."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it never came about"
        time.sleep(0.1)


def statuses(project: Project) -> Counter:
    """How many runs there are of each status."""
    return Counter(run["status"] for run in kept(project))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_all_and_leaves_what_is_done(project: Project, write: Write, how: signal.Signals) -> None:
    marker = project.root / "runs" / "go"
    name = write(
        f"import time, pathlib\nwhile number > 2 and not pathlib.Path({str(marker)!r}).exists():\n    time.sleep(0.1)",
        FIGURE,
    )
    sweep = start(project, "job", "sweep", name, "-p", "number=1,2,3,4,5,6", "--workers", "2")
    until(lambda: statuses(project) == {"done": 2, "running": 2})
    family = psutil.Process(sweep.pid).children(recursive=True)
    sweep.send_signal(how)
    said, _ = sweep.communicate(timeout=60)
    assert sweep.returncode == 130 and "job: stopped" in said and "Traceback" not in said
    assert psutil.wait_procs(family, timeout=10)[1] == [], "something that it started still runs"
    assert statuses(project) == {"done": 2, "failed": 2}
    marker.touch()
    try:
        said = project.run("job", "sweep", name, "-p", "number=1,2,3,4,5,6", "--workers", "2")
    finally:
        marker.unlink()
    assert "6 of 6 runs done, 2 of them before" in said


def test_a_command_that_is_killed_leaves_nothing_running(project: Project, write: Write) -> None:
    job = start(project, "job", "run", write("import time\ntime.sleep(600)"))
    until(lambda: statuses(project) == {"running": 1} and len(psutil.Process(job.pid).children(recursive=True)) >= 2)
    time.sleep(2)
    family = psutil.Process(job.pid).children(recursive=True)
    job.kill()
    job.wait()
    assert psutil.wait_procs(family, timeout=10)[1] == [], "something that it started still runs"
    assert [run["error"] for run in kept(project)] == ["Died: its process ended and did not say how"]


def test_jobs_of_the_same_moment_never_meet(project: Project, write: Write) -> None:
    name = write(FIGURE)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: project.run("job", "run", name, "-p", f"number={number}"), range(8)))
    assert sorted(run["figures"]["twice"] for run in kept(project)) == list(range(0, 16, 2))
    assert len({run["id"] for run in kept(project)}) == 8


# Beyond one machine


@pytest.fixture(scope="session")
def cluster(project: Project) -> None:
    """The project with what Dask and S3 need."""
    sync = [sys.executable, "-m", "uv", "sync", "--quiet", "--extra", "s3", "--extra", "cluster"]
    subprocess.run([*sync, "--python", sys.executable], cwd=project.root, env=project.settings, check=True)
    subprocess.run([project.commands / "python", "-m", "compileall", "-q", project.root / ".venv"], check=False)


def test_a_sweep_on_a_cluster_survives_a_worker(project: Project, write: Write, cluster: None, tmp_path: Path) -> None:
    marker = tmp_path / "go"
    name = write(
        f"import time, pathlib\nwhile number > 4 and not pathlib.Path({str(marker)!r}).exists():\n    time.sleep(0.1)",
        "print(os.getcwd())",
        FIGURE,
    )
    address = f"tcp://127.0.0.1:{free_port()}"
    with ExitStack() as stack:

        def serve(folder: Path, *words: str) -> subprocess.Popen:
            folder.mkdir()
            output = stack.enter_context((folder / "output").open("wb"))
            command = [project.commands / "dask", *words]
            process = subprocess.Popen(command, cwd=folder, env=project.settings, stdout=output, stderr=output)
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
            return process

        serve(tmp_path / "scheduler", "scheduler", "--host", address, "--no-dashboard")
        workers = [
            serve(tmp_path / f"worker{k}", "worker", address, "--nthreads", "1", "--no-dashboard") for k in range(2)
        ]
        sweep = start(project, "job", "sweep", name, "-p", "number=1,2,3,4,5,6,7,8", "--scheduler", address)
        until(lambda: statuses(project)["done"] == 4, 120)
        time.sleep(2)  # both workers are busy with runs that wait
        for process in [*psutil.Process(workers[0].pid).children(recursive=True), psutil.Process(workers[0].pid)]:
            with contextlib.suppress(psutil.NoSuchProcess):  # it ended with the one before
                process.kill()
        marker.touch()
        said, _ = sweep.communicate(timeout=180)
        assert sweep.returncode == 0, said
        assert "8 of 8 runs done" in said
        assert sorted(run["figures"]["twice"] for run in kept(project)) == list(range(2, 18, 2))
        assert {printed(project, run).strip() for run in kept(project)} == {str(project.root)}

        module = project.root / "bike_demand" / "data.py"
        module.write_text(module.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
        project.git("checkout", "--quiet", "bike_demand/data.py")
        write("import time\ntime.sleep(600)")
        sweep = start(project, "job", "sweep", name, "-p", "number=9", "--scheduler", address)

        def jobs() -> list[psutil.Process]:
            found = []
            for one in psutil.Process(workers[1].pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
                    if "forkserver" in str(one.cmdline()):
                        found.append(one)
            return found

        until(lambda: len(jobs()) >= 2)
        time.sleep(2)
        sweep.send_signal(signal.SIGINT)
        said, _ = sweep.communicate(timeout=60)
        assert sweep.returncode == 130 and "job: stopped" in said, said
        until(lambda: len(jobs()) <= 1, 30)


def test_a_progress_bar_says_what_is_running(project: Project, write: Write) -> None:
    name = write(FIGURE, "import time\ntime.sleep(1)")
    terminal, other_end = os.openpty()
    command = [project.commands / "job", "sweep", name, "-p", "number=1,2,3", "--workers", "2"]
    settings = project.settings | {"TERM": "xterm", "COLUMNS": "120"}
    sweep = subprocess.Popen(command, cwd=project.root, env=settings, stdout=subprocess.DEVNULL, stderr=other_end)
    os.close(other_end)
    shown = b""
    with contextlib.suppress(OSError):  # Linux's word for the other end being closed
        while part := os.read(terminal, 65536):
            shown += part
    os.close(terminal)
    assert sweep.wait(60) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode(errors="replace"))
    assert re.search(r"0 done 0 failed 2 running \S+ 0/3", text) and re.search(
        r"3 done 0 failed 0 running \S+ 3/3", text
    )


def test_runs_on_an_object_store(project: Project, write: Write, cluster: None, tmp_path: Path) -> None:
    name = write(FIGURE, "if number == 3:\n    raise ValueError('three')")
    with object_store(tmp_path) as settings:
        script = "import s3fs; s3fs.S3FileSystem().mkdir('bucket')"
        project.run("python", "-c", script, **settings)
        place, temporary = ["--runs", "s3://bucket/runs"], tmp_path / "temporary"
        temporary.mkdir()
        settings |= {"TMPDIR": str(temporary)}
        said = project.run("job", "run", name, *place, **settings)
        assert "s3://bucket/runs/probe/" in said
        said += project.run("job", "sweep", name, "-p", "number=1,2,3", *place, code=1, **settings)
        assert "2 of 3 runs done, 1 of them before: s3://bucket/runs/sweeps/" in said
        found = kept(project, *place, **settings)
        assert [run["status"] for run in found].count("done") == 2 and len(found) == 3
        assert (
            "ValueError: three" in project.run("job", "show", found[0]["id"][-8:], *place, **settings) or "done" in said
        )
        project.run("job", "rerun", "last", "-p", "number=2", *place, **settings)
        project.run("job", "clean", "--keep", "2", *place, **settings)
        script = (
            "import s3fs; fs = s3fs.S3FileSystem(); files = fs.find('bucket'); print(*files, fs.cat(files), sep='\\n')"
        )
        text = project.run("python", "-c", script, **settings)
        files = Counter(path.rpartition("/")[2] for path in re.findall(r"^bucket/\S+", text, re.MULTILINE))
        assert files == {"notebook.ipynb": 2, "report.html": 3, "run.json": 2}
        assert "key-of-the-tests" not in text + said
    assert kept(project) == [] and not list(temporary.glob("job-*")), "it all went to the store"
    gone = project.run("job", "run", name, *place, code=2, **settings)
    assert "s3://bucket/runs" in gone and "Traceback" not in gone


# What is kept


def test_list_show_rerun_and_clean(project: Project, write: Write) -> None:
    name = write(FIGURE)
    for number in (2, 3, 1):
        project.run("job", "run", name, "-p", f"number={number}")
    assert [run["figures"]["twice"] for run in kept(project, "--sort", "twice")] == [2, 4, 6]
    assert [run["parameters"]["number"] for run in kept(project, "--sort=-number", "--limit", "2")] == [3, 2]
    assert len(kept(project, "-p", "number=2", "--status", "done")) == 1
    one = kept(project, "-p", "number=3")[0]
    said = project.run("job", "show", one["id"][-8:])
    assert "twice            6" in said and f"runs/probe/{one['id']}/report.html" in said
    assert json.loads(project.run("job", "show", one["id"], "--json")) == one
    assert "twice            6" in project.run("job", "rerun", one["id"])
    assert "no run 1234" in project.run("job", "show", "1234", code=2)
    assert "may be" in project.run("job", "show", "2", code=2)
    write(FIGURE, "1 + 1")
    said = project.run("job", "rerun", one["id"], code=2)
    assert "nbs/probe.ipynb changed since run" in said and one["git_commit"] in said and "-p number=3" in said
    assert "3 removed" in project.run("job", "clean", name, "--keep", "1")
    assert [run["parameters"]["number"] for run in kept(project)] == [3]
    assert len(list((project.root / "runs" / "probe").iterdir())) == 1
    project.run("job", "clean", name, code=2)
