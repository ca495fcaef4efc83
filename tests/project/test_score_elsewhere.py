"""Parts of a table are scored on a Dask cluster, from an object store into one; tables there are adopted."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from helpers import Project, free_port, last_run, object_store

pytestmark = pytest.mark.long

TABLES = """
import s3fs, sys
from bike_demand.data import contract, load
s3fs.S3FileSystem().mkdir("bucket")
rows = load("sample").tail(400)[list(contract.fields)]
for number in range(4):
    rows.iloc[100 * number : 100 * (number + 1)].to_parquet(f"s3://bucket/weeks/{number}.parquet")
load("sample").to_csv("s3://bucket/hours.csv", index=False)
"""


@pytest.fixture
def settings(project: Project, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Settings that lead to an object store with tables, a log and models; the project has what Dask and S3 need."""
    sync = [sys.executable, "-m", "uv", "sync", "--quiet", "--extra", "s3", "--extra", "cluster"]
    subprocess.run([*sync, "--python", sys.executable], cwd=project.root, env=project.settings, check=True)
    champion = tmp_path / "champion.json"
    champion.write_text('{"model": null, "metrics": {}, "reason": "None yet."}')
    with object_store(tmp_path) as access:
        stores = {"MODEL_STORE": "s3://bucket/models", "IOLOG_STORE": "s3://bucket/iolog"}
        made = access | stores | {"CHAMPION_FILE": str(champion), "BENTOML_HOME": str(tmp_path / "bentoml")}
        project.python(TABLES, **made)
        yield made


@pytest.fixture
def scheduler(project: Project, settings: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """The address of a scheduler with two workers in the project, each with an empty store of models."""
    address = f"tcp://127.0.0.1:{free_port()}"
    with ExitStack() as stack:

        def serve(name: str, *words: str) -> None:
            output = stack.enter_context((tmp_path / f"{name}.log").open("wb"))
            command = [project.commands / "dask", *words, "--no-dashboard"]
            own = {"BENTOML_HOME": str(tmp_path / name), "TMPDIR": str(tmp_path)}
            variables = project.settings | settings | own
            process = subprocess.Popen(command, cwd=project.root, env=variables, stdout=output, stderr=output)
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)

        serve("scheduler", "scheduler", "--host", address)
        for number in range(2):
            serve(f"worker{number}", "worker", address, "--nthreads", "1", "--local-directory", str(tmp_path))
        yield address


def test_score_of_parts_on_a_cluster_and_an_object_store(
    project: Project, settings: dict[str, str], scheduler: str
) -> None:
    small = ["-p", "max_iter=5", "-p", "end=2011-04-01"]
    project.run("daybook", "run", "train", *small, **settings)
    tag = last_run(project, "train")[1]["model"]
    forced = ["-p", f"candidate={tag}", "-p", "force=true", "-p", "reason=the first"]
    project.run("daybook", "run", "promote", *forced, **settings)
    score = ["daybook", "run", "score", "-p", "source=s3://bucket/weeks", "-p", "output=s3://bucket/predictions"]
    for new in (400, 0):  # twice, which counts once
        project.run(*score, "--scheduler", scheduler, **settings)
        metrics = last_run(project, "score")[1]["metrics"]
        assert (metrics["parts"], metrics["rows"], metrics["logged"]) == (4, 400, new)
    count = "import pandas as pd, s3fs; paths = s3fs.S3FileSystem().glob('bucket/predictions/*.parquet');"
    count += "print(len(paths), sum(len(pd.read_parquet(f's3://{path}')) for path in paths))"
    assert project.python(count, **settings).split() == ["4", "400"]
    logged = (
        "from bike_demand.data import contract; from daybook.log import Log; print(len(Log(contract).predictions()))"
    )
    assert project.python(logged, **settings).split()[-1] == "400"


def test_adopt_looks_at_a_table_in_an_object_store(project: Project, settings: dict[str, str]) -> None:
    printed = project.run("daybook", "adopt", "s3://bucket/hours.csv", **settings)
    assert "windspeed" in printed and "Nothing is written yet" in printed
    project.run("daybook", "check", "s3://bucket/hours.csv", **settings)


def test_score_says_that_no_scheduler_answers(project: Project, settings: dict[str, str]) -> None:
    args = ["-p", "source=s3://bucket/weeks", "-p", "output=s3://bucket/out", "-p", "model=bike_demand:none"]
    printed = project.run("daybook", "run", "score", *args, "--scheduler", "tcp://127.0.0.1:1", code=1, **settings)
    assert "no Dask scheduler responds at tcp://127.0.0.1:1" in printed
