"""Runs that are logged to MLflow: what is sent, in which order, and what happens if it cannot be."""

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from daybook import tracking as module
from daybook.files import Folder
from daybook.runs import Run
from daybook.tracking import FILES, tracking

EXAMPLE = Run("20240101T000000-01234567", "train", "nbs/01_train.ipynb", {"rate": 0.1}, "done", "2024-01-01T00:00:00")
EXAMPLE = replace(
    EXAMPLE, seconds=2.0, metrics={"mae": 20.3}, model="demand:ab12", data="d4", git_commit="c0ffee-dirty"
)


class Client:
    """A client of MLflow that notes its calls."""

    calls: list[tuple]
    fails: Callable[[str], None] = staticmethod(lambda name: None)

    def __getattr__(self, name: str) -> Callable:
        def call(*args: Any) -> Any:
            Client.fails(name)
            Client.calls.append((name, *args))
            return SimpleNamespace(info=SimpleNamespace(run_id=f"r{len(Client.calls)}"), experiment_id="7")

        return call


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, demand: Any) -> Folder:
    """A pretended server; returns a folder with the files of two runs."""
    mlflow, entities = ModuleType("mlflow"), ModuleType("mlflow.entities")
    mlflow.MlflowClient = Client
    variables = ("HTTP_REQUEST_MAX_RETRIES", "HTTP_REQUEST_TIMEOUT", "SUPPRESS_PRINTING_URL_TO_STDOUT")
    mlflow.environment_variables = SimpleNamespace(**{f"MLFLOW_{name}": SimpleNamespace() for name in variables})
    entities.Metric, entities.Param = (lambda *args: args), (lambda *args: args)
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    monkeypatch.setitem(sys.modules, "mlflow.entities", entities)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://ann:sword-fish@mlflow.example.com")
    Client.calls, Client.fails = [], staticmethod(lambda name: None)
    folder = Folder.at(demand / "runs")
    for name in FILES:
        folder.put(f"{EXAMPLE.path}/{name}", b"{}")
    return folder


def log(folder: Folder, *runs: Run) -> list[tuple]:
    """Log runs; returns the calls of the client."""
    with tracking(folder.root) as track:
        for run in runs:
            track(run)
    return Client.calls


def test_tracking_logs_the_steps_of_a_run_that_was_stopped(server: Folder) -> None:
    calls = log(server, replace(EXAMPLE, status="pruned", metrics={}, steps=[[0, 3.0], [4, 2.5]]))
    [(_, _, metrics, _)] = [call for call in calls if call[0] == "log_batch"]
    assert [(name, value, step) for name, value, _, step in metrics] == [("reported", 3.0, 0), ("reported", 2.5, 4)]
    assert calls[-1][2] == "KILLED"


def test_tracking_logs_a_run(server: Folder, capfd: pytest.CaptureFixture) -> None:
    calls = log(server, EXAMPLE)
    names = [call[0] for call in calls]
    assert names == ["get_experiment_by_name", "create_run", "log_batch", "log_artifacts", "set_terminated"]
    _, experiment, began, tags = calls[1]
    assert experiment == "7" and calls[-1][2:] == ("FINISHED", began + 2000)
    expected = {
        "daybook.model": "demand:ab12",
        "daybook.data": "d4",
        "daybook.run": EXAMPLE.id,
        "daybook.is_dirty": "true",
    }
    expected |= {"mlflow.source.git.commit": "c0ffee", "mlflow.runName": "train 01234567"}
    assert expected.items() <= tags.items() and "mlflow.parentRunId" not in tags
    assert [[each[:2] for each in part] for part in calls[2][2:]] == [[("mae", 20.3)], [("rate", "0.1")]]
    assert capfd.readouterr() == ("", "")


