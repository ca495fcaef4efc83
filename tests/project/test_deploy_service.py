"""A service and a job that run as they are deployed: what they may write, how they stop, what Prometheus sees."""

import contextlib
import dataclasses
import http.client
import json
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from deployment import expressions, rules, scrape_config, tool
from helpers import Project, Service, free_port, serve, wait_for
from traffic import ROW, call, metric, statuses


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files, whose path is short: sockets lie in it."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def nothing_else_writable(project: Project, folder: Path, temporary: Path, *writable: Path) -> Project:
    """The project with commands that run as in the container: no capabilities, and all but some folders read-only."""
    if (
        shutil.which("setpriv") is None
        or subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode
    ):
        pytest.skip("mount namespaces are not allowed here")
    binds = "".join(f"mount --bind '{path}' '{path}'\n" for path in (*writable, temporary))
    for name in ("bentoml", "daybook", "touch"):
        real = project.commands / name if (project.commands / name).exists() else shutil.which(name)
        script = f"{binds}mount -o remount,bind,ro /\nexec setpriv --bounding-set -all --no-new-privs '{real}' \"$@\"\n"
        (folder / f"{name}.sh").write_text(script)
        (folder / name).write_text(f"#!/bin/sh\nexec unshare --mount sh -e '{folder}/{name}.sh' \"$@\"\n")
        (folder / name).chmod(0o755)
    settings = project.settings | {"TMPDIR": str(temporary), "HOME": str(temporary), "BENTOML_CONTAINERIZED": "true"}
    inside = dataclasses.replace(project, commands=folder, settings=settings)
    if subprocess.run([folder / "touch", project.root / "x"], capture_output=True).returncode == 0:
        pytest.skip("the project lies on a file system of its own, which stays writable")
    return inside


def test_service_and_job_write_to_the_log_and_tmp_alone(
    project: Project, trained: str, temporary: Path, tmp_path: Path
) -> None:
    log = tmp_path / "iolog"
    log.mkdir()
    inside = nothing_else_writable(project, tmp_path, temporary, log)
    with serve(inside, folder=project.root, IOLOG_DIR=str(log)) as service:
        assert call(service.url, {"rows": [ROW]})[0] == 200
        assert metric(service, "iolog_written_total") == 1
        family = [psutil.Process(service.process.pid), *psutil.Process(service.process.pid).children(recursive=True)]
        assert sum(process.num_threads() for process in family) < 64 and kilobytes(temporary) < 1024
    inside.run("daybook", "run", "compact", "--runs", str(temporary / "runs"), IOLOG_DIR=str(log))
    assert list(log.glob("predictions/*/*/*.parquet")) and not list(log.glob("raw/*/*"))
    assert kilobytes(temporary) < 2048, "of 64 MB, to which all deployments limit it"


def kilobytes(folder: Path) -> float:
    """What its files take on the disk."""
    return sum(path.lstat().st_blocks for path in folder.rglob("*") if path.is_file()) / 2


def test_service_answers_what_is_in_flight_and_takes_nothing_new(
    project: Project, trained: str, edited: Callable[[str, str, str], None], tmp_path: Path
) -> None:
    log, predict = tmp_path / "iolog", "predictions = await self.predictor.respond(rows)"
    edited("bike_demand/service.py", predict, f"import asyncio; await asyncio.sleep(len(rows))\n        {predict}")
    with serve(project, folder=project.root, IOLOG_DIR=str(log)) as service, ThreadPoolExecutor() as clients:
        slow = [
            clients.submit(call, service.url, {"rows": [ROW] * rows}, **{"X-Request-ID": f"slow-{rows}"})
            for rows in (3, 4, 5)
        ]
        give_up = time.monotonic() + 30
        while in_flight(service) < 3:
            assert time.monotonic() < give_up, "the requests do not arrive"
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        with pytest.raises((OSError, http.client.HTTPException)):  # which is why Kubernetes waits in preStop
            urllib.request.urlopen(f"{service.url}/livez", timeout=60)
        assert [request.result()[0] for request in slow] == [200, 200, 200]
        assert service.process.wait(60) == 0
    assert statuses(log) == dict.fromkeys(("slow-3", "slow-4", "slow-5"), 200)


