"""Measure what a request costs in CPU time, side by side with other servers, and write benchmarks/serving.md.

build/env/bin/python benchmarks/serving.py [--rounds N] [--seconds S] [--peers FastAPI "MLServer, lean"]

Needs Linux and two cores: one for the servers, one for the client.
"""

import argparse
import json
import os
import platform
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import psutil

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tools"))

from template import bake, environment, install  # noqa: E402

BENCH = HERE.parent / "build" / "bench"
CONNECTIONS = 8
SLICES = 6  # of a server's turn in a round
PAIRS = 6  # of fresh processes with and without the log
STARTS = 7
CASES = [(8, 1), (1, 1), (8, 100), (1, 10_000)]  # connections, and rows of a request: Daybook beside FastAPI
SERVER_CORE, CLIENT_CORE = (sorted(os.sched_getaffinity(0)) * 2)[:2]

SAME = ("numpy", "pandas", "scikit-learn", "scipy", "skops")  # in all environments, in the project's version
TYPES = {"str": "BYTES", "int": "INT64", "bool": "BOOL", "float": "FP64"}  # in MLServer's protocol


def as_frame(row: dict[str, Any]) -> dict[str, Any]:
    """A row in the Open Inference Protocol, for MLServer to make a DataFrame of."""
    return {"parameters": {"content_type": "pd"}, "inputs": [as_tensor(*column, [1, 1]) for column in row.items()]}


def as_tensors(row: dict[str, Any]) -> dict[str, Any]:
    """A row in the Open Inference Protocol, for MLServer to make an array a column of."""
    return {"inputs": [as_tensor(*column, [1]) for column in row.items()]}


def as_tensor(name: str, value: Any, shape: list[int]) -> dict[str, Any]:
    """A column of one row."""
    kind = TYPES[type(value).__name__]
    content = {"content_type": "str" if kind == "BYTES" else "np"}
    return {"name": name, "shape": shape, "datatype": kind, "data": [value], "parameters": content}


@dataclass
class Server:
    """How to install, start and call one server, and what was measured."""

    name: str
    setup: str  # for the reader
    log: str  # what it writes of each request
    command: str
    packages: tuple[str, ...] = ()  # to install; the first ones' versions are reported
    path: str = "/predict"
    body: Callable[[dict[str, Any]], Any] = lambda row: {"rows": [row]}
    prediction: Callable[[Any], float] = lambda response: response["predictions"][0]
    prepare: str = ""  # a command to run before
    settings: dict[str, str] = field(default_factory=dict)
    commands: Path = Path()  # where its commands are
    folder: Path = Path()  # where it runs
    versions: str = ""
    failure: str = ""
    process: subprocess.Popen | None = None
    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    responses: int = 0
    rates: list[float] = field(default_factory=list)  # requests/s, round by round
    costs: list[float] = field(default_factory=list)  # CPU µs a request, round by round


SERVE = "bentoml serve --host 127.0.0.1 --port {port}"
MLSERVER = {
    "MLSERVER_HTTP_PORT": "{port}",
    "MLSERVER_GRPC_PORT": "{second}",
    "MLSERVER_METRICS_PORT": "{third}",
    "MLSERVER_HOST": "127.0.0.1",
    "MLSERVER_DEBUG": "false",
    "MLSERVER_MODEL_NAME": "bikes",
}


def as_mlserver(name: str, setup: str, runtime: str, workers: int, body: Callable[[dict[str, Any]], Any]) -> Server:
    """MLServer with a runtime of peers/with_mlserver.py, in a pool of so many workers."""
    return Server(
        name,
        f"{setup}; access log off",
        "none",
        "mlserver start .",
        ("mlserver>=1.7,<2", "uvloop<0.22"),  # with a newer uvloop its pool of workers does not start
        "/v2/models/bikes/infer",
        body,
        lambda response: response["outputs"][0]["data"][0],
        settings=MLSERVER
        | {"MLSERVER_PARALLEL_WORKERS": str(workers), "MLSERVER_MODEL_IMPLEMENTATION": f"with_mlserver.{runtime}"},
    )


