"""The service as a real process: what it predicts, what it refuses, and what is in its log."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from daybook import models
from daybook.log import Log

from {{cookiecutter.package}}.data import contract

KEPT = [field.alias for field in contract.fields.values() if field.log == "keep"]  # in the log as it was sent


def entry(log: Path, request_id: str) -> dict:
    """The one log entry of a request."""
    [record] = [record for record in Log(contract, log).records() if record["id"] == request_id]
    return record


def test_service_predicts_what_the_model_predicts(
    service: httpx.Client, rows: list[dict], model: str, bento: str | None
) -> None:
    response = service.post("/predict", json={"rows": rows}).raise_for_status().json()
    loaded = models.load(model)
    assert response["model"] == model
    assert response["predictions"] == loaded.respond([loaded.contract.Row(**row) for row in rows])
    assert service.get("/model/").json() == {"model": model, "bento": bento, "device": "cpu"}


def test_service_logs_before_its_response_leaves(service: httpx.Client, rows: list[dict], log: Path) -> None:
    for _ in range(50):
        response = service.post("/predict", json={"rows": rows[:2]}).raise_for_status()
        record = entry(log, response.json()["request_id"])
        assert record["out"] == response.json()
        assert [{name: row[name] for name in KEPT} for row in record["in"]["rows"]] == [
            {name: row[name] for name in KEPT} for row in rows[:2]
        ]


def test_log_entry_has_the_documented_form(
    service: httpx.Client, rows: list[dict], log: Path, model: str, bento: str | None
) -> None:
    body = json.dumps({"rows": rows[:1]}, indent=2)
    headers = {"X-Request-ID": "format", "Content-Type": "application/json"}
    service.post("/predict", content=body, headers=headers).raise_for_status()
    record = entry(log, "format")
    assert list(record) == ["v", "id", "ts", "route", "status", "ms", "model", "bento", "rate", "in", "out"]
    assert (record["v"], record["route"], record["status"], record["rate"]) == (1, "/predict", 200, 1.0)
    assert (record["model"], record["bento"]) == (model, bento)
    assert record["model"].startswith(f"{contract.name}:")
    assert 0 < record["ms"] < 60_000
    assert timedelta(0) <= datetime.now(UTC) - datetime.fromisoformat(record["ts"]) < timedelta(minutes=5)


def test_request_id_is_the_callers_or_a_new_one(service: httpx.Client, rows: list[dict]) -> None:
    for header, is_kept in (("order-17", True), ("two words", False), ("x" * 129, False)):
        response = service.post("/predict", json={"rows": rows[:1]}, headers={"X-Request-ID": header})
        assert (response.headers["x-request-id"] == header) is is_kept
        assert response.json()["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize("field", [*(field.alias for field in contract.fields.values()), "colour"])
def test_service_refuses_a_broken_row_by_field_and_rule(
    service: httpx.Client, rows: list[dict], log: Path, field: str
) -> None:
    response = service.post("/predict", json={"rows": [rows[0], rows[1] | {field: {"not": "a value"}}]})
    assert response.status_code == 400
    details = [detail for detail in response.json()["detail"] if detail["loc"][:3] == ["rows", 1, field]]
    assert details and details[0]["msg"]
    assert entry(log, response.json()["request_id"])["status"] == 400


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"rows": []}', b'{"rows": [NaN]}', b"\xff\xfe", b"[" * 10_000]
)
def test_service_refuses_and_logs_a_body_that_is_no_request(service: httpx.Client, log: Path, body: bytes) -> None:
    response = service.post("/predict", content=body)
    assert response.status_code == 400
    assert entry(log, response.headers["x-request-id"])["status"] == 400


def test_service_refuses_and_logs_a_form(service: httpx.Client, log: Path) -> None:
    response = service.post("/predict", data={"rows": "1"})
    assert response.status_code == 415
    is_whole = len(KEPT) == len(contract.fields)  # otherwise nothing is kept of what is no JSON
    assert entry(log, response.headers["x-request-id"])["in"] == ("rows=1" if is_whole else None)


def test_service_refuses_too_many_rows(service: httpx.Client, rows: list[dict]) -> None:
    assert len(service.post("/predict", json={"rows": rows[:1] * 10_000}).json()["predictions"]) == 10_000
    response = service.post("/predict", json={"rows": rows[:1] * 10_001})
    assert response.status_code == 400
    assert "10000" in response.json()["detail"][0]["msg"]


def test_service_takes_and_logs_actuals(service: httpx.Client, rows: list[dict], log: Path) -> None:
    number = service.post("/predict", json={"rows": rows[:2]}).json()["request_id"]
    values = list(contract.classes[:2]) or [0, 1]
    actuals = [{"prediction_id": f"{number}:{k}", "actual": value} for k, value in enumerate(values)]
    receipt = service.post("/actuals", json={"actuals": actuals}).raise_for_status().json()
    assert receipt["accepted"] == 2 and entry(log, receipt["request_id"])["in"] == {"actuals": actuals}
    labelled = Log(contract, log).labelled().filter(f"request_id = '{number}'").order("prediction_id")
    assert labelled.project("actual").fetchall() == [(value,) for value in values]
    unknown = [{"prediction_id": f"{number}:0", "actual": "neither a number nor a class"}]
    for wrong in ([], actuals[:1] * 2, [actuals[0] | {"prediction_id": number}], unknown):
        assert service.post("/actuals", json={"actuals": wrong}).status_code == 400


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/docs", "/docs.json"])
def test_service_has_pages_for_operators(service: httpx.Client, path: str) -> None:
    assert service.get(path, follow_redirects=True).status_code == 200
