"""What is under deploy/, as objects."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml


def tool(name: str, package: str) -> str:
    """The path of a program; skips the test where there is none."""
    return shutil.which(name) or pytest.skip(f"there is no {name} on the PATH, which {package} has")


def manifests(deploy: Path) -> dict[str, Any]:
    """The Kubernetes objects by their kinds, of which there is one each; of the job's policy, "JobPolicy"."""
    objects = list(yaml.safe_load_all((deploy / "kubernetes.yaml").read_text(encoding="utf-8")))
    found = {each["kind"]: each for each in objects if not is_policy_of_the_job(each)}
    [policy] = filter(is_policy_of_the_job, objects)
    assert len(found) == len(objects) - 1
    return found | {"JobPolicy": policy}


def is_policy_of_the_job(manifest: dict[str, Any]) -> bool:
    """Whether it says what the job may reach."""
    return manifest["kind"] == "NetworkPolicy" and manifest["metadata"]["name"].endswith("-compact")


def pods(found: dict[str, Any]) -> dict[str, Any]:
    """The pods of the Deployment and the CronJob, metadata and spec."""
    job = found["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]
    return {"service": found["Deployment"]["spec"]["template"], "compact": job}


def compose_services(deploy: Path) -> dict[str, Any]:
    """The services of compose.yaml."""
    return yaml.safe_load((deploy / "compose.yaml").read_text(encoding="utf-8"))["services"]


def nginx_config(deploy: Path) -> str:
    """The proxy's configuration, as nginx reads it."""
    return compose_services(deploy)["proxy"]["environment"]["CONFIG"].replace("$$", "$")


def scrape_config(deploy: Path) -> dict[str, Any]:
    """Prometheus' configuration, which compose.yaml contains."""
    return yaml.safe_load(compose_services(deploy)["prometheus"]["environment"]["CONFIG"])


def rules(deploy: Path) -> list[dict[str, Any]]:
    """The alerts."""
    [group] = yaml.safe_load((deploy / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    return group["rules"]


def expressions(deploy: Path) -> list[str]:
    """The queries of the dashboard's panels."""
    board = json.loads((deploy / "grafana.json").read_text(encoding="utf-8"))
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]