DAYBOOK = Server("Daybook", "the generated service, as it is", "input and output, before the response leaves", SERVE)
UNLOGGED = Server("Daybook without its log", "the same without the recorder", "none", SERVE)
PEERS = [
    Server(
        "BentoML",
        "a service that takes a DataFrame and uses bentoml.monitor; access log off",
        "bentoml.monitor",
        "bentoml serve with_bentoml:Stock --host 127.0.0.1 --port {port}",
        ("bentoml>=1.4.39,<1.5", "pandas>=2.2.3,<4"),
        body=lambda row: [row],
        prediction=lambda response: response[0],
    ),
    Server(
        "FastAPI",
        "pydantic rows, an async endpoint, uvicorn with uvloop and httptools; access log off",
        "python-json-logger",
        "uvicorn with_fastapi:app --host 127.0.0.1 --port {port} --no-access-log",
        ("fastapi>=0.115,<1", "uvicorn[standard]>=0.34,<1", "python-json-logger>=3,<5"),
    ),
    as_mlserver(
        "MLServer", "a custom runtime that takes a DataFrame, in its pool of one worker", "Runtime", 1, as_frame
    ),
    as_mlserver("MLServer, lean", "a custom runtime that takes arrays, without a pool", "Lean", 0, as_tensors),
    Server(
        "MLflow",
        "mlflow models serve, a pyfunc model with a signature; access log off",
        "none",
        "mlflow models serve --model-uri model --env-manager local --workers 1 --host 127.0.0.1 --port {port}",
        ("mlflow>=3,<4",),
        "/invocations",
        lambda row: {"dataframe_split": {"columns": list(row), "data": [list(row.values())]}},
        prepare="python {peers}/with_mlflow.py model",
        settings={"MLFLOW_DISABLE_TELEMETRY": "true", "UVICORN_ACCESS_LOG": "false"},
    ),
    Server(
        "LitServe",
        "a LitAPI with one worker; access log off",
        "none",
        "python {peers}/with_litserve.py {port}",
        ("litserve>=0.2.16,<0.3",),
    ),
]


