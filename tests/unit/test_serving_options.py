"""What a service is started with, where it logs, and what it does not print."""

import asyncio
import logging
import os
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from bentoml.exceptions import BentoMLException
from test_serving import ROWS, call, clear_metrics, entries, service_of, tag

from daybook import bento, example, serving
from daybook.project import DaybookError

__all__ = ["tag"]  # the fixture


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("SERVICE_WORKERS", "0", "SERVICE_WORKERS=0: input should be greater than or equal to 1"),
        ("SERVICE_TIMEOUT", "soon", "SERVICE_TIMEOUT=soon: input should be a valid number"),
        ("SERVICE_MAX_BODY_MB", "0", "SERVICE_MAX_BODY_MB=0: input should be greater than 0"),
        ("IOLOG_SAMPLE_RATE", "2", "IOLOG_SAMPLE_RATE=2: input should be less than or equal to 1"),
        ("IOLOG_ON_ERROR", "ignore", "IOLOG_ON_ERROR=ignore: input should be 'warn' or 'fail'"),
        ("IOLOG_DIR", "s3://bucket/iolog", "IOLOG_DIR=s3://bucket/iolog: must be a folder of this machine"),
        ("SERVICE_APIKEY", "secret", "^SERVICE_APIKEY is no setting: is SERVICE_API_KEY meant\\?$"),
        ("service_worker", "4", "service_worker is no setting: is SERVICE_WORKERS meant"),
        ("IOLOG_SYNCH", "1", "IOLOG_SYNCH is no setting: is IOLOG_SYNC meant"),
    ],
)
def test_options_refuse_a_wrong_setting(
    monkeypatch: pytest.MonkeyPatch, setting: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(setting, value)
    with pytest.raises(BentoMLException, match=sentence):
        serving.options()


def test_options_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_WORKERS", "3")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("OTEL_SDK_DISABLED", raising=False)
    assert serving.options() == {
        "workers": 3,
        "logging": {"access": {"enabled": False}},
    }
    assert (os.environ["OMP_NUM_THREADS"], os.environ["OTEL_SDK_DISABLED"]) == ("7", "true")


@pytest.mark.parametrize(
    "name", ["SERVICE_HOST", "SERVICE_PORT_3000_TCP", "IOLOG_STORE", "IOLOG_KEEP_DAYS", "service_device"]
)
def test_other_variables_are_no_misspelled_settings(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "auto" if name == "service_device" else "1")
    assert serving.options()["workers"] == 1


def test_log_folder_is_seen_from_where_the_service_was_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IOLOG_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(serving.psutil, "Process", lambda pid: SimpleNamespace(cwd=lambda: f"/called/by/{pid}"))
    assert serving.log_folder(serving.Served("a:1", None, example.contract)) == tmp_path / "iolog"
    assert serving.log_folder(serving.Served("a:1", "b:1", example.contract)) == Path(
        f"/called/by/{os.getppid()}/iolog"
    )
    monkeypatch.setenv("IOLOG_DIR", "/var/log/io")
    assert serving.log_folder(serving.Served("a:1", "b:1", example.contract)) == Path("/var/log/io")


def test_refused_requests_leave_no_traceback() -> None:
    def message(error: Exception | None) -> logging.LogRecord:
        return logging.makeLogRecord({"exc_info": (type(error), error, None) if error else None})

    class Input(example.Row):
        """BentoML's name for what a route takes."""

    with pytest.raises(ValueError) as refusal:
        Input(day="soon", hour=1)
    with pytest.raises(ValueError) as other:
        example.Row(day="soon", hour=1)
    assert not bento.is_no_refusal(message(refusal.value))
    assert all(bento.is_no_refusal(message(error)) for error in (None, other.value, DaybookError("a fault")))


def test_service_says_which_method_a_route_takes(tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setenv("IOLOG_DIR", str(tmp_path))
    calls = (("GET", "/predict"), ("PUT", "/actuals"), ("POST", "/docs.json"), ("DELETE", "/"), ("POST", "/livez"))
    responses = call(service_of(serving.champion(example.contract)), *((*each, None) for each in calls))
    wanted = ["POST", "POST", "GET or HEAD", "GET or HEAD", "GET or HEAD"]
    for (method, _), response, methods in zip(calls, responses, wanted, strict=True):
        assert response.status_code == 405 and response.headers["allow"]
        assert response.json()["error"] == f"this route does not take {method}: send {methods}"
    ids = [response.json()["request_id"] for response in responses[1:]]
    assert [entry["out"]["request_id"] for entry in entries(tmp_path)] == ids


def test_service_logs_what_bentoml_refuses(tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """Of requests that are more at once than `traffic` lets in."""
    monkeypatch.setenv("IOLOG_DIR", str(tmp_path))
    monkeypatch.setattr(serving, "options", lambda: {"traffic": {"max_concurrency": 1}})
    service = service_of(serving.champion(example.contract))
    clear_metrics()

    async def responses() -> list[httpx.Response]:
        app = service.to_asgi()
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")
        async with app.router.lifespan_context(app), client:
            return await asyncio.gather(*(client.post("/predict", json={"rows": ROWS}) for _ in range(5)))

    statuses = sorted(response.status_code for response in asyncio.run(responses()))
    assert statuses[0] == 200 and statuses[-1] == 429
    assert sorted(entry["status"] for entry in entries(tmp_path)) == statuses
