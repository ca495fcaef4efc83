"""What is under deploy/: accepted by the schemas and the tools it is written for, and true of the running service."""

import contextlib
import dataclasses
import http.client
import itertools
import json
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Project, Service, free_port, serve, wait_for
from kubernetes_validate import validate
from kubernetes_validate.utils import all_versions
from template import ROOT, bake
from test_log import ROW, call, lines, metric

LONG = "a.name_of-forty.letters_and-dots.in.it00"


@pytest.fixture(scope="module", params=[{}, {"accelerator": "nvidia", "project": LONG}], ids=["default", "nvidia"])
def deploy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder deploy/ of a fresh project."""
    return bake(tmp_path_factory.mktemp("deploy"), **request.param) / "deploy"


def tool(name: str, package: str) -> str:
    """The path of a program; skips the test where there is none."""
    return shutil.which(name) or pytest.skip(f"there is no {name} on the PATH, which {package} has")


def manifests(deploy: Path) -> dict[str, Any]:
    """The Kubernetes objects by their kinds, of which there is one each."""
    objects = list(yaml.safe_load_all((deploy / "kubernetes.yaml").read_text(encoding="utf-8")))
    found = {each["kind"]: each for each in objects}
    assert len(found) == len(objects)
    return found


def pods(found: dict[str, Any]) -> dict[str, Any]:
    """The pods that the Deployment and the CronJob make, metadata and spec."""
    job = found["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]
    return {"service": found["Deployment"]["spec"]["template"], "iolog": job}


def test_kubernetes_accepts_the_manifests(deploy: Path) -> None:
    versions = {version for version in all_versions() if int(version.split(".")[1]) >= 30}  # the first to sleep
    assert len(versions) > 1
    for version, each in itertools.product(versions, manifests(deploy).values()):
        validate(each, version, strict=True)
        name = each["metadata"]["name"]
        assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name) and len(name) <= 52, name


def test_the_manifests_agree_with_each_other(deploy: Path) -> None:
    found, nvidia = manifests(deploy), deploy.parent.name == LONG
    spec, both = found["Deployment"]["spec"], pods(found)
    labels = both["service"]["metadata"]["labels"]
    budget, policy = found["PodDisruptionBudget"]["spec"], found["NetworkPolicy"]["spec"]
    [spread] = both["service"]["spec"]["topologySpreadConstraints"]
    for selector in (spec["selector"], budget["selector"], policy["podSelector"], spread["labelSelector"]):
        assert selector == {"matchLabels": labels}
    assert found["Service"]["spec"]["selector"] == labels
    assert both["iolog"]["metadata"]["labels"] != labels, "the job would get requests"
    assert budget["maxUnavailable"] == 1 < spec["replicas"], "a node can be drained, and somebody answers meanwhile"
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}

    [service], [job] = (both[name]["spec"]["containers"] for name in ("service", "iolog"))
    [port] = service["ports"]
    assert policy["ingress"] == [{"ports": [{"port": port["name"]}]}] and "egress" not in policy
    assert found["Service"]["spec"]["ports"][0]["targetPort"] == port["name"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert service[probe]["httpGet"]["port"] == port["name"]
    assert service["startupProbe"]["periodSeconds"] * service["startupProbe"]["failureThreshold"] >= 120
    stop = service["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert both["service"]["spec"]["terminationGracePeriodSeconds"] >= stop + 2 * 60, "less than SERVICE_TIMEOUT allows"
    assert service["resources"]["limits"].get("nvidia.com/gpu") == (1 if nvidia else None)
    assert ("tolerations" in both["service"]["spec"]) is nvidia

    name, claim = found["Service"]["metadata"]["name"], found["PersistentVolumeClaim"]["metadata"]["name"]
    secrets = {entry["valueFrom"]["secretKeyRef"]["name"] for entry in service["env"] if "valueFrom" in entry}
    assert secrets == {name} and job["envFrom"] == [{"secretRef": {"name": f"{name}-store"}}]
    for pod, container in ((both["service"], service), (both["iolog"], job)):
        own = pod["spec"]
        assert own["automountServiceAccountToken"] is False
        assert own["securityContext"] == both["service"]["spec"]["securityContext"], "they share files"
        assert own["securityContext"]["runAsNonRoot"] and own["securityContext"]["runAsUser"] >= 1000
        assert own["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        volumes = {volume.pop("name"): volume for volume in own["volumes"]}
        assert volumes == {"iolog": {"persistentVolumeClaim": {"claimName": claim}}, "tmp": {"emptyDir": {}}}
        places = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert {"name": "IOLOG_DIR", "value": places["iolog"]} in container["env"] and places["tmp"] == "/tmp"


def test_the_page_fits_the_files(tmp_path: Path) -> None:
    page, project = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8"), bake(tmp_path)
    found = manifests(project / "deploy")
    [monitor] = map(yaml.safe_load, re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL))
    service, [endpoint] = found["Service"], monitor["spec"]["endpoints"]
    assert monitor["spec"]["selector"]["matchLabels"] == service["metadata"]["labels"]
    assert endpoint["port"] == service["spec"]["ports"][0]["name"]
    [key] = [
        entry
        for entry in found["Deployment"]["spec"]["template"]["spec"]["containers"][0]["env"]
        if entry["name"] == "SERVICE_API_KEY"
    ]
    assert endpoint["authorization"]["credentials"] == key["valueFrom"]["secretKeyRef"]
    [scrape] = yaml.safe_load((project / "deploy" / "prometheus.yaml").read_text(encoding="utf-8"))["scrape_configs"]
    [mine], [theirs] = scrape["metric_relabel_configs"], endpoint["metricRelabelings"]
    assert mine == {re.sub("[A-Z]", lambda capital: f"_{capital[0].lower()}", name): it for name, it in theirs.items()}
    look, convert = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    subprocess.run(["bash", "-e", "-c", convert], cwd=project, check=True)
    rules = yaml.safe_load((project / "rules.yaml").read_text(encoding="utf-8"))
    assert rules["kind"] == "PrometheusRule"
    assert rules["spec"] == yaml.safe_load((project / "deploy" / "alerts.yaml").read_text(encoding="utf-8"))
    tool("kubectl", "Kubernetes")
    subprocess.run(["bash", "-e", "-c", look], cwd=project, check=True)


def test_kustomize_sets_images_and_storage(deploy: Path) -> None:
    kubectl = tool("kubectl", "Kubernetes")
    path = deploy / "kustomization.yaml"
    text = path.read_text(encoding="utf-8")
    text = text.replace("newName: registry.example.com/", "newName: registry.example.com/team/")
    path.write_text(text.replace("newTag: latest", "newTag: v7"), encoding="utf-8")
    built = subprocess.run([kubectl, "kustomize", deploy], capture_output=True, text=True, check=True).stdout
    found = {each["kind"]: each for each in yaml.safe_load_all(built)}
    images = {name: pod["spec"]["containers"][0]["image"] for name, pod in pods(found).items()}
    image = f"registry.example.com/team/{deploy.parent.name}"
    assert images == {"service": f"{image}:v7", "iolog": f"{image}-jobs:v7"}
    claim = found["PersistentVolumeClaim"]["spec"]
    assert claim["accessModes"] == ["ReadWriteMany"] and claim["storageClassName"] == "shared"


def test_compose_accepts_the_file(deploy: Path) -> None:
    path = deploy / "compose.yaml"
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", path]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    found, nvidia = yaml.safe_load(path.read_text(encoding="utf-8")), deploy.parent.name == LONG
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*", found["name"]), "compose has no dots in names"
    services, image = found["services"], f"${{IMAGE:-registry.example.com/{deploy.parent.name}}}"
    tag = "${TAG:-latest}"
    assert services["service"]["image"] == f"{image}:{tag}" and services["iolog"]["image"] == f"{image}-jobs:{tag}"
    assert ("reservations" in services["service"]["deploy"]["resources"]) is nvidia
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            assert (deploy / source).is_file() if source.startswith(".") else source in found["volumes"]
    for name in ("service", "iolog"):
        assert services[name]["read_only"] and services[name]["cap_drop"] == ["ALL"]
        assert f"iolog:{services[name]['environment']['IOLOG_DIR']}" in services[name]["volumes"]
    [scrape] = yaml.safe_load((deploy / "prometheus.yaml").read_text(encoding="utf-8"))["scrape_configs"]
    [secret] = services["prometheus"]["secrets"]
    assert scrape["authorization"] == {"credentials_file": f"/run/secrets/{secret}"}
    assert scrape["static_configs"] == [{"targets": ["service:3000"]}]


def nothing_else_writable(project: Project, folder: Path, *writable: Path) -> Project:
    """The project with commands that run as in the container: no capabilities, and all but some folders read-only."""
    if (
        shutil.which("setpriv") is None
        or subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode
    ):
        pytest.skip("nobody here may make a mount namespace")
    temporary = folder / "tmp"
    temporary.mkdir()
    binds = "".join(f"mount --bind '{path}' '{path}'\n" for path in (*writable, temporary))
    for name in ("bentoml", "job", "touch"):
        real = project.commands / name if (project.commands / name).exists() else shutil.which(name)
        script = f"{binds}mount -o remount,bind,ro /\nexec setpriv --bounding-set -all --no-new-privs '{real}' \"$@\"\n"
        (folder / f"{name}.sh").write_text(script)
        (folder / name).write_text(f"#!/bin/sh\nexec unshare --mount sh -e '{folder}/{name}.sh' \"$@\"\n")
        (folder / name).chmod(0o755)
    settings = project.settings | {"TMPDIR": str(temporary), "HOME": str(temporary), "BENTOML_CONTAINERIZED": "true"}
    inside = dataclasses.replace(project, commands=folder, settings=settings)
    if subprocess.run([folder / "touch", project.root / "x"], capture_output=True).returncode == 0:
        pytest.skip("the project lies on a file system of its own, which stays writable")
    return inside


def test_service_and_job_write_to_the_log_and_tmp_alone(project: Project, trained: str, tmp_path: Path) -> None:
    log = tmp_path / "iolog"
    log.mkdir()
    inside = nothing_else_writable(project, tmp_path, log)
    with serve(inside, folder=project.root, IOLOG_DIR=str(log)) as service:
        assert call(service.url, {"rows": [ROW]})[0] == 200
        assert metric(service, "iolog_written_total") == 1
    inside.run("job", "run", "iolog", "--runs", str(tmp_path / "tmp" / "runs"), IOLOG_DIR=str(log))
    assert list(log.glob("predictions/*/*/*.parquet")) and not list(log.glob("raw/*/*"))


def test_what_is_in_flight_is_answered_and_nothing_new_is_taken(
    project: Project, trained: str, edited: Callable[[str, str, str], None], tmp_path: Path
) -> None:
    log, predict = tmp_path / "iolog", "predictions = self.predict_columns("
    edited("bike_demand/service.py", predict, f"import asyncio; await asyncio.sleep(len(rows))\n        {predict}")
    with serve(project, folder=project.root, IOLOG_DIR=str(log)) as service, ThreadPoolExecutor() as clients:
        slow = [
            clients.submit(call, service.url, {"rows": [ROW] * rows}, **{"X-Request-ID": f"slow-{rows}"})
            for rows in (3, 4, 5)
        ]
        give_up = time.monotonic() + 30
        while in_flight(service) < 3:
            assert time.monotonic() < give_up, "the requests do not arrive"
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        with pytest.raises((OSError, http.client.HTTPException)):  # which is why Kubernetes waits in preStop
            urllib.request.urlopen(f"{service.url}/livez", timeout=60)
        assert [request.result()[0] for request in slow] == [200, 200, 200]
        assert service.process.wait(60) == 0
    assert {record["id"]: record["status"] for record in lines(log)} == dict.fromkeys(
        ("slow-3", "slow-4", "slow-5"), 200
    )


def in_flight(service: Service) -> float:
    """Requests to /predict that have no answer yet."""
    with urllib.request.urlopen(f"{service.url}/metrics") as response:
        text = response.read().decode()
    found = re.findall(r'^bentoml_service_request_in_progress\{endpoint="/predict".*\} (.*)$', text, re.MULTILINE)
    return sum(map(float, found))


def rules(deploy: Path) -> list[dict[str, Any]]:
    """The alerts."""
    [group] = yaml.safe_load((deploy / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    return group["rules"]


def requests(status: int, endpoint: str = "/predict") -> str:
    """A series of BentoML's counter."""
    return f'bentoml_service_request_total{{endpoint="{endpoint}",http_response_code="{status}"}}'


