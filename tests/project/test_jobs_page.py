"""The commands of the page about jobs, as they are written, on a part of the sample."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from helpers import Project, free_port, last_run, object_store
from template import ROOT

pytestmark = pytest.mark.long
PREPARE = """
import sys
import pandas as pd
import s3fs
from bike_demand.data import contract
frame = pd.read_parquet("data/sample.parquet")
frame.head(3000).to_parquet("data/sample.parquet")
later = frame.iloc[3000:3168].drop(columns=contract.label.alias)
later.to_csv("next_week.csv", index=False)
files = s3fs.S3FileSystem()
files.mkdir("bucket")
for number, part in enumerate((later.head(80), later.tail(88))):
    part.to_parquet("part.parquet")
    files.put_file("part.parquet", f"bucket/orders/{number}.parquet")
"""


@pytest.fixture
def person(project: Project, extras: None, tmp_path: Path) -> Iterator[Project]:
    """Somebody in a project with a small sample, beside an object store and a Dask cluster."""
    with ExitStack() as stack:
        project.settings |= stack.enter_context(object_store(tmp_path))
        address = f"tcp://127.0.0.1:{free_port()}"
        for words in (["scheduler", "--host", address], ["worker", address, "--nthreads", "1"]):
            command = [project.commands / "dask", *words, "--no-dashboard"]
            settings = project.settings | {"TMPDIR": str(tmp_path)}
            output = stack.enter_context((tmp_path / f"{words[0]}.log").open("wb"))
            process = subprocess.Popen(command, cwd=project.root, env=settings, stdout=output, stderr=output)
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
        project.python(PREPARE)
        (project.root / "january.yaml").write_text("max_iter: 5\n")
        (project.root / "grid.yaml").write_text("max_depth: [4, 8]\n")
        yield Project(project.root, project.commands, project.settings | {"CLUSTER": address})
    project.git("checkout", "--quiet", ".")
    project.git("clean", "--quiet", "--force", "-d")


def test_page_about_jobs_is_typed(person: Project) -> None:
    text = (ROOT / "docs" / "jobs.md").read_text(encoding="utf-8")
    lines = re.findall(r"^    ((?:export|daybook) .*)", text, re.MULTILINE)
    lines = [line for line in lines if "MLFLOW" not in line]  # test_jobs_mlflow.py has a server
    assert len(lines) >= 25
    person.run("daybook", "run", "train", "-p", "max_iter=5")
    person.run("daybook", "run", "promote", "-p", "candidate=latest", "-p", "reason=trial")
    exports = ""
    for line in lines:
        if line.startswith("export"):
            exports += f"{line}\n"
            continue
        id = last_run(person, "train")[1]["id"].rpartition("-")[2]
        typed = line.replace("48d19b04", id).replace("tcp://10.0.0.1:8786", person.settings["CLUSTER"])
        done = subprocess.run(
            ["bash", "-c", exports + typed], cwd=person.root, env=person.settings, capture_output=True, text=True
        )
        is_alert = done.returncode == 3 and "ALERT" in done.stdout + done.stderr
        assert done.returncode == 0 or is_alert, f"{typed} exited with {done.returncode}:\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
    assert (person.root / "forecast.parquet").exists() and (person.root / "runs" / "index.html").exists()
