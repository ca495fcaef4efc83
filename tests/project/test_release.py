"""The release pipelines, run step by step up to an image in a registry."""

import contextlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import trustme
from containers import CERTIFICATES, Containers
from helpers import free_port, object_store
from pipelines import run_steps
from template import bake, environment, install

FIRST = """
import s3fs
from bike_demand.data import contract, load
from bike_demand.model import fit, predict
from daybook import champion, models

s3fs.S3FileSystem().mkdir("production")
frame = load().head(500)
estimator = fit(frame, max_iter=5)
predictions = predict(estimator, contract.arrays(frame))
tag = models.save(contract, estimator, predict, frame, predictions, metrics={"mae": 60.0})
champion.promote(tag, "the first one", {"mae": 60.0})
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


@pytest.mark.long
@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_release_pushes_images_that_answer(ci: str, containers: Containers, tmp_path: Path) -> None:
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
            code, output = run_steps(project, "release", "image" if ci == "github" else "release", home, **settings)
        finally:
            containers.run("podman", "rm", "--force", "--ignore", "service")
            for process in psutil.process_iter(["cmdline", "create_time"]):  # what a failed step leaves behind
                words = process.info["cmdline"] or []
                if "/home/bentoml/bento" in words and process.info["create_time"] > began:
                    process.kill()
        assert code == 0, output
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
    assert re.search(r"^=+ [23]\d passed", output, re.MULTILINE)
    [segment] = (project / "iolog").glob("raw/*/*.jsonl")  # closed by the container
    assert ci == "gitlab" or segment.stat().st_gid == os.getgid(), "only root could read it"
