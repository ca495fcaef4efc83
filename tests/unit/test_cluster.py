"""What a worker of a cluster refuses, and what comes home from it."""

import sys
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from daybook import cluster
from daybook.cluster import _keep, _require_same_code, _stop_signal
from daybook.files import Folder
from daybook.jobs import run_tasks
from daybook.project import DaybookError
from daybook.runs import Run, code_sha256

RUN = Run("0" * 24, "probe", "nbs/01_probe.ipynb", {}, "running", "2024-01-01")


def future(result: Any = None, error: Exception | None = None) -> Any:
    """A future that is done."""
    return SimpleNamespace(result=lambda: result, exception=lambda: error)


def test_worker_refuses_other_code(probe: Callable) -> None:
    _require_same_code(replace(RUN, code_sha256=code_sha256()))
    with pytest.raises(DaybookError, match="the worker in .*probes has other code than this project: update it"):
        _require_same_code(RUN)


def test_keep_writes_the_files_of_a_worker(probe: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    monkeypatch.setattr(Folder, "put", lambda self, path, content: order.append(path))
    files = {"run.json": replace(RUN, status="done").to_json(), "notebook.ipynb": b"", "report.html": b""}
    assert _keep(future(files), RUN, Folder.at("memory://cluster")).status == "done"
    assert order == [f"{RUN.path}/{name}" for name in ("notebook.ipynb", "report.html", "run.json")]


def test_keep_makes_a_failed_run_of_an_error() -> None:
    folder = Folder.at("memory://refused")
    run = _keep(future(error=DaybookError("the worker has other code")), RUN, folder)
    assert (run.status, run.error) == ("failed", "DaybookError: the worker has other code")
    assert Run.from_json(folder.read(f"{RUN.path}/run.json")) == run


def test_run_tasks_needs_dask_for_a_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(DaybookError, match="--scheduler needs Dask: install the extra `cluster`"):
        next(run_tasks([], Folder.at("memory://none"), scheduler="tcp://127.0.0.1:1"))


def test_connect_says_that_no_scheduler_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("timed out")

    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(Client=refuse))
    with pytest.raises(DaybookError, match="no Dask scheduler responds at tcp://127.0.0.1:1: timed out"):
        cluster.connect("tcp://127.0.0.1:1")


def test_stop_signal_is_set_without_a_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    def event(name: str) -> Any:
        return SimpleNamespace(is_set=lambda: {"set": True, "clear": False}[name])

    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(Event=event))
    assert [_stop_signal(name)() for name in ("set", "clear", "gone")] == [True, False, True]
