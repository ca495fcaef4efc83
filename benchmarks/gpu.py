"""Measure a network on a GPU beside the same one on the CPU, and print a page of Markdown.

cd <a project whose model is net-gpu, installed, on a machine with an NVIDIA GPU>
python <this file> [--widths 64 2048] [--seconds 4] > gpu.md

It trains a network of each width, has both devices predict batches, and serves it with `bentoml serve` on each: some
four minutes. All requests go to 127.0.0.1. It exits with an error if a device was not the one that was asked for.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

import psutil

sys.path.insert(0, str(Path.cwd()))
PACKAGE = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"]["nbdev"]["lib_path"]
DEVICES = ("cpu", "cuda")
BATCHES = (1, 10, 100, 1000, 10_000)
LOADS = ((1, 1), (8, 1), (64, 1), (8, 100), (8, 1000))  # connections, rows of a request


def train(width: int) -> str:
    """Train a network and save it; the verdict does not matter here."""
    from daybook import models

    data, model = import_module(f"{PACKAGE}.data"), import_module(f"{PACKAGE}.model")
    frame = data.load("sample")
    estimator = model.fit(frame, max_iter=4, width=width)
    predictions = model.predict(estimator, data.contract.arrays(frame))
    metrics = model.evaluate(data.contract.y_true(frame[data.contract.target]), predictions)
    return models.save(data.contract, estimator, model.predict, frame, predictions, metrics=metrics)


def seconds_of(function: Callable[[], Any], least: float = 0.3) -> float:
    """The median time of a call, after three that do not count."""
    for _ in range(3):
        function()
    times, end = [], time.perf_counter() + least
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return median(times)


def batches(tag: str) -> tuple[list[str], float, float]:
    """Rows of a table of batch sizes, the largest relative difference between devices, and the model's tolerance."""
    import numpy as np

    from daybook import models, network

    model = models.load(tag)
    frame = import_module(f"{PACKAGE}.data").load("sample")
    matrix = model.code.model.features(model.estimator.encoder, model.contract.arrays(frame))
    sessions = {}
    for device in DEVICES:
        sessions[device], used = network.open_session(model.estimator.graph, device)
        if used != device:
            sys.exit(f"{device} was asked for, and {used} computes")
    lines, results = [], {}
    for size in BATCHES:
        rows = np.ascontiguousarray(np.resize(matrix, (size, matrix.shape[1])))
        times = {
            device: seconds_of(lambda s=session, r=rows: s.run(None, {"matrix": r}))
            for device, session in sessions.items()
        }
        lines.append(
            f"| {size:,} | {times['cpu'] * 1e3:.3f} | {times['cuda'] * 1e3:.3f} | {times['cpu'] / times['cuda']:.2f} |"
        )
    for device, session in sessions.items():
        results[device] = session.run(None, {"matrix": matrix})[0].astype(float)
    apart = np.abs(results["cuda"] - results["cpu"]) / np.maximum(1, np.abs(results["cpu"]))
    return lines, float(apart.max()), model.tolerance


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


async def _connection(port: int, request: bytes, end: float) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    count = 0
    while time.monotonic() < end:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise RuntimeError(head.decode())
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        count += 1
    writer.close()
    return count


def _client(args: tuple[int, bytes, int, float]) -> int:
    port, request, connections, seconds = args

    async def run() -> int:
        end = time.monotonic() + seconds
        return sum(await asyncio.gather(*(_connection(port, request, end) for _ in range(connections))))

    return asyncio.run(run())