def run(*words: str | Path, **options: Any) -> str:
    """Run a command to its end and return what it printed; raises with the last line of what went wrong."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    if done.returncode:
        raise RuntimeError((done.stderr.strip() or done.stdout.strip() or f"{words[0]} failed").splitlines()[-1])
    return done.stdout


def uv(*words: str | Path) -> str:
    """Run uv."""
    return run(sys.executable, "-m", "uv", *words, env=environment())


def versions_in(python: Path) -> dict[str, str]:
    """Name and version of all packages of an environment."""
    listing = json.loads(uv("pip", "list", "--format", "json", "--python", python))
    return {package["name"]: package["version"] for package in listing}


def without_log(project: Path, into: Path) -> Path:
    """A copy of the project whose service has no recorder."""
    copy = into / project.name
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns(".venv", "runs", ".git"))
    module = copy / "daybook" / "serving.py"
    text, doors = module.read_text(encoding="utf-8"), "return [recorder, gate]"
    if text.count(doors) != 1:
        sys.exit(f"{module} does not put the recorder before the gate by `{doors}`: mend without_log()")
    module.write_text(text.replace(doors, "return [gate]"), encoding="utf-8")
    return copy


def prepare_daybook() -> list[dict[str, Any]]:
    """Bake, install, train; return rows to predict."""
    for old in (BENCH / "bike-demand", BENCH / "without-log", BENCH / "bentoml"):
        shutil.rmtree(old, ignore_errors=True)
    project = bake(BENCH)
    commands = install(project)
    run(commands / "daybook", "run", "train", "-p", "max_iter=100", cwd=project, env=settings())
    for server, folder in ((DAYBOOK, project), (UNLOGGED, without_log(project, BENCH / "without-log"))):
        server.commands, server.folder = commands, folder
        server.settings = {"IOLOG_DIR": str(folder / "iolog")}
        server.versions = "bentoml " + versions_in(commands / "python")["bentoml"]
    code = (  # without gaps, for which MLServer's protocol has no word
        "import json; from bike_demand.data import contract, load; from daybook.replay import requests; "
        "print(json.dumps(requests(contract, load().dropna().tail(100))))"
    )
    return json.loads(run(commands / "python", "-c", code, cwd=project, env=settings()))


def prepare_peer(server: Server, same: dict[str, str]) -> None:
    """Make a peer's environment and folder, with the project's own versions of what computes the prediction."""
    name = re.sub(r"\W", "", server.packages[0].partition(">")[0])
    env = BENCH / "peers" / name
    server.commands, server.folder = env / "bin", BENCH / "peers" / "runs" / re.sub(r"\W+", "-", server.name)
    shutil.rmtree(server.folder, ignore_errors=True)
    server.folder.mkdir(parents=True)
    python = env / "bin" / "python"
    if not python.exists():
        uv("venv", "--quiet", "--python", sys.executable, env)
    pins = [f"{package}=={version}" for package, version in same.items()]
    constraints = env / "constraints.txt"
    constraints.write_text("\n".join(pins), encoding="utf-8")
    project = tomllib.loads((DAYBOOK.folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    # Without what makes the project's own server fast: a peer has it if it requires it.
    needed = [package for package in project["dependencies"] if not package.startswith(("uv", "httptools"))]
    uv("pip", "install", "--quiet", "--python", python, "--constraint", constraints, *needed, *server.packages)
    force = ("--no-deps", "--reinstall-package", "bike-demand")
    uv("pip", "install", "--quiet", "--python", python, *force, DAYBOOK.folder)
    versions = versions_in(python)
    names = [re.split(r"[\[<>]", package)[0] for package in server.packages]
    server.versions = ", ".join(f"{name} {versions[name]}" for name in names)
    if server.prepare:
        words = server.prepare.format(peers=HERE / "peers").split()
        run(server.commands / words[0], *words[1:], cwd=server.folder, env=settings(server))


def settings(server: Server | None = None, **ports: int) -> dict[str, str]:
    """The environment variables of a server."""
    own = {name: value.format(**ports) for name, value in server.settings.items()} if server and ports else {}
    path = f"{server.commands}:{os.environ['PATH']}" if server else os.environ["PATH"]
    common = {
        "BENTOML_HOME": str(BENCH / "bentoml"),
        "CHAMPION_FILE": str(DAYBOOK.folder / "champion.json") if server and server.packages else "",
        "MODEL": "bike_demand:latest",
        "PYTHONPATH": str(HERE / "peers") if server and server.packages else "",
        "PATH": path,
    }
    return environment(**common | own)


def free_ports() -> dict[str, int]:
    """Three ports on which nothing listens."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return dict(zip(("port", "second", "third"), ports, strict=True))


def launch(server: Server) -> None:
    """Start a server's process, on ports of its own."""
    ports = free_ports()
    server.port = ports["port"]
    words = server.command.format(peers=HERE / "peers", **ports).split()
    command = [server.commands / words[0], *words[1:]]
    with (server.folder / "server.log").open("wb") as output:
        options = {"cwd": server.folder, "env": settings(server, **ports), "stdout": output, "stderr": output}
        server.process = subprocess.Popen(command, **options)


