"""Measure what it costs to run a notebook as a job, side by side with other ways, and write benchmarks/jobs.md.

build/env/bin/python benchmarks/jobs.py [--rounds N] [--sweeps N] [--tiny N]

Works on two cores: that many jobs run at once where a way can do so.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import nbformat
import psutil
from nbformat.v4 import new_code_cell, new_notebook

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tools"))

from template import bake, environment, install  # noqa: E402

BENCH = HERE.parent / "build" / "bench" / "jobs"
MANY = 32  # runs of a sweep
WORKERS = 2
SWEEP = f"Daybook: `daybook sweep --workers {WORKERS}`"

SMALL = [
    "import numpy as np\nimport pandas as pd\nfrom sklearn.linear_model import Ridge\n\n"
    "from daybook.runs import record",
    "seed: int = 0\nrows: int = 5000\nalpha: float = 1.0",
    "random = np.random.default_rng(seed)\n"
    "frame = pd.DataFrame(random.normal(size=(rows, 8)), columns=list('abcdefgh'))\n"
    "y_true = frame.sum(axis=1) + random.normal(size=rows)\n"
    "frame.describe()",
    "model = Ridge(alpha).fit(frame, y_true)\nmae = float(np.abs(model.predict(frame) - y_true).mean())\nprint(mae)",
    "record(mae=mae)",
]
TINY = ["", "number: int = 0", "number + 1"]
AS_SCRIPT = """import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
plots = iter(range(100))
plt.show = lambda: plt.gcf().savefig(f"{next(plots)}.png", bbox_inches="tight")
"""
IN_ONE_PROCESS = """
import sys
from {module} import execute_notebook
for seed in range({many}):
    execute_notebook({notebook!r}, f"{{sys.argv[1]}}/{{seed}}.ipynb", parameters={{"seed": seed}}, {options})
"""


def notebook(project: Path, name: str, sources: list[str]) -> None:
    """Write a notebook; the second cell has its parameters."""
    cells = [new_code_cell(source) for source in sources]
    cells[1].metadata["tags"] = ["parameters"]
    content = new_notebook(cells=cells)
    content.metadata.kernelspec = {"name": "python3", "display_name": "python3", "language": "python"}
    nbformat.write(content, project / "nbs" / f"{name}.ipynb")


def edited(path: Path, name: str, value: str, target: Path) -> Path:
    """A copy of a notebook with another default of a parameter, for ways that take no parameters."""
    content = nbformat.read(path, as_version=4)
    [cell] = [cell for cell in content.cells if "parameters" in cell.metadata.get("tags", ())]
    cell.source, count = re.subn(rf"^({name}: \w+ = )\w+", rf"\g<1>{value}", cell.source, flags=re.MULTILINE)
    assert count == 1, f"{path} has no parameter {name}"
    nbformat.write(content, target)
    return target


def script(project: Path, path: Path, target: Path) -> Path:
    """A notebook's code as a program, which draws the same plots and writes them to files."""
    cells = nbformat.read(path, as_version=4).cells
    code = "\n\n".join(cell.source for cell in cells if cell.cell_type == "code")
    target.write_text((AS_SCRIPT if "matplotlib" in code else "") + code, encoding="utf-8")
    return target


class Bench:
    """A project with its environment, a second one with ploomber-engine too, and a folder for what they write."""

    def __init__(self) -> None:
        shutil.rmtree(BENCH, ignore_errors=True)
        self.project = bake(BENCH)
        self.own = install(self.project)
        uv = [sys.executable, "-m", "uv"]
        peer = BENCH / "ploomber"
        subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, peer], env=environment(), check=True)
        self.peer = peer / self.own.name
        packages = ["-e", f"{self.project}[dev]", "ploomber-engine"]
        pip = [*uv, "pip", "install", "--quiet", "--python", self.peer / "python", *packages]
        subprocess.run(pip, env=environment(), check=True)
        # The project leaves out this package of jupyterlab, with which an import of papermill takes a second more.
        without = [*uv, "pip", "uninstall", "--quiet", "--python", self.peer / "python", "rfc3987-syntax"]
        subprocess.run(without, env=environment(), check=True)
        for commands in (self.own, self.peer):
            compilation = [commands / "python", "-m", "compileall", "-q", commands.parent]
            subprocess.run(compilation, stdout=subprocess.DEVNULL, check=False)
        self.settings = environment(BENTOML_HOME=str(BENCH / "bentoml"))
        self.out = BENCH / "out"
        self.out.mkdir()

    def time(self, *words: str | Path) -> float:
        """The seconds that a command takes; raises with what it printed if it fails."""
        began = time.perf_counter()
        done = subprocess.run(words, cwd=self.project, env=self.settings, capture_output=True, text=True)
        seconds = time.perf_counter() - began
        if done.returncode:
            raise RuntimeError(f"{words}: {done.stdout[-1000:]}{done.stderr[-3000:]}")
        return seconds

    def versions(self) -> str:
        """What was compared."""
        names = ("papermill", "nbconvert", "ipykernel", "pandas", "scikit-learn")
        code = "from importlib.metadata import version as v; import sys"
        code += "; print(*(f'{name} {v(name)}' for name in sys.argv[1:]), sep=', ')"
        own = subprocess.run([self.own / "python", "-c", code, *names], capture_output=True, text=True, check=True)
        peer = subprocess.run([self.peer / "python", "-c", code, "ploomber-engine"], capture_output=True, text=True)
        return f"Python {platform.python_version()}, {own.stdout.strip()}, {peer.stdout.strip()}"


