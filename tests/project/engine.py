"""A Docker engine of the tests' own: it pulls nothing, since images of Debian stand in for those of registries."""

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from containers import TRUST, Containers, base_archive, release_of_this_python
from deployment import tool

# What compose.yaml takes from the images of nginx, Prometheus and Grafana: programs, folders and who owns them.
# Debian has no Grafana: instead of it, a server of files shows what Grafana would have read.
STAND_IN = r"""
RUN apt-get update && apt-get install --yes --no-install-recommends curl nginx-light prometheus
RUN rm -r /var/lib/nginx && install -d /var/cache/nginx && ln -s /var/cache/nginx /var/lib/nginx
RUN install -d -o 65534 /prometheus && install -d -o 472 /var/lib/grafana && \
    mkdir -p /etc/grafana/provisioning/datasources /etc/grafana/provisioning/dashboards && \
    ln -s /tmp/provisioning /etc/grafana/provisioned && \
    printf '#!/bin/sh\nexec python -m http.server 3000 --directory /etc/grafana\n' > /run.sh && chmod +x /run.sh
"""


@contextlib.contextmanager
def docker_engine(bases: list[str], stand_ins: list[str]) -> Iterator[Containers]:
    """Start an engine that has a base and a stand-in under these names; ends with all that it has made."""
    release = release_of_this_python()
    for program in ("debootstrap", "docker", "dockerd"):
        tool(program, f"Debian's {'debootstrap' if program == 'debootstrap' else 'docker.io'}")
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        pytest.skip("docker has no command compose, which Debian 13's docker-compose adds")
    folder = Path(tempfile.mkdtemp(prefix="engine-"))
    host = f"unix://{folder}/socket"
    places = ["--data-root", folder / "data", "--exec-root", folder / "exec", "--pidfile", folder / "pid"]
    with (folder / "log").open("wb") as output:
        process = subprocess.Popen(["dockerd", *places, "--host", host], stdout=output, stderr=output)
    try:
        while subprocess.run(["docker", "--host", host, "info"], capture_output=True).returncode:
            if process.poll() is not None:
                pytest.skip(f"no Docker engine runs here: {(folder / 'log').read_text().splitlines()[-1]}")
            time.sleep(0.2)
        engine = Containers({"DOCKER_HOST": host})
        for base in bases:
            engine.run("docker", "import", *TRUST, base_archive(engine, release), base)
        context = folder / "context"
        context.mkdir()
        (context / "Dockerfile").write_text(f"FROM {bases[0]}\n{STAND_IN}")
        engine.run("docker", "build", *(f"--tag={name}" for name in stand_ins), context)
        yield engine
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(folder)