def start(server: Server, rows: list[dict[str, Any]]) -> None:
    """Start a server on its core and wait until it predicts; raises if it does not."""
    os.sched_setaffinity(0, {SERVER_CORE})  # the server inherits it
    launch(server)
    os.sched_setaffinity(0, {CLIENT_CORE})
    server.requests = [as_request(server, row) for row in rows]
    give_up = time.monotonic() + 120
    while True:
        try:
            predict(server, 0)
            return
        except (OSError, ValueError) as error:
            if server.process.poll() is not None or time.monotonic() > give_up:
                last = (server.folder / "server.log").read_text(errors="replace").strip().splitlines()[-1:]
                raise RuntimeError(f"it does not respond: {error}; {' '.join(last)}") from error
            time.sleep(0.2)


def stop(server: Server) -> None:
    """End a server and all that it has started."""
    started = tree(server.process.pid)
    server.process.terminate()
    with suppress(subprocess.TimeoutExpired):
        server.process.wait(20)
    for pid in started:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    server.process.wait()


def tree(root: int) -> set[int]:
    """A process and all its descendants."""
    return {root, *(child.pid for child in psutil.Process(root).children(recursive=True))}


def cpu_of(root: int) -> float:
    """CPU seconds, user and system, of a process and all its descendants."""
    # The kernel's clock of another process: in nanoseconds, where psutil's counts hundredths of a second.
    return sum(time.clock_gettime(~pid << 3 | 2) for pid in tree(root))


def cpu_seconds(server: Server) -> float:
    """CPU seconds of a server's processes."""
    return cpu_of(server.process.pid)


def busy_seconds() -> float:
    """CPU seconds of the whole machine."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - times.iowait - times.steal - times.guest - times.guest_nice


def as_request(server: Server, row: dict[str, Any]) -> bytes:
    """The HTTP request for a row."""
    return as_post(server, server.body(row))


def as_post(server: Server, content: Any) -> bytes:
    """The HTTP request for a body."""
    body = json.dumps(content).encode()
    head = f"POST {server.path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def exchange(connection: socket.socket, request: bytes) -> bytes:
    """Send a request, return the body of its response; raises `ValueError` unless that is a 200."""
    connection.sendall(request)
    received, end, length = b"", -1, 0
    while end < 0 or len(received) < end + 4 + length:
        chunk = connection.recv(65536)
        if not chunk:
            raise ValueError(f"the connection was closed after {received!r}")
        received += chunk
        if end < 0 and (end := received.find(b"\r\n\r\n")) >= 0:
            length = int(re.search(rb"content-length: *(\d+)", received[:end], re.IGNORECASE)[1])
    if not received.startswith(b"HTTP/1.1 200 "):
        raise ValueError(received.decode(errors="replace"))
    return received[end + 4 :]


def predict(server: Server, row: int) -> float:
    """What a server predicts for one row."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        response = json.loads(exchange(connection, server.requests[row]))
    server.responses += 1
    return server.prediction(response)


def check(servers: list[Server]) -> None:
    """Stop unless all servers predict the same for the same rows."""
    for row in range(len(DAYBOOK.requests)):
        expected = predict(servers[0], row)
        for server in servers[1:]:
            if abs(predict(server, row) - expected) > 1e-9 * abs(expected):
                sys.exit(f"{server.name} does not predict what {servers[0].name} does for row {row}: nothing measured")


def call(servers: list[Server], until: float, first: int) -> int:
    """Call servers in turn, each over one connection, again and again; return how often each responded."""
    connections = [socket.create_connection(("127.0.0.1", server.port), timeout=60) for server in servers]
    for connection in connections:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    pairs = list(zip(connections, servers, strict=True))
    count = 0
    while time.perf_counter() < until:
        for connection, server in pairs:
            exchange(connection, server.requests[(first + count) % len(server.requests)])
        count += 1
    for connection in connections:
        connection.close()
    return count


