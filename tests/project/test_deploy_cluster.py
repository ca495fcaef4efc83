"""The deployment page's commands for a cluster, as they are written, with kubectl."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cluster import Cluster
from deployment import tool
from pages import blocks_of, commands, inline
from template import bake, environment

PAGE = "deployment.md"
Type = Callable[..., str]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An empty cluster."""
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    yield made
    made.server.shutdown()


@pytest.fixture(scope="module")
def type_in_project(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Type:
    """Types a text of the page in the folder of a fresh project, beside the cluster."""
    found = subprocess.run([tool("kubectl", "Kubernetes"), "version", "--client", "-o=json"], capture_output=True)
    if int(re.sub(r"\D", "", json.loads(found.stdout)["clientVersion"]["minor"])) < 31:
        pytest.skip("the stand-in for a cluster speaks with kubectl 1.31 and newer")
    home, project = tmp_path_factory.mktemp("home"), bake(tmp_path_factory.mktemp("project"))
    (home / "config").write_text(cluster.config, encoding="utf-8")
    settings = environment(HOME=str(home), KUBECONFIG=str(home / "config"))

    def type_text(text: str, code: int = 0) -> str:
        shell = ["bash", "-euo", "pipefail", "-c", text]
        done = subprocess.run(shell, cwd=project, env=settings, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, f"{text} exited with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout

    return type_text


def test_page_deploys(cluster: Cluster, type_in_project: Type) -> None:
    _, deploy = commands(PAGE, "Kubernetes")
    said = type_in_project(deploy)
    assert 'deployment "bike-demand" successfully rolled out' in said
    assert set(cluster.of("Secret")) == {"bike-demand", "bike-demand-store"}
    [pod] = {json.dumps(pod["spec"]) for pod in cluster.of("Pod").values()}
    referred = re.findall(r'"secret(?:KeyRef|Ref)": \{(?:"key": "\w+", )?"name": "([\w-]+)"', pod)
    assert set(referred) == set(cluster.of("Secret")), "pods find the secrets that the page makes"
    for name, secret in cluster.of("Secret").items():
        assert "SERVICE_API_KEY" in secret["data"] or name == "bike-demand-store" and "IOLOG_STORE" in secret["data"]
    type_in_project("kubectl apply -k deploy")


def test_page_finds_a_prediction(cluster: Cluster, type_in_project: Type) -> None:
    _, look, _ = commands(PAGE, "Check it with one prediction")
    line = '{"v":1,"id":"look-1","status":200}'
    (cluster.folder / "iolog" / "raw").mkdir(parents=True)
    (cluster.folder / "iolog" / "raw" / "a.open").write_text(line, encoding="utf-8")
    assert type_in_project(look).splitlines() == [line] * len(cluster.of("Pod"))
    (cluster.folder / "iolog" / "raw" / "a.open").unlink()
    assert type_in_project(look, code=123) == ""


def test_page_compacts_restarts_and_goes_back(cluster: Cluster, type_in_project: Type) -> None:
    type_in_project(inline(PAGE, "kubectl create job"))
    [job] = cluster.of("Job").values()
    [schedule] = cluster.of("CronJob").values()
    [container] = schedule["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert all(text.encode() in job["raw"] for text in (container["image"], *container["command"]))
    type_in_project(inline(PAGE, "kubectl rollout restart"))
    assert annotations(cluster) == {"kubectl.kubernetes.io/restartedAt"}
    type_in_project(inline(PAGE, "kubectl rollout undo"))
    assert annotations(cluster) == set()


def annotations(cluster: Cluster) -> set[str]:
    """Those of the pods that the deployment makes."""
    return set(cluster.of("Deployment")["bike-demand"]["spec"]["template"]["metadata"].get("annotations", {}))


def test_page_watches(cluster: Cluster, type_in_project: Type) -> None:
    [convert], [monitor] = commands(PAGE, "Metrics and alerts"), blocks_of(PAGE, "yaml", "Metrics and alerts")
    type_in_project(f"{convert}kubectl apply -f rules.yaml\nkubectl apply -f - <<'E'\n{monitor}E\n")
    assert cluster.of("PrometheusRule") and cluster.of("ServiceMonitor")


def test_cluster_refuses_what_kubernetes_would(type_in_project: Type, tmp_path: Path) -> None:
    wrong = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {port: [{port: 80}]}\n"
    (tmp_path / "wrong.yaml").write_text(wrong, encoding="utf-8")
    type_in_project(f"kubectl apply -f {tmp_path}/wrong.yaml", code=1)
    type_in_project("kubectl rollout status deployment/another", code=1)