def in_flight(service: Service) -> float:
    """Requests to /predict without a response."""
    with urllib.request.urlopen(f"{service.url}/metrics") as response:
        text = response.read().decode()
    found = re.findall(r'^bentoml_service_request_in_progress\{endpoint="/predict".*\} (.*)$', text, re.MULTILINE)
    return sum(map(float, found))


@contextlib.contextmanager
def prometheus(config: Path) -> Iterator[Callable[[str], dict]]:
    """A running Prometheus; yields a function that queries its API."""
    port = free_port()
    command = [tool("prometheus", "Debian's prometheus"), f"--config.file={config}", "--log.level=warn"]
    command += [f"--storage.tsdb.path={config.parent / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}"]

    def ask(path: str, **query: str) -> Any:
        url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url) as response:
            return json.load(response)["data"]

    with (config.parent / "prometheus.log").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            wait_for(f"http://127.0.0.1:{port}/-/ready")
            yield ask
        finally:
            process.terminate()
            process.wait(30)


def test_prometheus_finds_all_that_rules_and_dashboard_query(project: Project, trained: str, tmp_path: Path) -> None:
    tool("prometheus", "Debian's prometheus")
    deploy, key, secret = project.root / "deploy", {"Authorization": "Bearer s3cret"}, tmp_path / "api_key"
    secret.write_text("s3cret")
    shutil.copy(deploy / "alerts.yaml", tmp_path)
    config = scrape_config(deploy)
    [scrape] = config["scrape_configs"]
    config["rule_files"] = [str(tmp_path / Path(name).name) for name in config["rule_files"]]
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    settings = {"SERVICE_API_KEY": "s3cret", "IOLOG_DIR": str(tmp_path / "iolog"), "IOLOG_MAX_UNSHIPPED_MB": "64"}
    with serve(project, folder=project.root, **settings) as service:
        scrape["static_configs"] = [{"targets": [service.url.removeprefix("http://")]}]
        scrape["authorization"] = {"credentials_file": str(secret)}
        stranger = {"job_name": "without-key", "static_configs": scrape["static_configs"]}
        (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(config | {"scrape_configs": [scrape, stranger]}))
        with prometheus(tmp_path / "prometheus.yaml") as ask:

            def value(expression: str) -> list[float]:
                return [float(sample["value"][1]) for sample in ask("query", query=expression)["result"]]

            give_up, sent = time.monotonic() + 60, 0
            while value('count_over_time(up{job="bike-demand"}[1m]) >= 5') == []:
                assert time.monotonic() < give_up, (tmp_path / "prometheus.log").read_text()
                assert call(service.url, {"rows": [ROW]}, **key)[0] == 200
                assert call(service.url, {"rows": []}, **key)[0] == 400
                assert call(service.url, {"rows": []})[0] == 401
                with contextlib.suppress(urllib.error.HTTPError):
                    urllib.request.urlopen(f"{service.url}/made/up")
                sent += 3
                time.sleep(0.2)
            time.sleep(2)  # until the last of them have been read, too
            assert value('up{job="bike-demand"}') == [1] and value('up{job="without-key"}') == [0]
            assert value("iolog_written_total") == [sent]
            assert value('{endpoint="/made/up"}') == [], "anybody could fill Prometheus"
            for expression in expressions(deploy):
                query = re.sub(r"\$__(rate_interval|range)", "30s", expression)
                numbers = value(query)
                assert numbers and all(number == number for number in numbers), query
            for rule in rules(deploy):
                for selector in re.findall(r"\w+\{[^}]*\}", rule["expr"]):
                    found = selector.replace("503", "200") if "/readyz" in selector else selector  # it is ready
                    assert value(found), found
            [group] = ask("rules")["groups"]
            states = {rule["name"]: (rule["health"], rule["state"]) for rule in group["rules"]}
            assert states == {rule["alert"]: ("ok", "inactive") for rule in rules(deploy)}