def took(seconds: str) -> str:
    """A series of BentoML's histogram."""
    return f'bentoml_service_request_duration_seconds_bucket{{endpoint="/predict",le="{seconds}"}}'


WRITTEN, FAILED, SAMPLED_OUT = (f"iolog_{what}_total{{}}" for what in ("written", "failed", "sampled_out"))
WELL = {
    "up{}": "1x60",
    requests(200): "0+600x60",
    requests(500): "0x60",
    WRITTEN: "0+600x60",
    FAILED: "0x60",
    SAMPLED_OUT: "0x60",
    took("1.0"): "0+600x60",
    took("2.5"): "0+600x60",
    took("+Inf"): "0+600x60",
}
YOUNG = {name: f"_x20 {values}" for name, values in WELL.items()}
TARGET, ALL = {"job": "bike-demand", "instance": "a:3000"}, {}


@pytest.mark.parametrize(
    ("world", "minute", "fire"),
    [
        ({}, 30, {}),
        ({requests(400): "0+60x60", WRITTEN: "0+660x60"}, 30, {}),
        ({FAILED: "0x20 1x40"}, 20, {}),
        ({FAILED: "0x20 1x40"}, 22, {"RecordFailed": TARGET}),
        ({FAILED: "0x20 1x40"}, 40, {}),
        (YOUNG | {FAILED: "_x20 3x40"}, 22, {"RecordFailed": TARGET}),
        (YOUNG | {FAILED: "_x20 3x40"}, 40, {}),
        ({FAILED: "0+600x60", WRITTEN: "0x60"}, 30, {"RecordFailed": TARGET}),
        ({WRITTEN: "0+599x60"}, 1, {}),
        ({WRITTEN: "0+599x60"}, 30, {"AnswerWithoutRecord": {"instance": "a:3000"}}),
        ({WRITTEN: None, FAILED: None, SAMPLED_OUT: None}, 30, {"AnswerWithoutRecord": {"instance": "a:3000"}}),
        ({WRITTEN: "0+150x60", SAMPLED_OUT: "0+450x60"}, 30, {}),
        ({requests(401): "0+60x60", requests(405): "0+60x60"}, 30, {}),
        ({requests(200, "/actuals"): "0+1x60"}, 30, {"AnswerWithoutRecord": {"instance": "a:3000"}}),
        ({"up{}": "1x20 0x40"}, 21, {}),
        ({"up{}": "1x20 0x40"}, 23, {"ServiceDown": TARGET}),
        (dict.fromkeys(WELL), 30, {"ServiceDown": {"job": "bike-demand"}}),
        ({requests(500): "0+3x60", WRITTEN: "0+603x60"}, 30, {}),
        ({requests(500): "0+12x60", WRITTEN: "0+612x60"}, 30, {"ErrorShareHigh": ALL}),
        ({requests(503): "0x20 0+60x5 300x40", WRITTEN: "0+660x60"}, 40, {}),
        ({took("1.0"): "0+597x60"}, 30, {}),
        ({took("1.0"): "0+588x60"}, 8, {}),
        ({took("1.0"): "0+588x60"}, 30, {"LatencyHigh": ALL}),
    ],
)
def test_alerts_fire_when_they_should(
    project: Project, world: dict, minute: int, fire: dict[str, dict], tmp_path: Path
) -> None:
    promtool, deploy = tool("promtool", "Debian's prometheus"), project.root / "deploy"
    target = 'job="bike-demand",instance="a:3000"'
    series = [
        {"series": re.sub(r",?}", f",{target}}}", name).replace("{,", "{"), "values": values}
        for name, values in (WELL | world).items()
        if values
    ]
    expected = [
        {
            "eval_time": f"{minute}m",
            "alertname": rule["alert"],
            "exp_alerts": [
                {"exp_labels": labels | rule["labels"], "exp_annotations": rule["annotations"]}
                for alert, labels in fire.items()
                if alert == rule["alert"]
            ],
        }
        for rule in rules(deploy)
    ]
    assert fire.keys() <= {rule["alert"] for rule in rules(deploy)}
    test = {"interval": "1m", "input_series": series, "alert_rule_test": expected}
    content = {"rule_files": [str(deploy / "alerts.yaml")], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(content))
    for words in (("check", "rules", deploy / "alerts.yaml"), ("test", "rules", tmp_path / "test.yaml")):
        done = subprocess.run([promtool, *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def expressions(deploy: Path) -> list[str]:
    """What the dashboard's panels ask Prometheus for."""
    board = json.loads((deploy / "grafana.json").read_text(encoding="utf-8"))
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def test_the_dashboard_holds_together(deploy: Path) -> None:
    board = json.loads((deploy / "grafana.json").read_text(encoding="utf-8"))
    panels, [variable] = board["panels"], board["templating"]["list"]
    assert (variable["type"], variable["query"]) == ("datasource", "prometheus")
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        assert panel["datasource"] == {"type": "prometheus", "uid": f"${{{variable['name']}}}"}
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0
        at = panel["gridPos"]
        cells = set(itertools.product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])))
        assert not cells & taken and max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
    [scrape] = yaml.safe_load((deploy / "prometheus.yaml").read_text(encoding="utf-8"))["scrape_configs"]
    everywhere = expressions(deploy) + [rule["expr"] for rule in rules(deploy)]
    for selector in re.findall(r"\w+\{[^}]*\}", " ".join(everywhere)):
        assert f'job="{scrape["job_name"]}"' in selector