def test_tracking_has_a_parent_for_a_sweep(server: Folder) -> None:
    runs = [replace(EXAMPLE, id=f"2024010{day}T000000-01234567", sweep="s1") for day in (1, 2)]
    calls = [
        call for call in log(server, *runs, replace(runs[0], status="failed", error="late")) if call[0] == "create_run"
    ]
    assert [call[3].get("mlflow.parentRunId") for call in calls] == [None, "r2", "r2", "r2"]
    assert calls[0][3]["mlflow.runName"] == "train sweep s1" and calls[3][3]["daybook.error"] == "late"
    ends = [call[2] for call in Client.calls if call[0] == "set_terminated" and len(call) > 2]
    assert ends == ["FINISHED", "FINISHED", "FAILED"] and len(calls) == 4


@pytest.mark.parametrize("name", ["get_experiment_by_name", "create_run", "log_batch", "log_artifacts"])
def test_tracking_says_in_one_line_what_was_not_logged(server: Folder, capfd: pytest.CaptureFixture, name: str) -> None:
    def fails(called: str) -> None:
        if called == name:
            raise RuntimeError("no way to\nhttps://ann:sword-fish@mlflow.example.com/api")

    Client.fails = staticmethod(fails)
    log(server, EXAMPLE, EXAMPLE)
    said = capfd.readouterr().err
    assert said.startswith("2 of 2 runs were not logged to MLflow at mlflow.example.com: no way to https://ann:***@")
    assert said.count("\n") == 1 and "sword-fish" not in said and str(server.root) in said


def test_tracking_does_not_wait_for_long(server: Folder, capfd: pytest.CaptureFixture, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.3)
    stop = threading.Event()
    Client.fails = staticmethod(lambda name: stop.wait(20))
    began, before = time.monotonic(), set(threading.enumerate())
    log(server, EXAMPLE)
    assert time.monotonic() - began < 5
    stop.set()
    for thread in set(threading.enumerate()) - before:  # it would import the real client later, beside another test
        thread.join(10)
    assert "1 of 1 runs were not logged to MLflow at mlflow.example.com: it does not respond" in capfd.readouterr().err


def test_tracking_waits_for_a_slow_job(server: Folder, capfd: pytest.CaptureFixture, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.5)
    with tracking(server.root) as track:
        time.sleep(0.7)
        track(EXAMPLE)
    assert Client.calls[-1][0] == "set_terminated" and capfd.readouterr().err == ""


def test_tracking_says_that_the_extra_is_missing(
    server: Folder, capfd: pytest.CaptureFixture, monkeypatch: Any
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    log(server, EXAMPLE)
    assert "it needs the extra `mlflow`, as in `uv sync --extra mlflow`" in capfd.readouterr().err


@pytest.mark.parametrize(("name", "value"), [("MLFLOW_TRACKING_URI", ""), ("DAYBOOK_RUN_ID", "1")])
def test_tracking_is_off(server: Folder, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert log(server, EXAMPLE) == []


def test_tracking_ends_what_an_interrupted_command_has_made(server: Folder) -> None:
    with pytest.raises(KeyboardInterrupt), tracking(server.root) as track:
        track(EXAMPLE)
        raise KeyboardInterrupt
    assert Client.calls[-1][0] == "set_terminated" and json.loads(server.read(f"{EXAMPLE.path}/run.json")) == {}


def test_tracking_goes_on_after_a_run_that_is_refused(server: Folder, capfd: pytest.CaptureFixture) -> None:
    runs = [replace(EXAMPLE, id=f"2024010{day}T000000-01234567", metrics={"f1 (macro)": day}) for day in (1, 2, 3)]
    batches = iter([None, RuntimeError("refused"), None])

    def fails(name: str) -> None:
        if name == "log_batch" and (error := next(batches)):
            raise error

    Client.fails = staticmethod(fails)
    calls = log(server, *runs)
    names = [metric[0] for call in calls if call[0] == "log_batch" for metric in call[2]]
    assert names == ["f1 _macro_"] * 2 and len([call for call in calls if call[0] == "set_terminated"]) == 3
    assert "1 of 3 runs were not logged" in capfd.readouterr().err
