"""The commands of the page about jobs, as they are written, on a part of the sample."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from helpers import Project, free_port, last_run, object_store
from pages import inline, lines_of
from probes import Probe

pytestmark = pytest.mark.long
PREPARE = """
import s3fs
from bike_demand.data import contract, load
later = load("sample").iloc[3000:3168].drop(columns=contract.label.alias)
later.to_csv("next_week.csv", index=False)
files = s3fs.S3FileSystem()
files.mkdir("bucket")
for number, part in enumerate((later.head(80), later.tail(88))):
    part.to_parquet("part.parquet")
    files.put_file("part.parquet", f"bucket/orders/{number}.parquet")
"""
SHORT = """

_whole = load


def load(source=None):
    return _whole(source).head(3000)
"""
GH = """#!/bin/sh
[ "$1 $2 $4 $5 $6 $7" = "run download --name reports --dir weeks" ] && mkdir weeks && cp -r runs/train weeks
"""


def typed() -> list[str]:
    """The commands of the page, without comments; of a line for cron, its command."""
    lines = [line.removeprefix("17 * * * *  ") for line in lines_of("jobs.md")]
    return [line for line in lines if re.match(r"(export|uv|dask|gh|bentoml|/srv\S*|daybook) ", line)]


@pytest.fixture
def person(project: Project, tmp_path: Path) -> Iterator[Project]:
    """A person in a project with a small sample and all extras, beside an object store and a Dask cluster."""
    address, lines = f"tcp://127.0.0.1:{free_port()}", typed()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gh").write_text(GH)
    (tmp_path / "bin" / "gh").chmod(0o755)
    with ExitStack() as stack:
        own = stack.enter_context(object_store(tmp_path)) | {"PATH": f"{tmp_path / 'bin'}:{project.settings['PATH']}"}
        person = Project(project.root, project.commands, project.settings | own | {"CLUSTER": address})
        for line in (line for line in lines if line.startswith("uv sync ")):
            subprocess.run(line.split(), cwd=person.root, env=person.settings, check=True, capture_output=True)
        for line in (line for line in lines if line.startswith("dask ")):
            words = re.sub(r"(tcp://)?10\.0\.0\.1(:8786)?", address, line).split()
            output = stack.enter_context((tmp_path / f"{words[1]}.log").open("wb"))
            settings = person.settings | {"TMPDIR": str(tmp_path)}
            process = subprocess.Popen(words, cwd=person.root, env=settings, stdout=output, stderr=output)
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
        person.python(PREPARE)
        module = person.root / "bike_demand" / "data.py"
        module.write_text(module.read_text(encoding="utf-8") + SHORT, encoding="utf-8")
        (person.root / "january.yaml").write_text("max_iter: 5\n")
        (person.root / "grid.yaml").write_text("max_depth: [4, 8]\n")
        yield person
    project.git("checkout", "--quiet", ".")
    project.git("clean", "--quiet", "--force", "-d")


def test_page_about_jobs_is_typed(person: Project) -> None:
    person.run("daybook", "run", "train", "-p", "max_iter=5")
    person.run("daybook", "run", "promote", "-p", "candidate=latest", "-p", "reason=trial")
    lines = [line for line in typed() if not line.startswith(("dask ", "uv sync "))]
    assert len(lines) > 28
    exports = ""
    for line in lines:
        if line.startswith("export"):  # test_jobs_mlflow.py has a server
            exports += "" if "mlflow" in line else f"{line}\n"
            continue
        run = last_run(person, "train")[1]
        text = line.replace("48d19b04", run["id"].rpartition("-")[2]).replace("bike_demand:ab12", person.latest_model())
        text = text.replace("tcp://10.0.0.1:8786", person.settings["CLUSTER"]).replace(
            "/srv/bike-demand", str(person.root)
        )
        shell = ["bash", "-c", exports + text]
        elsewhere = {"BENTOML_HOME": str(person.root / "elsewhere")} if "models import" in line else {}
        settings = person.settings | elsewhere
        done = subprocess.run(shell, cwd=person.root, env=settings, capture_output=True, text=True, timeout=900)
        is_alert = done.returncode == 3 and "ALERT" in done.stdout + done.stderr
        assert done.returncode == 0 or is_alert, f"{text} exited with {done.returncode}:\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
    assert (person.root / "forecast.parquet").exists() and (person.root / "runs" / "index.html").exists()
    assert "compact done" in Path(person.settings["HOME"], "bike-demand.log").read_text()


def test_page_registers_a_kernel_for_papermill(project: Project, trained: str) -> None:
    project.type(inline("jobs.md", ".venv/bin/python -m ipykernel"))
    operator = "papermill nbs/01_train.ipynb out.ipynb -k bike-demand -p max_iter 5 -p source sample"
    project.type(f"{operator} -p end 2011-04-01 && rm out.ipynb")
    assert project.latest_model() != trained and not project.status()


def test_page_reruns_with_a_secret(probe: Probe) -> None:
    probe.write("assert token.get_secret_value() == 'open-sesame'", parameters='token: SecretStr = SecretStr("")')
    probe.daybook("run probe -p token=open-sesame")
    [run] = probe.runs()
    command = inline("jobs.md", "daybook rerun ID").replace("ID", run["id"]).replace("...", "open-sesame")
    probe.daybook(command.removeprefix("daybook "))
    assert probe.statuses() == {"done": 2}