def load(servers: list[Server], seconds: float, connections: int = CONNECTIONS) -> tuple[int, float, list[float]]:
    """Load servers; return how often each responded, in how many seconds, and the CPU seconds of each."""
    before, began = [cpu_seconds(server) for server in servers], time.perf_counter()
    # Half of the connections start with the other server, so that all have work at any time.
    orders = [servers[number % len(servers) :] + servers[: number % len(servers)] for number in range(connections)]
    with ThreadPoolExecutor(connections) as pool:
        calls = [pool.submit(call, order, began + seconds, 7 * number) for number, order in enumerate(orders)]
        count = sum(future.result() for future in calls)
    took = time.perf_counter() - began
    for server in servers:
        server.responses += count
    return count, took, [cpu_seconds(server) - spent for server, spent in zip(servers, before, strict=True)]


def measure_log(rows: list[dict[str, Any]], rounds: int, seconds: float) -> list[list[tuple[float, float, float]]]:
    """CPU µs a request with the log, without it, and without it alone, in processes that are started anew PAIRS times.

    Called together, both services meet the same moments of a noisy machine; yet they cost each other the caches.
    """
    table = []
    for number in range(PAIRS):
        pair = [DAYBOOK, UNLOGGED]
        try:
            for server in pair:
                start(server, rows)
            check(pair)
            load(pair, seconds)
            costs = []
            for _ in range(rounds):
                count, _, (logged, plain) = load(pair, seconds)
                only, _, [alone] = load([UNLOGGED], seconds / 2)
                costs.append((1e6 * logged / count, 1e6 * plain / count, 1e6 * alone / only))
            table.append(costs)
        finally:
            for server in pair:
                stop(server)
        print(f"log: processes {number + 1} of {PAIRS}, {share_of_log(costs):+.1%}", flush=True)
    return table


def share_of_log(costs: list[tuple[float, float, float]]) -> float:
    """What the log adds to the CPU time of a request, relative to the rest of it, where both are called together."""
    return median(logged / plain - 1 for logged, plain, _ in costs)


def measure_servers(servers: list[Server], rounds: int, seconds: float) -> None:
    """Load one server at a time, in slices whose order is shuffled, so that a noisy machine is noisy for all alike."""
    for server in servers:
        load([server], seconds)
    for number in range(rounds):
        sums = {server.name: [0.0, 0.0, 0.0] for server in servers}
        for _ in range(SLICES):
            for server in random.sample(servers, len(servers)):
                count, took, [spent] = load([server], seconds / SLICES)
                sums[server.name] = [a + b for a, b in zip(sums[server.name], (count, took, spent), strict=True)]
        for server in servers:
            count, took, spent = sums[server.name]
            server.rates.append(count / took)
            server.costs.append(1e6 * spent / count)
        print(f"round {number + 1} of {rounds}", flush=True)


def measure_cases(pair: list[Server], rows: list[dict[str, Any]], rounds: int, seconds: float) -> list[list[float]]:
    """CPU time a request, the first server's to the second's, round by round, for each of the cases."""
    table = []
    for connections, size in CASES:
        batches = [[rows[(start + number) % len(rows)] for number in range(size)] for start in range(7)]
        ratios = []
        for server in pair:
            server.requests = [as_post(server, {"rows": batch}) for batch in batches]
            load([server], seconds / 2, connections)
        for _ in range(rounds):
            costs = {}
            for server in random.sample(pair, 2):
                count, _, [spent] = load([server], seconds, connections)
                costs[server.name] = spent / count
            ratios.append(costs[pair[0].name] / costs[pair[1].name])
        table.append(ratios)
        print(f"{connections} connections, {size:,} rows: {spread(ratios)}", flush=True)
    return table


def measure_start() -> list[tuple[float, float]]:
    """Seconds from `bentoml serve` to its first 200 from /readyz, and those of importing what it uses."""
    python = DAYBOOK.commands / "python"
    run(python, "-m", "compileall", "-q", DAYBOOK.commands.parent / "lib", DAYBOOK.folder / "bike_demand")
    table = []
    for number in range(STARTS + 1):
        began = time.perf_counter()
        run(python, "-c", "import bentoml, numpy, sklearn.ensemble, skops.io", env=settings())
        imported = time.perf_counter() - began
        seconds = seconds_to_ready(DAYBOOK)
        if number:  # the first time, files come from the disk
            table.append((seconds, imported))
        stop(DAYBOOK)
    return table