Way = Callable[[], float]


def one_job(bench: Bench, name: str, key: str, new: str) -> dict[str, Way]:
    """The ways to run one notebook with one parameter."""
    path = next((bench.project / "nbs").glob(f"*{name}.ipynb"))
    copy = edited(path, key, new, bench.out / f"{name}-{key}.ipynb")
    program = script(bench.project, copy, bench.out / f"{name}-{key}.py")
    done = bench.out / "done.ipynb"
    return {
        "the same code as a script": lambda: bench.time(bench.own / "python", program),
        "Daybook: `daybook run`": lambda: bench.time(bench.own / "daybook", "run", name, "-p", f"{key}={new}"),
        "papermill": lambda: bench.time(bench.own / "papermill", path, done, "-p", key, new),
        "ploomber-engine": lambda: bench.time(bench.peer / "ploomber-engine", path, done, "-p", key, new),
        "`jupyter nbconvert --execute`": lambda: bench.time(
            bench.own / "jupyter", "nbconvert", "--execute", "--to", "notebook", "--output", done, copy
        ),
    }


def sweeps(bench: Bench) -> dict[str, Way]:
    """The ways to run the small notebook many times."""
    path = bench.project / "nbs" / "small.ipynb"
    seeds = [str(seed) for seed in range(MANY)]

    def one_by_one(*words: str | Path) -> Way:
        return lambda: sum(bench.time(*(str(word).replace("SEED", seed) for word in words)) for seed in seeds)

    def side_by_side(command: str) -> Way:
        words = " ".join(seeds)
        return lambda: bench.time("sh", "-c", f"printf '%s\\n' {words} | xargs -P {WORKERS} -I SEED {command}")

    def in_one_process(commands: Path, module: str, options: str) -> Way:
        code = IN_ONE_PROCESS.format(module=module, many=MANY, notebook=str(path), options=options)
        return lambda: bench.time(commands / "python", "-c", code, bench.out)

    program = bench.out / "small-seed.py"
    target = bench.out / "SEED.ipynb"
    papermill = [bench.own / "papermill", path, target, "-p", "seed", "SEED"]
    sweep = ["sweep", "small", "-p", f"seed={','.join(seeds)}", "--workers", str(WORKERS), "--force"]
    return {
        SWEEP: lambda: bench.time(bench.own / "daybook", *sweep),
        "papermill, one after another": one_by_one(*papermill),
        "papermill, one after another from one Python process": in_one_process(
            bench.own, "papermill", "progress_bar=False, kernel_name='python3'"
        ),
        f"papermill, {WORKERS} at a time": side_by_side(" ".join(map(str, papermill))),
        "ploomber-engine, one after another": one_by_one(
            bench.peer / "ploomber-engine", path, target, "-p", "seed", "SEED"
        ),
        "ploomber-engine, all in one process": in_one_process(
            bench.peer, "ploomber_engine", "progress_bar=False, verbose=False"
        ),
        "`jupyter nbconvert --execute`, one after another": one_by_one(
            *(bench.own / "jupyter", "nbconvert", "--execute", "--to", "notebook", "--output", target, path)
        ),
        "the same code as a script, one after another": one_by_one(bench.own / "python", program),
        f"the same code as a script, {WORKERS} at a time": side_by_side(f"{bench.own / 'python'} {program}"),
    }


