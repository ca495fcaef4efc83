"""A whole service in this process, and what `serving` does around it."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import bentoml
import httpx
import numpy as np
import pytest
from bentoml.exceptions import BentoMLException
from prometheus_client import REGISTRY
from pydantic import Field

from daybook import bento, example, models, serving
from daybook.contract import Contract
from daybook.recorder import request_id

MODEL = """
import os
from daybook import example
from daybook.example import TRUSTED, evaluate, features, fit, loss

def predict(estimator, columns):
    return example.predict(estimator, columns) + float(os.environ.get("SHIFT", "0"))
"""
ROWS = [{"day": "2024-02-01", "hour": 8, "temp": 3.5}, {"day": "2024-02-01", "hour": 17, "weather": "rain"}]


@pytest.fixture
def tag(demand: Path) -> str:
    """The only model of a small project; $SHIFT makes it predict something else."""
    (demand / "demand" / "model.py").write_text(MODEL)
    return example.save(example.sample(5))


def service_of(served: serving.Served) -> Any:
    """A service as a project has it."""

    @bentoml.service(name="demand", **serving.options())
    class Service:
        model = served.bento_model

        def __init__(self) -> None:
            self.predictor = served.load()

        @bentoml.api(route="/predict")
        async def predict(self, rows: served.Rows) -> served.Response:
            predictions = await self.predictor.respond(rows)
            return served.Response(request_id=request_id.get(), model=served.tag, predictions=predictions)

        @bentoml.api(route="/actuals")
        async def actuals(self, actuals: served.Actuals) -> serving.ActualsResponse:
            return serving.ActualsResponse(request_id=request_id.get(), accepted=len(actuals))

    serving.install(Service, served)
    return Service


def clear_metrics() -> None:
    """Take away those of a service before."""
    for collector, names in [*REGISTRY._collector_to_names.items()]:
        if any(name.startswith("bentoml_") for name in names):
            REGISTRY.unregister(collector)


def call(service: Any, *requests: tuple[str, str, Any]) -> list[httpx.Response]:
    """Start a service, send it requests as method, path and JSON, and stop it."""
    clear_metrics()

    async def responses() -> list[httpx.Response]:
        app = service.to_asgi()
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service", follow_redirects=True)
        async with app.router.lifespan_context(app), client:
            return [await client.request(method, path, json=body) for method, path, body in requests]

    return asyncio.run(responses())


def entries(folder: Path) -> list[dict]:
    """The log entries in a folder."""
    return [json.loads(line) for path in folder.glob("raw/*/*") for line in path.read_bytes().splitlines()]


IMPORTS = """
import sys
import daybook.serving
heavy = ("pandas", "pyarrow", "duckdb", "fastcore", "sklearn", "skops", "scipy", "prometheus_client")
print(*[name for name in heavy if name in sys.modules])
"""


def test_serving_imports_nothing_that_takes_long() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_service_predicts_what_the_model_predicts(tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IOLOG_DIR", str(tmp_path))
    service = service_of(serving.champion(example.contract))
    actuals = [{"prediction_id": "r1:0", "actual": 3}]
    good, refused, twice, no_id, taken, model, page, document = call(
        service,
        ("POST", "/predict", {"rows": ROWS}),
        ("POST", "/predict", {"rows": [ROWS[0], ROWS[1] | {"hour": 24}]}),
        ("POST", "/actuals", {"actuals": actuals * 2}),
        ("POST", "/actuals", {"actuals": [{"prediction_id": "r1", "actual": 3}]}),
        ("POST", "/actuals", {"actuals": actuals}),
        ("GET", "/model/", None),
        ("GET", "/docs", None),
        ("GET", "/docs.json", None),
    )
    rows = [example.contract.Row(**row) for row in ROWS]
    np.testing.assert_array_equal(good.json()["predictions"], models.load(tag).predict(rows))
    assert (good.json()["model"], good.json()["request_id"]) == (tag, good.headers["x-request-id"])
    assert refused.json()["detail"][0]["loc"] == ["rows", 1, "hour"]
    assert "more than one actual for r1:0" in twice.json()["detail"][0]["msg"]
    assert "prediction_id: write <request id>:<row number>" in no_id.json()["error"]
    assert taken.json()["accepted"] == 1
    assert model.json() == {"model": tag, "bento": None, "device": "cpu"}
    assert page.status_code == 200 and "text/html" in page.headers["content-type"]
    assert "504" in document.json()["paths"]["/predict"]["post"]["responses"]
    assert [entry["status"] for entry in entries(tmp_path)] == [200, 400, 400, 400, 200]
    assert entries(tmp_path)[0]["out"] == good.json()
    schema = tmp_path / "contracts" / f"{tag.replace(':', '/')}.json"
    assert json.loads(schema.read_bytes()) == {**example.contract.schema, "x-device": "cpu"}


def test_page_of_a_service_loads_nothing_from_elsewhere(tag: str) -> None:
    page, document = call(
        service_of(serving.champion(example.contract)), ("GET", "/", None), ("GET", "/docs.json", None)
    )
    assert (
        "swagger" in page.text and page.headers["content-security-policy"] == "default-src 'self' 'unsafe-inline' data:"
    )
    assert document.json()["info"] == {"title": "demand", "description": "# demand\n\n", "version": tag}


class Row(example.Row):
    """A later contract of the same name."""

    wind: float = Field(json_schema_extra={"iolog": "hash"})


class LabelledRow(Row):
    """And its target."""

    rentals: int


LATER = Contract(LabelledRow, target="rentals", key=("day", "hour"), time="day", name="demand")


def test_champion_keeps_the_contract_that_it_was_made_with(tag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    served = serving.champion(LATER)
    assert (served.tag, served.bento) == (tag, None)
    assert list(served.contract.fields) == list(example.contract.fields)
    monkeypatch.setattr(sys, "argv", ["bentoml", "serve"])
    monkeypatch.setattr(serving, "supervise", lambda: None)
    monkeypatch.setenv("IOLOG_HASH_KEY", "")
    service_of(served)  # its contract hashes nothing, and needs no key
    with pytest.raises(BentoMLException, match="the log keeps a hash of wind: set IOLOG_HASH_KEY"):
        service_of(serving.Served(served.tag, None, LATER))


def test_champion_in_a_bento_is_the_bentos_own_model(tag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = example.save(example.sample(6))
    assert serving.champion(example.contract).tag == newer
    monkeypatch.setattr(bento, "this_bento", lambda: ("demand:b1", tag))
    served = serving.champion(example.contract)
    assert (served.tag, served.bento, str(served.bento_model.tag)) == (tag, "demand:b1", tag)


def test_champion_is_verified_by_a_build_and_by_a_worker(tag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["bentoml", "build"])
    serving.champion(example.contract)
    monkeypatch.setenv("SHIFT", "1")
    with pytest.raises(BentoMLException, match=f"{tag} does not predict what it predicted"):
        serving.champion(example.contract)
    monkeypatch.setattr(sys, "argv", ["bentoml", "serve"])
    served = serving.champion(example.contract)  # a worker will find out
    with pytest.raises(BentoMLException, match=f"{tag} does not predict what it predicted"):
        served.load()


def test_champion_that_is_nowhere_is_one_sentence(demand: Path) -> None:
    unknown = Contract(example.LabelledRow, target="rentals", time="day", name="unknown")
    with pytest.raises(BentoMLException, match="there is no model unknown:latest in the store"):
        serving.champion(unknown)


def test_this_bento_is_none_outside_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "src").mkdir()
    monkeypatch.chdir(tmp_path / "src")
    assert bento.this_bento() is None


SUPERVISOR = """
import signal, subprocess, sys
from daybook import supervision

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # as BentoML stops
supervision.supervise()
code = "from daybook import supervision; supervision.fail('it does not repeat')"
worker = subprocess.Popen([sys.executable, "-c", code])
signal.pause()
"""


@pytest.mark.skipif(os.name == "nt", reason="there are no such signals on this system")
def test_worker_that_fails_stops_the_service_with_one_sentence() -> None:
    done = subprocess.run([sys.executable, "-c", SUPERVISOR], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.count("it does not repeat") == 1 and "Traceback" not in done.stderr


def test_predictor_fails_a_request_alone_whose_prediction_is_no_number(
    tag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = serving.champion(example.contract).load()
    code = predictor.model.code.model
    predict, calls = code.predict, []

    def with_gaps(estimator: Any, columns: dict[str, np.ndarray]) -> np.ndarray:
        calls.append(len(columns["hour"]))
        return np.where(columns["hour"] == 17, np.nan, predict(estimator, columns))

    monkeypatch.setattr(code, "predict", with_gaps)
    rows = [example.contract.Row(**row) for row in ROWS]

    async def together() -> list[Any]:
        requests = (rows[:1], rows, rows[:1])
        return await asyncio.gather(*map(predictor.respond, requests), return_exceptions=True)

    first, failed, last = asyncio.run(together())
    assert first == last == predict_alone(predictor, rows[:1]) and calls[0] == 4
    assert "predict returned nan for row 1" in str(failed)


def predict_alone(predictor: serving.Predictor, rows: list[Any]) -> list[float]:
    """What the model predicts for a request that is alone."""
    return asyncio.run(predictor.respond(rows))
