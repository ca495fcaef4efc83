"""What is under deploy/ fits the schemas and the tools it is written for, and itself."""

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from deployment import compose_services, expressions, manifests, pods, rules, scrape_config, tool
from kubernetes_validate import validate
from kubernetes_validate.utils import all_versions
from pages import commands
from template import ROOT, bake

DIGEST = "sha256:" + 64 * "0"
LONG = "a.name_of-forty.letters_and-dots.in.it00"


@pytest.fixture(scope="module", params=[{}, {"model": "net-gpu", "project": LONG}], ids=["default", "gpu"])
def deploy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder deploy/ of a fresh project."""
    return bake(tmp_path_factory.mktemp("deploy"), **request.param) / "deploy"


def test_manifests_fit_kubernetes(deploy: Path) -> None:
    versions = {version for version in all_versions() if int(version.split(".")[1]) >= 30}  # the first to sleep
    assert len(versions) > 1
    for version, each in itertools.product(versions, manifests(deploy).values()):
        validate(each, version, strict=True)
        name = each["metadata"]["name"]
        assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name) and len(name) <= 52, name


def longest_stop() -> float:
    """Seconds that a response may take, and then its caller; bodies that are still coming get less."""
    limits = (ROOT / "{{cookiecutter.project}}" / "daybook" / "limits.py").read_text(encoding="utf-8")
    body, stop = (float(re.search(rf"{name}_seconds: float = (\d+)", limits)[1]) for name in ("body", "stop"))
    assert body <= stop
    return 60 + stop  # SERVICE_TIMEOUT


def test_manifests_agree_with_each_other(deploy: Path) -> None:
    found, is_gpu = manifests(deploy), deploy.parent.name == LONG
    spec, both = found["Deployment"]["spec"], pods(found)
    labels = both["service"]["metadata"]["labels"]
    budget, policy = found["PodDisruptionBudget"]["spec"], found["NetworkPolicy"]["spec"]
    [spread] = both["service"]["spec"]["topologySpreadConstraints"]
    for selector in (spec["selector"], budget["selector"], policy["podSelector"], spread["labelSelector"]):
        assert selector == {"matchLabels": labels}
    assert found["Service"]["spec"]["selector"] == labels
    assert both["compact"]["metadata"]["labels"] != labels, "the job would get requests"
    assert budget["maxUnavailable"] == 1 < spec["replicas"], "a node can be drained, and a replica answers meanwhile"
    surge = {"maxSurge": 0, "maxUnavailable": 1} if is_gpu else {"maxSurge": 1, "maxUnavailable": 0}
    assert spec["strategy"]["rollingUpdate"] == surge, "there may be no GPU to spare"

    [service], [job] = (both[name]["spec"]["containers"] for name in ("service", "compact"))
    [port] = service["ports"]
    assert policy["ingress"] == [{"ports": [{"port": port["name"]}]}]
    assert policy["egress"] == found["JobPolicy"]["spec"]["egress"], "shipper and job reach the same store"
    policy = found["JobPolicy"]["spec"]
    assert policy["podSelector"] == {"matchLabels": both["compact"]["metadata"]["labels"]}
    assert policy["policyTypes"] == ["Ingress", "Egress"] and "ingress" not in policy, "nothing reaches the job"
    [egress] = policy["egress"]
    assert {port["port"] for port in egress["ports"]} == {53, 443}
    assert found["Service"]["spec"]["ports"][0]["targetPort"] == port["name"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert service[probe]["httpGet"]["port"] == port["name"]
    assert service["startupProbe"]["periodSeconds"] * service["startupProbe"]["failureThreshold"] >= 120
    stop = service["lifecycle"]["preStop"]["sleep"]["seconds"]
    [ship] = both["service"]["spec"]["initContainers"]
    grace = float(ship["command"][ship["command"].index("--grace") + 1])
    assert both["service"]["spec"]["terminationGracePeriodSeconds"] >= stop + longest_stop() + grace + 5
    assert service["resources"]["limits"].get("nvidia.com/gpu") == (1 if is_gpu else None)
    assert all((key in both["service"]["spec"]) is is_gpu for key in ("tolerations", "nodeSelector"))
    assert ({"name": "SERVICE_DEVICE", "value": "cuda"} in service["env"]) is is_gpu

    name = found["Service"]["metadata"]["name"]
    secrets = {entry["valueFrom"]["secretKeyRef"]["name"] for entry in service["env"] if "valueFrom" in entry}
    assert secrets == {name} and "envFrom" not in service, "no caller finds a key to the store"
    optional = {
        entry["name"] for entry in service["env"] if entry.get("valueFrom", {}).get("secretKeyRef", {}).get("optional")
    }
    assert optional == {"SERVICE_API_KEYS", "IOLOG_HASH_KEY"}
    for container in (ship, job):
        assert container["envFrom"] == [{"secretRef": {"name": f"{name}-store"}}]
        store = {"secretKeyRef": {"name": f"{name}-store", "key": "IOLOG_STORE"}}
        assert {"name": "IOLOG_STORE", "valueFrom": store} in container["env"]
    for pod, container in ((both["service"], service), (both["service"], ship), (both["compact"], job)):
        own = pod["spec"]
        assert own["automountServiceAccountToken"] is False
        assert own["securityContext"] == both["service"]["spec"]["securityContext"]
        assert own["securityContext"]["runAsNonRoot"] and own["securityContext"]["runAsUser"] >= 1000
        assert own["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        volumes = {volume["name"]: volume["emptyDir"]["sizeLimit"] for volume in own["volumes"]}
        assert volumes == {"tmp": "64Mi"} | ({} if container is job else {"iolog": "5Gi"})
        assert container["resources"]["limits"]["ephemeral-storage"] == ("5Gi" if container is ship else "256Mi")
        places = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert places.keys() == volumes.keys() and places["tmp"] == "/tmp"
        if container is not job:
            assert {"name": "IOLOG_DIR", "value": places["iolog"]} in container["env"]


def test_a_shipper_runs_beside_each_service(deploy: Path) -> None:
    pod = pods(manifests(deploy))["service"]["spec"]
    [ship], [service] = pod["initContainers"], pod["containers"]
    assert ship["restartPolicy"] == "Always" and ship["image"] == service["image"]
    assert ship["command"][:3] == ["python", "-m", "daybook.shipping"]
    settings = {entry["name"]: entry.get("value") for entry in service["env"]}
    assert int(settings["IOLOG_MAX_UNSHIPPED_MB"]) + 2 * 64 < 5 * 1024, "a pod that fills its volume is ended"


def test_deployment_page_fits_the_files(tmp_path: Path) -> None:
    page, project = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8"), bake(tmp_path)
    found = manifests(project / "deploy")
    [monitor] = map(yaml.safe_load, re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL))
    service, [endpoint] = found["Service"], monitor["spec"]["endpoints"]
    assert monitor["spec"]["selector"]["matchLabels"] == service["metadata"]["labels"]
    assert endpoint["port"] == service["spec"]["ports"][0]["name"]
    assert f"-l {','.join(f'{name}={value}' for name, value in service['metadata']['labels'].items())}" in page
    [key] = [
        entry
        for entry in found["Deployment"]["spec"]["template"]["spec"]["containers"][0]["env"]
        if entry["name"] == "SERVICE_API_KEY"
    ]
    assert endpoint["authorization"]["credentials"] == key["valueFrom"]["secretKeyRef"]
    [scrape] = scrape_config(project / "deploy")["scrape_configs"]
    assert endpoint["relabelings"] == [{"regex": "endpoint", "action": "labeldrop"}], "the operator sets it to the port"
    [mine], [theirs] = scrape["metric_relabel_configs"], endpoint["metricRelabelings"]
    assert mine == {re.sub("[A-Z]", lambda capital: f"_{capital[0].lower()}", name): it for name, it in theirs.items()}
    [convert], look = commands("deployment.md", "Metrics and alerts"), commands("deployment.md", "Kubernetes")[0]
    subprocess.run(["bash", "-e", "-c", convert], cwd=project, check=True)
    rules = yaml.safe_load((project / "rules.yaml").read_text(encoding="utf-8"))
    assert rules["kind"] == "PrometheusRule"
    assert rules["spec"] == yaml.safe_load((project / "deploy" / "alerts.yaml").read_text(encoding="utf-8"))
    tool("kubectl", "Kubernetes")
    subprocess.run(["bash", "-e", "-c", look], cwd=project, check=True)


def test_kustomize_sets_images(deploy: Path) -> None:
    kubectl = tool("kubectl", "Kubernetes")
    path = deploy / "kustomization.yaml"
    text = path.read_text(encoding="utf-8")
    text = text.replace("newName: registry.example.com/", "newName: registry.example.com/team/")
    text = text.replace("newTag: latest", "newTag: v7", 1).replace("newTag: latest", f"digest: {DIGEST}")
    path.write_text(text, encoding="utf-8")
    built = subprocess.run([kubectl, "kustomize", deploy], capture_output=True, text=True, check=True).stdout
    found = {each["kind"]: each for each in yaml.safe_load_all(built) if each["kind"] != "NetworkPolicy"}
    images = {name: pod["spec"]["containers"][0]["image"] for name, pod in pods(found).items()}
    image = f"registry.example.com/team/{deploy.parent.name}"
    assert images == {"service": f"{image}:v7", "compact": f"{image}-jobs@{DIGEST}"}
    assert pods(found)["service"]["spec"]["initContainers"][0]["image"] == images["service"]
    assert "PersistentVolumeClaim" not in found


def test_compose_file_fits_its_schema(deploy: Path) -> None:
    path = deploy / "compose.yaml"
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", path]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    found, is_gpu = yaml.safe_load(path.read_text(encoding="utf-8")), deploy.parent.name == LONG
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*", found["name"]), "compose has no dots in names"
    services, image = found["services"], f"registry.example.com/{deploy.parent.name}"
    assert services["service"]["image"] == f"${{IMAGE:-{image}:latest}}"
    assert services["compact"]["image"] == f"${{JOBS_IMAGE:-{image}-jobs:latest}}"
    assert ("reservations" in services["service"]["deploy"]["resources"]) is is_gpu
    assert (services["service"]["environment"].get("SERVICE_DEVICE") == "cuda") is is_gpu
    assert services["service"]["environment"]["SERVICE_API_KEYS"] is None, (
        "unset without a value, as empty ones are refused"
    )
    for name, service in services.items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])) is (name != "proxy")
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            assert source == "./tls" or (deploy / source).is_file() or source in found["volumes"]
    [rules] = scrape_config(deploy)["rule_files"]
    assert f"./alerts.yaml:{rules}:ro" in services["prometheus"]["volumes"]
    [scrape] = scrape_config(deploy)["scrape_configs"]
    assert scrape["authorization"] == {"credentials_file": "/tmp/api_key"}
    assert scrape["static_configs"] == [{"targets": ["service:3000"]}]


def test_compose_services_are_as_narrow_as_pods(deploy: Path) -> None:
    services = compose_services(deploy)
    assert set(services) >= {"service", "compact", "proxy", "prometheus", "grafana"}
    for name, service in services.items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"] and "privileged" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert int(service["user"].partition(":")[0]) > 0
        assert all(re.search(r":size=\d+m(,uid=1034)?$", folder) for folder in service["tmpfs"])
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
        assert not {"configs", "secrets"} & set(service), "compose cannot copy them into a read-only container"
    for name in ("service", "compact"):
        assert f"iolog:{services[name]['environment']['IOLOG_DIR']}" in services[name]["volumes"]
    for name in ("service", "proxy"):
        assert int(services[name]["stop_grace_period"].removesuffix("s")) >= longest_stop()


def test_dashboard_is_consistent(deploy: Path) -> None:
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
    [scrape] = scrape_config(deploy)["scrape_configs"]
    everywhere = expressions(deploy) + [rule["expr"] for rule in rules(deploy)]
    for selector in re.findall(r"\w+\{[^}]*\}", " ".join(everywhere)):
        assert f'job="{scrape["job_name"]}"' in selector