def measure(ways: dict[str, Way], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way, round by round, all ways in each round, forwards and backwards."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds):
        for name in sorted(ways, key=list(ways).index, reverse=bool(turn % 2)):
            try:
                times[name].append(ways[name]())
            except RuntimeError as error:
                print(error, file=sys.stderr)
                times[name].append(float("nan"))
            print(f"{name}: {times[name][-1]:.2f} s", flush=True)
    return times


def table(times: dict[str, list[float]], base: str) -> str:
    """The median seconds of each way, and the median of its ratios to one of them, round by round."""
    lines = ["| way | seconds | ratio |", "|---|---:|---:|"]
    for name, seconds in times.items():
        ratios = [mine / other for mine, other in zip(seconds, times[base], strict=True)]
        spread = f" ({min(ratios):.2f} to {max(ratios):.2f})" if name != base else ""
        lines.append(f"| {name} | {median(seconds):.1f} | {median(ratios):.2f}{spread} |")
    return "\n".join(lines)


def watch(bench: Bench, tiny: int) -> tuple[float, list[tuple[int, float, int, int]], list[str]]:
    """A sweep of many tiny jobs: its seconds; runs, memory, open files, processes on the way; what it left behind."""

    def temporary() -> set[str]:
        return {*os.listdir("/tmp"), *(os.listdir("/dev/shm") if os.path.isdir("/dev/shm") else ())}

    before, processes, samples = temporary(), set(psutil.pids()), []
    words = [bench.own / "daybook", "sweep", "tiny", "-p", f"number=0..{tiny - 1}", "--sample", str(tiny)]
    began = time.perf_counter()
    job = subprocess.Popen(
        [*words, "--workers", str(WORKERS)], cwd=bench.project, env=bench.settings, stdout=-3, stderr=-3
    )
    runs = bench.project / "runs" / "tiny"
    process = psutil.Process(job.pid)
    while job.poll() is None:
        try:
            family = process.children()  # the job's server and multiprocessing's watcher
            memory = sum(each.memory_full_info().uss for each in [process, *family]) / 1e6
            samples.append((len(list(runs.glob("*"))), memory, process.num_fds(), len(family)))
        except psutil.Error:
            continue
        time.sleep(1)
    seconds = time.perf_counter() - began
    done = [json.loads(path.read_bytes())["status"] for path in runs.glob("*/run.json")]
    assert job.returncode == 0 and done == ["done"] * tiny, f"exit {job.returncode}, {len(done)} runs"
    time.sleep(2)
    left = [f"/tmp/{name}" for name in sorted(temporary() - before)]
    for pid in set(psutil.pids()) - processes:
        try:
            if str(BENCH) in " ".join(psutil.Process(pid).cmdline()):
                left.append(" ".join(psutil.Process(pid).cmdline()))
        except psutil.Error:
            continue
    return seconds, samples, left


def machine() -> str:
    """What this was measured on."""
    facts = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in facts.read_text().splitlines() if line.startswith("model name")]
    name = names[0] if names else platform.processor()
    return f"{os.cpu_count()} cores, {name}, {platform.system()} {platform.release()}"


def main() -> None:
    """Prepare, measure, write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sweeps", type=int, default=2)
    parser.add_argument("--tiny", type=int, default=1000)
    args = parser.parse_args()
    bench = Bench()
    notebook(bench.project, "small", SMALL)
    notebook(bench.project, "tiny", TINY)
    jobs = one_job(bench, "train", "max_iter", "300"), one_job(bench, "small", "rows", "1000000")
    jobs += (one_job(bench, "small", "seed", "7"),)
    for job in jobs:
        measure(job, 1)  # the first run of anything compiles and caches
    trains, larges, smalls = (measure(job, args.rounds) for job in jobs)
    many = measure(sweeps(bench), args.sweeps)
    seconds, samples, left = watch(bench, args.tiny)
    marks = [samples[k * (len(samples) - 1) // 4] for k in range(1, 5)]
    marked = "\n".join(f"| {runs:,} | {memory:.0f} | {files} | {children} |" for runs, memory, files, children in marks)
    each = seconds / args.tiny * 1000
    page = f"""# What a job costs

Written by `benchmarks/jobs.py` on {time.strftime("%-d %B %Y")}: {machine()}; {bench.versions()}.
Bytecode is compiled, each way has run once before. Seconds are medians; a ratio is the median of the ratios within a
round, with the smallest and the largest.

## One job

The chapter `01_train` with `max_iter=300`, {args.rounds} rounds. The script draws the same plots and writes them to
PNG files; only Daybook makes a report as well.

{table(trains, "the same code as a script")}

A notebook of five cells that fits a ridge regression to 1,000,000 rows, {args.rounds} rounds:

{table(larges, "the same code as a script")}

The same notebook with 5,000 rows, {args.rounds} rounds:

{table(smalls, "the same code as a script")}

## {MANY} jobs

That small notebook with {MANY} seeds on {WORKERS} cores, {args.sweeps} rounds. Each run of Daybook's has a process of
its own, an executed notebook, a report and a `run.json`, and there is a page that compares them.

{table(many, SWEEP)}

## {args.tiny:,} jobs

One sweep of {args.tiny:,} runs of a notebook with one line took {seconds:.0f} s, {each:.0f} ms a run.
On the way, the command and the server that forks its processes used (at the end the command makes the sweep's page):

| runs started | memory that is theirs alone, MB | open files of the command | processes beside it |
|---:|---:|---:|---:|
{marked}

Left behind afterwards, in `/tmp`, in shared memory, and of processes: {", ".join(left) or "nothing"}.
"""
    (HERE / "jobs.md").write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
