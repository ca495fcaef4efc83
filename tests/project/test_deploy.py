"""What is under deploy/ fits the schemas and the tools it is written for, and itself."""

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from deployment import expressions, manifests, pods, rules, scrape_config, tool
from kubernetes_validate import validate
from kubernetes_validate.utils import all_versions
from template import ROOT, bake

LONG = "a.name_of-forty.letters_and-dots.in.it00"


@pytest.fixture(scope="module", params=[{}, {"accelerator": "nvidia", "project": LONG}], ids=["default", "nvidia"])
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


def test_manifests_agree_with_each_other(deploy: Path) -> None:
    found, nvidia = manifests(deploy), deploy.parent.name == LONG
    spec, both = found["Deployment"]["spec"], pods(found)
    labels = both["service"]["metadata"]["labels"]
    budget, policy = found["PodDisruptionBudget"]["spec"], found["NetworkPolicy"]["spec"]
    [spread] = both["service"]["spec"]["topologySpreadConstraints"]
    for selector in (spec["selector"], budget["selector"], policy["podSelector"], spread["labelSelector"]):
        assert selector == {"matchLabels": labels}
    assert found["Service"]["spec"]["selector"] == labels
    assert both["compact"]["metadata"]["labels"] != labels, "the job would get requests"
    assert budget["maxUnavailable"] == 1 < spec["replicas"], "a node can be drained, and a replica answers meanwhile"
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}

    [service], [job] = (both[name]["spec"]["containers"] for name in ("service", "compact"))
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
    for pod, container in ((both["service"], service), (both["compact"], job)):
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


def test_deployment_page_fits_the_files(tmp_path: Path) -> None:
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
    [scrape] = scrape_config(project / "deploy")["scrape_configs"]
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
    assert images == {"service": f"{image}:v7", "compact": f"{image}-jobs:v7"}
    claim = found["PersistentVolumeClaim"]["spec"]
    assert claim["accessModes"] == ["ReadWriteMany"] and claim["storageClassName"] == "shared"


def test_compose_file_fits_its_schema(deploy: Path) -> None:
    path = deploy / "compose.yaml"
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", path]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    found, nvidia = yaml.safe_load(path.read_text(encoding="utf-8")), deploy.parent.name == LONG
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*", found["name"]), "compose has no dots in names"
    services, image = found["services"], f"${{IMAGE:-registry.example.com/{deploy.parent.name}}}"
    tag = "${TAG:-latest}"
    assert services["service"]["image"] == f"{image}:{tag}" and services["compact"]["image"] == f"{image}-jobs:{tag}"
    assert ("reservations" in services["service"]["deploy"]["resources"]) is nvidia
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        for config in service.get("configs", []):
            assert config["source"] in found["configs"]
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            assert (deploy / source).is_file() if source.startswith(".") else source in found["volumes"]
    for name in ("service", "compact"):
        assert services[name]["read_only"] and services[name]["cap_drop"] == ["ALL"]
        assert f"iolog:{services[name]['environment']['IOLOG_DIR']}" in services[name]["volumes"]
    [scrape] = scrape_config(deploy)["scrape_configs"]
    [secret] = services["prometheus"]["secrets"]
    assert scrape["authorization"] == {"credentials_file": f"/run/secrets/{secret}"}
    assert scrape["static_configs"] == [{"targets": ["service:3000"]}]


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
