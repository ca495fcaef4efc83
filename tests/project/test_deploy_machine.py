"""The deployment page's commands for one machine, as they are written, in a Docker engine."""

import json
import os
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from containers import BASE, Containers
from deployment import compose_services
from engine import docker_engine
from helpers import Project, train
from pages import blocks_of, commands, inline
from traffic import ROW

PAGE = "deployment.md"
IMAGE = "registry.example.com/team/bike-demand"
ROWS, JSON = json.dumps({"rows": [ROW]}), "-H 'Content-Type: application/json'"
COMPOSE = ["docker", "compose", "-f", "deploy/compose.yaml"]
pytestmark = pytest.mark.long


@dataclass
class Machine:
    """A project beside a Docker engine, and a person who types there."""

    project: Project
    engine: Containers
    settings: dict[str, str]

    def type(self, text: str, code: int = 0) -> str:
        """What a shell prints for a text of a page, in the project's folder; checks the exit code."""
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", text],
            cwd=self.project.root,
            env=self.project.settings | self.settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
        )
        if done.returncode != code:
            logs = self.engine.run(*COMPOSE[:2], "--project-name", "bike-demand", "logs", "--tail", "5")
            pytest.fail(f"{text} exited with {done.returncode}:\n{done.stdout}\n{logs}")
        return done.stdout


@pytest.fixture(scope="module")
def machine(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """One that has the images of the page's commands, and secrets in deploy/.env; its services are not up."""
    home = tmp_path_factory.mktemp("home")
    services = compose_services(project.root / "deploy")
    others = [services[name]["image"] for name in ("proxy", "prometheus", "grafana")]
    file = (project.root / "deploy" / "jobs.Dockerfile").read_text(encoding="utf-8")
    bases = {BASE, *re.findall(r"^ARG BASE=(.*)$", file, re.MULTILINE)}
    with docker_engine(sorted(bases), others) as engine:
        train(project)
        machine = Machine(project, engine, engine.settings | {"CURL_HOME": str(home), "SERVICE_API_KEY": "s3cret"})
        [images] = commands(PAGE, "Images")
        machine.type(images)
        [settings] = blocks_of(PAGE, "text", "One machine")
        (project.root / "deploy" / ".env").write_text(settings.replace("...", "s3cret"), encoding="utf-8")
        try:
            yield machine
        finally:
            machine.type(f"{' '.join(COMPOSE)} down --volumes --timeout 1")
            (project.root / "deploy" / ".env").unlink()


def certify(machine: Machine, name: str = "demand.example.com") -> None:
    """Put a certificate where the page says, and have curl look for that name on this machine."""
    authority, tls = trustme.CA(), machine.project.root / "deploy" / "tls"
    tls.mkdir(exist_ok=True)
    certificate = authority.issue_cert(name)
    certificate.private_key_pem.write_to_path(tls / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tls / "certificate.pem")
    for path in tls.iterdir():
        os.chown(path, 1034, 1034)
    home = Path(machine.settings["CURL_HOME"])
    authority.cert_pem.write_to_path(home / "authority.pem")
    lines = f'resolve = "{name}:443:127.0.0.1"\ncacert = "{home}/authority.pem"\nsilent\nshow-error\n'
    (home / ".curlrc").write_text(lines, encoding="utf-8")


def page_at(address: str) -> str:
    """What a server of this machine says."""
    with urllib.request.urlopen(f"http://127.0.0.1:{address}", timeout=10) as response:
        return response.read().decode()


def test_images_are_built_beside_nothing_else(machine: Machine) -> None:
    assert not machine.project.status(), "the commands leave nothing in the project"


def test_services_come_up_and_see_each_other(machine: Machine) -> None:
    [up] = commands(PAGE, "One machine")
    machine.type(up)
    assert page_at("3000/readyz") == "\n"
    give_up = time.monotonic() + 60
    while '"health":"up"' not in (targets := page_at("9090/api/v1/targets")):
        assert time.monotonic() < give_up, targets
        time.sleep(1)
    rules = json.loads(page_at("9090/api/v1/rules"))["data"]["groups"][0]["rules"]
    assert "LogNotShipped" in {rule["name"] for rule in rules}
    assert "http://prometheus:9090" in page_at("3001/provisioned/datasources/prometheus.yaml")
    assert json.loads(page_at("3001/dashboards/service.json"))["panels"]


def test_prediction_comes_through_the_proxy_and_is_found_in_the_log(machine: Machine) -> None:
    [up] = commands(PAGE, "One machine")
    with (machine.project.root / "deploy" / ".env").open("a", encoding="utf-8") as settings:
        settings.write("COMPOSE_PROFILES=proxy\n")
    assert "proxy" in machine.type(up, code=1), "without a certificate it does not come up"
    certify(machine)
    machine.type(up)
    request = machine.project.root / "request.json"
    request.write_text(ROWS, encoding="utf-8")
    ask, _, look = commands(PAGE, "Check it with one prediction")
    assert len(json.loads(machine.type(ask))["predictions"]) == 1
    [line] = machine.type(look).splitlines()
    assert json.loads(line)["id"] == "look-1" and json.loads(line)["status"] == 200
    certify(machine)
    assert "certificate" in machine.type(ask, code=60), "it still has the old certificate"
    machine.type(inline(PAGE, "docker compose -f deploy/compose.yaml restart proxy"))
    machine.type(up + ask)
    request.unlink()


def test_another_image_takes_the_log_over_and_it_is_compacted(machine: Machine) -> None:
    [up] = commands(PAGE, "One machine")
    settings = machine.project.root / "deploy" / ".env"
    text = settings.read_text(encoding="utf-8")
    machine.type(f"{up}curl 127.0.0.1:3000/predict -d '{ROWS}' -H 'Authorization: Bearer s3cret' {JSON}")
    machine.engine.run("docker", "tag", f"{IMAGE}:1", f"{IMAGE}:0")
    settings.write_text(text.replace(f"{IMAGE}:1", f"{IMAGE}:0"), encoding="utf-8")
    machine.type(up)
    images = machine.type(f"{' '.join(COMPOSE)} images service")
    assert re.search(r"bike-demand +0 ", images), images
    give_up = time.monotonic() + 30
    while not re.search(r"predictions +[1-9]", said := machine.type(f"{' '.join(COMPOSE)} logs compact")):
        assert time.monotonic() < give_up, said
        time.sleep(1)