def seconds_to_ready(server: Server) -> float:
    """Start a server; seconds until its first 200 from /readyz."""
    began = time.perf_counter()
    launch(server)
    while not is_ready(server):
        if time.perf_counter() - began > 120 or server.process.poll() is not None:
            last = (server.folder / "server.log").read_text(errors="replace").strip()[-2000:]
            raise RuntimeError(f"{server.name} does not start: {last}")
        time.sleep(0.02)
    return time.perf_counter() - began


def is_ready(server: Server) -> bool:
    """Whether /readyz answers 200."""
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            exchange(connection, b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return True
    except (OSError, ValueError):
        return False


def logged(server: Server) -> int:
    """How many requests are in a server's log."""
    return sum(path.read_bytes().count(b"\n") for path in (server.folder / "iolog").glob("raw/*/*.jsonl*"))


def spread(values: list[float], unit: str = "") -> str:
    """The median, and the least and the greatest value."""
    return f"{median(values):.2f}{unit} ({min(values):.2f} to {max(values):.2f})"


def machine() -> str:
    """Processor, cores, Python."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def report(
    rounds: int,
    seconds: float,
    others: float,
    log: list[list[tuple[float, float, float]]],
    starts: list[tuple[float, float]],
    cases: list[list[float]],
) -> str:
    """All that was measured, as Markdown."""
    servers = [DAYBOOK, UNLOGGED, *PEERS]
    table = ["| Server | What it logs | Requests/s | CPU µs/request | CPU to Daybook's |", "|---|---|--:|--:|--:|"]
    for server in servers:
        if server.failure:
            table.append(f"| {server.name} | could not be run: {textwrap.shorten(server.failure, 80)} | | | |")
        else:
            costs = f"{median(server.rates):,.0f} | {median(server.costs):,.0f}"
            ratio = spread([cost / own for cost, own in zip(server.costs, DAYBOOK.costs, strict=True)])
            table.append(f"| {server.name} | {server.log} | {costs} | {ratio} |")
    cheaper = [peer.name for peer in PEERS if peer.costs and median(peer.costs) < median(DAYBOOK.costs)]
    slower = f"Daybook is slower than {' and '.join(cheaper)}." if cheaper else "None of the others is faster."
    pairs = [cost for costs in log for cost in costs]
    added = median(logged - plain for logged, plain, _ in pairs)
    together, alone = median(plain for _, plain, _ in pairs), median(alone for _, _, alone in pairs)
    ratio = spread([served / imported for served, imported in starts])

    def filled(text: str) -> str:
        return textwrap.fill(" ".join(text.split()), 120)

    parts = [
        "# Serving, side by side",
        filled(f"""What a request costs: {date.today():%d %B %Y}, {machine()}. All servers serve the same model, 100
            gradient-boosted trees, and were checked to predict the same for 100 rows."""),
        filled(f"""A request has 1 row. {CONNECTIONS} connections stay open, and each sends the next one as soon as
            it has a response. All servers run on one core, with one worker each, and the client on another. One is
            loaded at a time: in each of {rounds} rounds every server for {seconds:g} s, in {SLICES} slices whose order
            is shuffled. The table has medians; a ratio is taken within a round, the least and the greatest are in
            brackets. CPU time is that of all processes of a server, in user and system mode. Other programs took
            {others:.0%} of the machine's CPU time meanwhile: the ratios bear that, the absolute numbers less."""),
        "\n".join(table),
        filled(f"""{slower} A server that logs nothing has less to do: the second column says which. This is how each is
            set up, along its own documentation:"""),
        "\n".join(
            textwrap.fill(f"- {server.name}: {server.setup} ({server.versions})", 120, subsequent_indent="  ")
            for server in servers
        ),
        "## Beside FastAPI",
        filled("""The same two by turns, with one connection and with larger requests. With several connections, Daybook
            predicts the rows of requests together that are there at the same time."""),
        "\n".join(
            ["| Connections | Rows of a request | CPU to FastAPI's |", "|--:|--:|--:|"]
            + [f"| {n} | {size:,} | {spread(ratios)} |" for (n, size), ratios in zip(CASES, cases, strict=False)]
        ),
        "## What the log costs",
        filled(f"""The log costs **{added:.0f} µs** of CPU time a request, **{share_of_log(pairs):.1%}** on top of what
            the rest costs. Two services, one with and one without the log, were called in turn, request by request, so
            that nothing else differs: {rounds} times {seconds:g} s with each of {len(log)} pairs of processes, which
            gave {", ".join(f"{share_of_log(costs):.1%}" for costs in log)}. Two services on one core cost each other
            the caches: the one without the log took {together:,.0f} µs a request this way and {alone:,.0f} µs alone, of
            which the log's {added:.0f} µs are {added / alone:.1%}. All {DAYBOOK.responses:,} responses that Daybook
            gave in this run are in its log."""),
        "## How long a start takes",
        filled(f"""`bentoml serve` answers `/readyz` with 200 after {median(one for one, _ in starts):.1f} s. To import
            bentoml, numpy, sklearn.ensemble and skops.io in a Python of its own takes
            {median(two for _, two in starts):.1f} s. That is **{ratio}** times as long: {len(starts)} starts of each,
            by turns, with compiled bytecode."""),
        filled("Made by `build/env/bin/python benchmarks/serving.py`."),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Prepare, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10, help="rounds in which each server is loaded once")
    parser.add_argument("--seconds", type=float, default=3, help="for how long a server is loaded at a time")
    parser.add_argument("--peers", nargs="*", help="only these; the page is printed, and not written")
    arguments = parser.parse_args()
    if arguments.peers is not None:
        PEERS[:] = [peer for peer in PEERS if peer.name in arguments.peers]
    if SERVER_CORE == CLIENT_CORE:
        sys.exit("two cores are needed: one for the servers, one for the client")
    print("baking, installing and training", flush=True)
    rows = prepare_daybook()
    versions = versions_in(DAYBOOK.commands / "python")
    same = {name: versions[name] for name in SAME if name in versions}
    print("measuring starts", flush=True)
    starts = measure_start()
    running: list[Server] = []
    try:
        log = measure_log(rows, arguments.rounds, arguments.seconds)
        for server in (DAYBOOK, UNLOGGED, *PEERS):
            print(f"starting {server.name}", flush=True)
            try:
                if server.packages:
                    prepare_peer(server, same)
                start(server, rows)
                running.append(server)
            except (RuntimeError, OSError) as error:
                if not server.packages:
                    raise
                server.failure = str(error)
                if server.process:
                    stop(server)
        check(running)
        before, own, began = busy_seconds(), cpu_of(os.getpid()), time.perf_counter()
        measure_servers(running, arguments.rounds, arguments.seconds)
        pair = [DAYBOOK, *(peer for peer in PEERS if peer.name == "FastAPI" and not peer.failure)]
        cases = measure_cases(pair, rows, arguments.rounds, arguments.seconds) if len(pair) > 1 else []
        foreign = busy_seconds() - before - (cpu_of(os.getpid()) - own)
        others = max(0.0, foreign / (time.perf_counter() - began) / os.cpu_count())
    finally:
        for server in running:
            stop(server)
    if (logged(DAYBOOK), logged(UNLOGGED)) != (DAYBOOK.responses, 0):
        sys.exit(f"{DAYBOOK.responses} responses, {logged(DAYBOOK)} are logged, and {logged(UNLOGGED)} without the log")
    text = report(arguments.rounds, arguments.seconds, others, log, starts, cases)
    if arguments.peers is None:
        (HERE / "serving.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
