"""Runs on a real MLflow server: what a team sees there, and what happens when the server is gone."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from helpers import Project, free_port, wait_for
from probes import Probe

pytestmark = pytest.mark.long
RECORD = (
    "from daybook.runs import record\nrecord(twice=2 * number, model='demand:ab12', data='d4', summary='It is twice.')"
)
LOOK = """
import json
from mlflow import MlflowClient
client = MlflowClient()
experiment = client.get_experiment_by_name("probe")
runs = [
    {"status": run.info.status, "tags": run.data.tags, "params": run.data.params, "metrics": run.data.metrics,
     "id": run.info.run_id, "files": sorted(file.path for file in client.list_artifacts(run.info.run_id))}
    for run in (client.search_runs([experiment.experiment_id]) if experiment else ())
]
print(json.dumps(runs))
"""


@pytest.fixture(scope="module")
def tracked(project: Project) -> None:
    """The project with MLflow's client, and Optuna."""
    sync = [sys.executable, "-m", "uv", "sync", "--quiet", "--extra", "mlflow", "--python", sys.executable]
    subprocess.run(sync, cwd=project.root, env=project.settings, check=True)


@pytest.fixture
def server(tracked: None, project: Project, tmp_path: Path) -> Iterator[str]:
    """The address of a server, which ends with the test."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    store = [
        "--backend-store-uri",
        f"sqlite:///{tmp_path}/mlflow.db",
        "--artifacts-destination",
        str(tmp_path / "store"),
    ]
    command = [sys.executable, "-m", "uv", "tool", "run", "--from", "mlflow>=3.17,<4", "mlflow", "server", *store]
    subprocess.run([*command[:8], "--version"], env=project.settings, check=True, timeout=600)  # it is installed now
    with (tmp_path / "mlflow.log").open("wb") as output:
        command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        process = subprocess.Popen(command, cwd=tmp_path, env=project.settings, stdout=output, stderr=output)
        family = [psutil.Process(process.pid)]
        try:
            wait_for(f"{url}/health", process, tmp_path / "mlflow.log")
            yield url
        finally:
            for one in [*family[0].children(recursive=True), *family]:
                one.kill()
            process.wait(30)


def test_sweep_is_seen_on_a_server(probe: Probe, server: str) -> None:
    settings = {"MLFLOW_TRACKING_URI": server}
    probe.write(RECORD, "if number == 3:\n    raise ValueError('three')")
    said = probe.daybook("sweep probe -p number=1,2,3 --minimize twice", code=1, **settings)
    assert "2 of 3 runs done" in said and "MLflow" not in said
    rows = json.loads(probe.project.python(LOOK, **settings).splitlines()[-1])
    parents = [row for row in rows if "mlflow.parentRunId" not in row["tags"]]
    assert len(rows) == 4 and len(parents) == 1 and parents[0]["files"] == ["report.html"]
    runs = {run["id"]: run for run in probe.runs()}
    for row in rows:
        if row is parents[0]:
            continue
        run = runs.pop(row["tags"]["daybook.run"])
        assert row["status"] == ("FAILED" if run["status"] == "failed" else "FINISHED")
        assert row["params"] == {"number": str(run["parameters"]["number"])} and row["metrics"] == run["metrics"]
        assert row["tags"]["mlflow.parentRunId"] == parents[0]["id"] and row["files"] == ["report.html", "run.json"]
        assert row["tags"]["daybook.model"] == "demand:ab12" and row["tags"]["daybook.data"] == "d4"
    assert not runs
    probe.daybook("sweep probe -p number=1,2", **settings)
    assert len(json.loads(probe.project.python(LOOK, **settings).splitlines()[-1])) == 4, "they are there already"
    probe.daybook("run probe -p number=7", **settings)
    assert len(json.loads(probe.project.python(LOOK, **settings).splitlines()[-1])) == 5


def test_server_that_is_gone_costs_seconds_and_a_line(probe: Probe, tracked: None) -> None:
    probe.write(RECORD)
    began = time.monotonic()
    said = probe.daybook("run probe", MLFLOW_TRACKING_URI=f"http://ann:sword-fish@127.0.0.1:{free_port()}")
    assert time.monotonic() - began < 60, "most of it is imports"
    assert "1 of 1 runs were not logged to MLflow at 127.0.0.1: it does not respond" in said
    assert "sword-fish" not in said and "Traceback" not in said and "It is twice." in said
    assert [run["status"] for run in probe.runs()] == ["done"]


def test_trials_go_on_with_optuna(probe: Probe, tracked: None) -> None:
    probe.write("from daybook.runs import record\nrecord(error=abs(number - 70), size=number)")
    assert "4 of 4 runs done" in probe.daybook("sweep probe -p number=1..90 --trials 4 --workers 2")
    said = probe.daybook("sweep probe -p number=1..90 --trials 6 --minimize error --minimize size")
    assert "6 of 6 runs done, 4 of them before" in said and "the front of error and size first" in said
    assert len({run["parameters"]["number"] for run in probe.runs()}) == 6