def requests_per_second(port: int, rows: list[dict], connections: int, seconds: float) -> float:
    """Requests that a service answers in a second, from as many connections, by up to four processes."""
    body = json.dumps({"rows": rows}).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    processes = min(4, connections)
    work = [(port, head.encode() + body, connections // processes, seconds)] * processes
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return sum(pool.map(_client, work)) / seconds


def serve(device: str, rows: list[dict], seconds: float) -> dict[str, Any]:
    """Start the service on a device, load it, and stop it."""
    port, folder = free_port(), tempfile.mkdtemp()
    settings = os.environ | {"SERVICE_DEVICE": device, "IOLOG_DIR": folder, "BENTOML_DO_NOT_TRACK": "true"}
    command = [sys.executable, "-m", "bentoml", "serve", "--host", "127.0.0.1", "--port", str(port)]
    start = time.monotonic()
    process = subprocess.Popen(command, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        ready = False
        while not ready and time.monotonic() < start + 120 and process.poll() is None:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
                ready = True
            time.sleep(0.05)
        if not ready:
            sys.exit(f"the service did not start on {device}")
        result: dict[str, Any] = {"start": time.monotonic() - start}
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/model/") as page:
            result["device"] = json.load(page)["device"]
        for connections, count in LOADS:
            result[connections, count] = requests_per_second(port, rows[:count], connections, seconds)
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        result["memory"] = max(member.memory_info().rss for member in family) / 2**20
        return result
    finally:
        process.terminate()
        process.wait(60)


def refuses_without_gpu() -> str:
    """What the service says on a machine whose GPU is hidden."""
    settings = os.environ | {"SERVICE_DEVICE": "cuda", "CUDA_VISIBLE_DEVICES": ""}
    code = f"from daybook import models; models.load('{import_module(f'{PACKAGE}.data').contract.name}:latest')"
    done = subprocess.run([sys.executable, "-c", code], env=settings, capture_output=True, text=True, timeout=120)
    if not done.returncode:
        sys.exit("a service that asks for a GPU started without one")
    return done.stderr.strip().splitlines()[-1]


def page(width: int, seconds: float) -> None:
    """Print what was measured of a network of one width."""
    from daybook.replay import requests

    start = time.monotonic()
    tag = train(width)
    trained = time.monotonic() - start
    lines, apart, tolerance = batches(tag)
    print(f"\n## Hidden layers of {width:,}\n\nTrained for four passes, exported and saved in {trained:.1f} s.\n")
    print("| rows of a batch | CPU, ms | GPU, ms | CPU / GPU |\n|--:|--:|--:|--:|", *lines, sep="\n")
    print(
        f"\nLargest difference between the two, relative to a prediction: {apart:.1g};"
        f" the model's tolerance: {tolerance:.1g}.\n"
    )
    data = import_module(f"{PACKAGE}.data")
    rows = requests(data.contract, data.load("sample").tail(1000))
    results = {device: serve(device, rows, seconds) for device in DEVICES}
    for device, result in results.items():
        if result["device"] != device:
            sys.exit(f"{device} was asked for, and the service says {result['device']}")
    print("| connections | rows of a request | CPU, requests/s | GPU, requests/s | GPU / CPU |\n|--:|--:|--:|--:|--:|")
    for load in LOADS:
        cpu, cuda = (results[device][load] for device in DEVICES)
        print(f"| {load[0]} | {load[1]:,} | {cpu:,.0f} | {cuda:,.0f} | {cuda / cpu:.2f} |")
    for device, result in results.items():
        print(f"\n{device}: ready after {result['start']:.1f} s; {result['memory']:,.0f} MB in the largest process.")


def main() -> None:
    """Print the page."""
    import onnxruntime

    parser = argparse.ArgumentParser()
    parser.add_argument("--widths", type=int, nargs="*", default=[64, 2048])
    parser.add_argument("--seconds", type=float, default=4, help="of load each")
    args = parser.parse_args()
    names = subprocess.run(
        ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True
    ).stdout
    print(
        f"# A network on a GPU\n\n{names.strip()}, {os.cpu_count()} CPU cores, Python {platform.python_version()},"
        f" ONNX Runtime {onnxruntime.__version__}, one worker. On the CPU the service computes with one thread, as by"
        " default; batches are computed with a thread for each core."
    )
    for width in args.widths:
        page(width, args.seconds)
    print(f"\nWith the GPU hidden and `SERVICE_DEVICE=cuda`: `{refuses_without_gpu()}`")


if __name__ == "__main__":
    main()
