"""A real service, fuzzed from its own OpenAPI document, and sent what would run code."""

import json
import pickle
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from helpers import Project, Service, serve
from traffic import call, records

PROBES = ("/livez", "/readyz", "/healthz")


class Exchange(NamedTuple):
    """A request and its response."""

    method: str
    path: str
    status: int
    id: str | None  # in the response's header

    @property
    def has_input(self) -> bool:
        """Whether it has to be logged."""
        return self.method not in ("GET", "HEAD", "OPTIONS")


def read(url: str, **headers: str) -> bytes:
    """The content of a page."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as response:
        return response.read()


def fuzz(url: str, document: Path, examples: int, **headers: str) -> list[Exchange]:
    """All that schemathesis sends; fails with its report if a response is not what the OpenAPI document says."""
    har = document.with_suffix(".har")
    # What is taken and what is refused is asked of the contract instead, below. It knows more than its JSON Schema
    # can say: that 1 is a yes, as it is in a table, and that there is one actual a prediction.
    options = ["--exclude-checks", "positive_data_acceptance,negative_data_rejection", "--continue-on-failure"]
    options += ["--max-examples", str(examples), "--seed", "0", "--generation-database", "none", "--no-color"]
    options += ["--report", "har", "--report-har-path", str(har), "--output-sanitize", "false"]
    options += [word for name, value in headers.items() for word in ("--header", f"{name}: {value}")]
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(document), "--url", url, *options]
    done = subprocess.run(command, cwd=document.parent, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr
    return [
        Exchange(
            entry["request"]["method"],
            urlsplit(entry["request"]["url"]).path,
            entry["response"]["status"],
            {pair["name"].lower(): pair["value"] for pair in entry["response"]["headers"]}.get("x-request-id"),
        )
        for entry in json.loads(har.read_bytes())["log"]["entries"]
    ]


JUDGE = """
import json, sys
from bike_demand.data import contract
from daybook import serving
from daybook.bodies import read_body
from daybook.log import Log
from pydantic import ValidationError, create_model

served = serving.champion(contract)
fields = {"rows": served.Rows, "actuals": served.Actuals}
routes = {"/predict": "rows", "/actuals": "actuals"}
bodies = {route: create_model(name, **{name: fields[name]}) for route, name in routes.items()}

def is_valid(entry):
    try:
        return bool(read_body(bodies[entry["route"]], json.dumps(entry["in"])))
    except (KeyError, ValidationError):
        return False

entries = Log(contract, sys.argv[1]).records()
print(json.dumps([[entry["id"], entry["route"], entry["status"], is_valid(entry)] for entry in entries]))
"""


@pytest.mark.parametrize(
    ("key", "examples"),
    [("s3cret", 30), pytest.param("", 60, marks=pytest.mark.long), pytest.param("s3cret", 60, marks=pytest.mark.long)],
)
def test_service_holds_and_logs_when_it_is_fuzzed(
    project: Project, trained: str, tmp_path: Path, key: str, examples: int
) -> None:
    log, document = tmp_path / "iolog", tmp_path / "docs.json"
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    settings = {"SERVICE_API_KEY": key} if key else {}
    with serve(project, folder=project.root, IOLOG_DIR=str(log), **settings) as service:
        document.write_bytes(read(f"{service.url}/docs.json", **headers))
        exchanges = fuzz(service.url, document, examples, **headers)
        strangers = fuzz(service.url, document, examples // 2) if key else []
        metrics = read(f"{service.url}/metrics", **headers).decode()
    assert {exchange.path for exchange in exchanges} == {*PROBES, "/metrics", "/predict", "/actuals"}
    assert {exchange.status for exchange in exchanges} == {200, 400, 405, 415} | ({401} if key else set())
    assert {exchange.status for exchange in strangers if exchange.path not in PROBES} == ({401} if key else set())

    logged = json.loads(project.python(JUDGE, log).splitlines()[-1])
    sent = Counter(exchange.id for exchange in exchanges + strangers if exchange.has_input)
    assert Counter(number for number, *_ in logged) == sent and max(sent.values()) == 1
    counters = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if line.startswith("iolog_"))
    assert (float(counters["iolog_written_total"]), float(counters["iolog_failed_total"])) == (len(logged), 0)
    for route in ("/predict", "/actuals"):
        judged = Counter((status, is_valid) for _, path, status, is_valid in logged if path == route)
        assert judged[200, True] > examples / 3 and judged[400, False] > examples / 3, judged
        assert not judged[200, False] and not judged[400, True], "the service and the contract disagree"


class Trap:
    """What creates a file when it is unpickled."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self) -> tuple:
        return Path.touch, (self.marker,)


@pytest.fixture
def trap(tmp_path: Path) -> Iterator[bytes]:
    """A pickle that leaves a file; fails if it did."""
    marker = tmp_path / "sprung"
    content = pickle.dumps(Trap(marker))
    pickle.loads(content)
    marker.unlink()  # raises if the trap does not work
    yield content
    assert not marker.exists(), "the service has unpickled a body"


KINDS = ["application/vnd.bentoml+pickle", "application/json", "Application/Vnd.BentoML+Pickle; x=1", "text/plain", "x"]


def test_service_unpickles_no_body(service: Service, trap: bytes) -> None:
    before = len(records(service.log))
    for route in ("/predict", "/actuals"):
        statuses = [call(service.url, trap, route, **{"Content-Type": kind})[0] for kind in KINDS]
        assert statuses == [415, 400, 415, 415, 415]
    assert len(records(service.log)) == before + 2 * len(KINDS)
