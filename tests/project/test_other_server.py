"""The project's model behind uvicorn and Starlette alone: the seam to BentoML, as `CONTRIBUTING.md` describes it.

What is served is made of the library's parts: the contract, the coalescing, the endpoints, the gate and the recorder.
"""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from helpers import Project, Service, free_port, wait_for
from traffic import ROW, call, wait_for_record

SERVER = """
import os
import sys
from pathlib import Path

import uvicorn
from pydantic import create_model
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from bike_demand.data import contract
from daybook import models
from daybook.coalescing import Coalescer
from daybook.connection import Connection
from daybook.endpoints import Endpoint, Endpoints
from daybook.gate import Gate
from daybook.log_writer import RecorderSettings
from daybook.recorder import Recorder, request_id
from daybook.redaction import Redaction
from daybook.responses import ActualsResponse, PredictResponse, actuals_type
from daybook.service_settings import Keys, ServiceSettings

[port, tag] = sys.argv[1:]
settings = ServiceSettings.read()
model = models.load(tag)
coalescer = Coalescer(model.respond)
Predict = create_model("Input", rows=(list[contract.Row], ...))
Actuals = create_model("Input", actuals=(actuals_type(contract), ...))


async def predict(rows):
    return PredictResponse(request_id=request_id.get(), model=tag, predictions=await coalescer(rows))


async def actuals(actuals):
    return ActualsResponse(request_id=request_id.get(), accepted=len(actuals))


def ready(_):
    return JSONResponse({})


endpoints = {"/predict": Endpoint(Predict, lambda: predict), "/actuals": Endpoint(Actuals, lambda: actuals)}
paths = {"/livez", "/readyz", "/healthz", *endpoints}
recorder = Middleware(
    Recorder,
    folder=lambda: Path(os.environ["IOLOG_DIR"]),
    answered_by=lambda: (tag, None),
    redaction=Redaction(contract, RecorderSettings.read().hash_key),
    settings=RecorderSettings.read(),
    always=["/actuals"],
    max_body=settings.max_body,
)
gate = Middleware(
    Gate,
    max_body=settings.max_body,
    seconds=settings.timeout,
    keys=Keys.of(settings),
    max_bodies=settings.max_bodies,
    has_route=lambda scope: scope["path"] in paths,
)
layers = [recorder, gate, Middleware(Endpoints, endpoints=endpoints)]
app = Starlette(routes=[Route(path, ready) for path in Gate.probes], middleware=layers)
uvicorn.run(app, host="127.0.0.1", port=int(port), http=Connection, log_config=None)
"""
ACTUAL = {"actuals": [{"prediction_id": "r1:0", "actual": 7}]}
REQUESTS = [
    ("one", "/predict", {"rows": [ROW]}),
    ("many", "/predict", {"rows": [ROW | {"hr": hour, "windspeed": None} for hour in range(24)]}),
    ("wrong", "/predict", {"rows": [ROW | {"hum": 57}, ROW | {"windy": 1}]}),
    ("no-rows", "/predict", {}),
    ("no-json", "/predict", b"{"),
    ("late", "/actuals", ACTUAL),
    ("twice", "/actuals", {"actuals": ACTUAL["actuals"] * 2}),
    ("nowhere", "/made-up", {}),
]


@pytest.fixture(scope="module")
def other(project: Project, trained: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The same project, served without BentoML's server."""
    folder, port = tmp_path_factory.mktemp("other"), free_port()
    (folder / "server.py").write_text(SERVER)
    settings = project.settings | {"IOLOG_DIR": str(folder / "iolog"), "PYTHONPATH": str(project.root)}
    command = [project.commands / "python", folder / "server.py", str(port), trained]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, cwd=project.root, env=settings, stdout=output, stderr=output)
        try:
            wait_for(f"http://127.0.0.1:{port}/readyz", process, folder / "output")
            yield Service(f"http://127.0.0.1:{port}", process, folder / "output", folder / "iolog")
        finally:
            process.terminate()
            process.wait(30)


def logged(service: Service, request: str) -> dict[str, Any]:
    """A request's record, without its time and the bento."""
    record = wait_for_record(service.log, request)
    return {name: value for name, value in record.items() if name not in ("ts", "ms", "bento")}


@pytest.mark.parametrize(("request_id", "route", "body"), REQUESTS, ids=[name for name, *_ in REQUESTS])
def test_other_server_answers_and_logs_the_same(
    service: Service, other: Service, request_id: str, route: str, body: dict | bytes
) -> None:
    header = {"X-Request-ID": request_id}
    assert call(other.url, body, route, **header) == call(service.url, body, route, **header)
    assert logged(other, request_id) == logged(service, request_id)


def test_other_server_logs_what_the_jobs_read(project: Project, other: Service) -> None:
    """Compaction takes its log as it takes that of BentoML's server."""
    call(other.url, {"rows": [ROW] * 3}, **{"X-Request-ID": "three"})
    wait_for_record(other.log, "three")
    other.process.terminate()
    other.process.wait(30)
    script = "import json; from daybook.log import Log; from bike_demand.data import contract; log = Log(contract);"
    script += " log.compact(); rows = log.predictions().filter(\"prediction_id LIKE 'three:%'\");"
    script += " print(json.dumps(sorted(row[0] for row in rows.project('prediction_id').fetchall())))"
    assert json.loads(project.python(script, IOLOG_DIR=str(other.log))) == ["three:0", "three:1", "three:2"]