@contextlib.contextmanager
def prometheus(config: Path) -> Iterator[Callable[[str], dict]]:
    """A running Prometheus; yields what asks its API."""
    port = free_port()
    command = [tool("prometheus", "Debian's prometheus"), f"--config.file={config}", "--log.level=warn"]
    command += [f"--storage.tsdb.path={config.parent / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}"]

    def ask(path: str, **query: str) -> Any:
        url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url) as response:
            return json.load(response)["data"]

    with (config.parent / "prometheus.log").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            wait_for(f"http://127.0.0.1:{port}/-/ready")
            yield ask
        finally:
            process.terminate()
            process.wait(30)


def test_prometheus_reads_the_service_and_finds_all_that_is_asked_for(
    project: Project, trained: str, tmp_path: Path
) -> None:
    tool("prometheus", "Debian's prometheus")
    deploy, key, secret = project.root / "deploy", {"Authorization": "Bearer s3cret"}, tmp_path / "api_key"
    secret.write_text("s3cret")
    shutil.copy(deploy / "alerts.yaml", tmp_path)
    config = yaml.safe_load((deploy / "prometheus.yaml").read_text(encoding="utf-8"))
    [scrape] = config["scrape_configs"]
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    settings = {"SERVICE_API_KEY": "s3cret", "IOLOG_DIR": str(tmp_path / "iolog")}
    with serve(project, folder=project.root, **settings) as service:
        scrape["static_configs"] = [{"targets": [service.url.removeprefix("http://")]}]
        scrape["authorization"] = {"credentials_file": str(secret)}
        stranger = {"job_name": "without-key", "static_configs": scrape["static_configs"]}
        (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(config | {"scrape_configs": [scrape, stranger]}))
        with prometheus(tmp_path / "prometheus.yaml") as ask:

            def value(expression: str) -> list[float]:
                return [float(found["value"][1]) for found in ask("query", query=expression)["result"]]

            give_up, asked = time.monotonic() + 60, 0
            while value('count_over_time(up{job="bike-demand"}[1m]) >= 5') == []:
                assert time.monotonic() < give_up, (tmp_path / "prometheus.log").read_text()
                assert call(service.url, {"rows": [ROW]}, **key)[0] == 200
                assert call(service.url, {"rows": []}, **key)[0] == 400
                assert call(service.url, {"rows": []})[0] == 401
                with contextlib.suppress(urllib.error.HTTPError):
                    urllib.request.urlopen(f"{service.url}/made/up")
                asked += 3
                time.sleep(0.2)
            time.sleep(2)  # until the last of them have been read, too
            assert value('up{job="bike-demand"}') == [1] and value('up{job="without-key"}') == [0]
            assert value("iolog_written_total") == [asked]
            assert value('{endpoint="/made/up"}') == [], "anybody could fill Prometheus"
            for expression in expressions(deploy):
                asked_for = re.sub(r"\$__(rate_interval|range)", "30s", expression)
                numbers = value(asked_for)
                assert numbers and all(number == number for number in numbers), asked_for
            for rule in rules(deploy):
                for selector in re.findall(r"\w+\{[^}]*\}", rule["expr"]):
                    assert value(selector), selector
            [group] = ask("rules")["groups"]
            states = {rule["name"]: (rule["health"], rule["state"]) for rule in group["rules"]}
            assert states == {rule["alert"]: ("ok", "inactive") for rule in rules(deploy)}
