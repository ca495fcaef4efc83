"""A stand-in for a cluster's API: it takes what kubectl sends if it fits Kubernetes' schema, and plays the controllers.

What is real is kubectl, and with it each command, name, label and field of the deployment page and the manifests.
Pods run nothing: a command that is executed in one runs in a folder of the test.
"""

import base64
import copy
import hashlib
import json
import os
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kubernetes_objects import decoded
from kubernetes_validate import ValidationError, validate

VERSION = "1.32"
KINDS = {  # group and version -> kind -> its name in a path
    "v1": {"Pod": "pods", "Secret": "secrets", "Service": "services"},
    "apps/v1": {"Deployment": "deployments", "ReplicaSet": "replicasets"},
    "batch/v1": {"CronJob": "cronjobs", "Job": "jobs"},
    "networking.k8s.io/v1": {"NetworkPolicy": "networkpolicies"},
    "policy/v1": {"PodDisruptionBudget": "poddisruptionbudgets"},
    "monitoring.coreos.com/v1": {"PrometheusRule": "prometheusrules", "ServiceMonitor": "servicemonitors"},
}
REVISION = "deployment.kubernetes.io/revision"


def root_of(version: str) -> str:
    """The beginning of the paths of a group."""
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def merged(old: Any, new: Any) -> Any:
    """A JSON merge patch, applied (RFC 7386)."""
    if not isinstance(new, dict) or not isinstance(old, dict):
        return new
    both = old | {name: merged(old.get(name), value) for name, value in new.items()}
    return {name: value for name, value in both.items() if value is not None}


class Cluster:
    """Objects by their paths, served at 127.0.0.1; commands in a pod run in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.objects = folder, {}
        handler = type("Handler", (Handler,), {"cluster": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def config(self) -> str:
        """A kubeconfig that leads here."""
        server = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.server.server_port}"}}
        context = {"name": "c", "context": {"cluster": "c", "user": ""}}
        return json.dumps({"clusters": [server], "contexts": [context], "current-context": "c"})

    def of(self, kind: str) -> dict[str, dict]:
        """Objects of a kind by their names."""
        return {each["metadata"]["name"]: each for each in self.objects.values() if each["kind"] == kind}

    def put(self, path: str, each: dict) -> dict:
        """Store an object at a path, and what its controller makes of it."""
        if not each["apiVersion"].startswith("monitoring") and "raw" not in each:
            validate({name: value for name, value in each.items() if name != "status"}, VERSION, strict=True)
        before = self.objects.get(path, {})
        generation = before.get("metadata", {}).get("generation", 0) + (before.get("spec") != each.get("spec"))
        own = {"namespace": "default", "uid": path, "generation": generation, "resourceVersion": "1"}
        self.objects[path] = each | {"metadata": each["metadata"] | own}
        if each["kind"] == "Deployment" and generation != before.get("metadata", {}).get("generation"):
            self.roll_out(path, each, generation)
        return self.objects[path]

    def roll_out(self, path: str, each: dict, revision: int) -> None:
        """What the controllers of a deployment do: all replicas run the new template."""
        replicas, name = each["spec"]["replicas"], each["metadata"]["name"]
        counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), replicas)
        self.objects[path]["status"] = counts | {"observedGeneration": revision}
        own = self.objects[path]["metadata"]
        own["annotations"] = own.get("annotations", {}) | {REVISION: str(revision)}
        owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": path, "controller": True}
        template = copy.deepcopy(each["spec"]["template"])
        for kind, version, spec, names in (
            ("ReplicaSet", "apps/v1", each["spec"] | {"template": template}, [f"{name}-{revision}"]),
            ("Pod", "v1", template["spec"], [f"{name}-{number}" for number in range(replicas)]),
        ):
            for made in names:
                metadata = {"name": made, "namespace": "default", "uid": made, "labels": template["metadata"]["labels"]}
                metadata |= {"ownerReferences": [owner], "annotations": {REVISION: str(revision)}}
                new = {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
                place = f"{root_of(version)}/namespaces/default/{KINDS[version][kind]}/{made}"
                self.objects[place] = new | {"status": {"phase": "Running"}}

    def discover(self, path: str) -> dict | None:
        """What kubectl asks for first: which groups there are, which kinds they have, and who checks fields."""
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            groups = [
                {"name": version.partition("/")[0], "versions": [{"groupVersion": version, "version": "v1"}]}
                for version in KINDS
                if "/" in version
            ]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        if path == "/openapi/v3":
            roots = {root_of(version)[1:]: f"/openapi/v3{root_of(version)}" for version in KINDS}
            return {"paths": {root: {"serverRelativeURL": url} for root, url in roots.items()}}
        for version, kinds in KINDS.items():
            if path == f"/openapi/v3{root_of(version)}":
                group = version.partition("/")[0] if "/" in version else ""
                checks = {"parameters": [{"name": "fieldValidation", "in": "query"}], "responses": {}}
                return {
                    "openapi": "3.0.0",
                    "info": {"title": "", "version": ""},
                    "paths": {
                        f"{root_of(version)}/namespaces/{{namespace}}/{plural}/{{name}}": {
                            "patch": checks
                            | {"x-kubernetes-group-version-kind": {"group": group, "version": "v1", "kind": kind}}
                        }
                        for kind, plural in kinds.items()
                    },
                }
            if path == root_of(version):
                verbs = ["create", "delete", "get", "list", "patch", "watch"]
                resources = [
                    {"name": plural, "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": verbs}
                    for kind, plural in kinds.items()
                ]
                return {"kind": "APIResourceList", "groupVersion": version, "resources": resources}
        return None


class Handler(BaseHTTPRequestHandler):
    """The routes that kubectl uses."""

    cluster: Cluster
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def answer(self, body: dict, status: int = 200) -> None:
        """Send JSON."""
        content = json.dumps({name: value for name, value in body.items() if name != "raw"}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def refuse(self, status: int, reason: str, message: str) -> None:
        """Send an error as Kubernetes does."""
        about = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status}
        self.answer(about | {"reason": reason, "message": message}, status)

    def do_GET(self) -> None:  # noqa: N802
        """Show an object, or those of a kind."""
        url = urlsplit(self.path)
        path, query = url.path, parse_qs(url.query)
        if path.endswith("/exec"):
            self.execute(query["command"])
        elif (found := self.cluster.discover(path) or self.cluster.objects.get(path)) is not None:
            self.answer(found)
        elif (kind := self.kind_of(path)) is None:
            self.refuse(404, "NotFound", f"{path} not found")
        else:
            wanted = dict(pair.split("=") for pair in query.get("labelSelector", [""])[0].split(",") if pair)
            items = [each for each in self.cluster.of(kind[1]).values() if self.has(each, wanted)]
            self.answer({"apiVersion": kind[0], "kind": f"{kind[1]}List", "metadata": {}, "items": items})

    def do_POST(self) -> None:
        path, sent = urlsplit(self.path).path, decoded(self.rfile.read(int(self.headers["Content-Length"])))
        if (kind := self.kind_of(path)) is None or kind != (sent["apiVersion"], sent["kind"]):
            self.refuse(404, "NotFound", f"{path} is no place for a {sent['kind']}")
        else:
            self.store(f"{path}/{sent['metadata']['name']}", sent, 201)

    def do_PATCH(self) -> None:
        path, patch = urlsplit(self.path).path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        new = copy.deepcopy(self.cluster.objects[path])
        if isinstance(patch, dict):
            new = merged(new, patch)
        for change in patch if isinstance(patch, list) else []:  # RFC 6902
            *parents, last = (part.replace("~1", "/") for part in change["path"].split("/")[1:])
            place = new
            for parent in parents:
                place = place[parent]
            place[last] = change["value"]
        self.store(path, new, 200)

    def store(self, path: str, each: dict, status: int) -> None:
        """Store an object, or say what does not fit the schema."""
        try:
            self.answer(self.cluster.put(path, each), status)
        except ValidationError as error:
            self.refuse(422, "Invalid", error.message)

    def kind_of(self, path: str) -> tuple[str, str] | None:
        """Version and kind of a path that lists objects."""
        for version, kinds in KINDS.items():
            for kind, plural in kinds.items():
                if path == f"{root_of(version)}/namespaces/default/{plural}":
                    return version, kind
        return None

    def has(self, each: dict, labels: dict[str, str]) -> bool:
        """Whether an object has all the labels."""
        return labels.items() <= each["metadata"].get("labels", {}).items()

    def execute(self, command: list[str]) -> None:
        """Run a command and send what it prints through a WebSocket, in the channels of kubectl's protocol."""
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455
        accept = base64.b64encode(hashlib.sha1(key.encode(), usedforsecurity=False).digest()).decode()
        self.send_response(101)
        for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)):
            self.send_header(name, value)
        self.send_header("Sec-WebSocket-Protocol", "v5.channel.k8s.io")
        self.end_headers()
        inside = [part.replace("/home/bentoml", str(self.cluster.folder)) for part in command]
        done = subprocess.run(inside, capture_output=True, env={"PATH": os.environ["PATH"]})
        code = {"causes": [{"reason": "ExitCode", "message": str(done.returncode)}]}
        failed = {"status": "Failure", "reason": "NonZeroExitCode", "details": code}
        status = json.dumps(failed if done.returncode else {"status": "Success"}).encode()
        for frame in (b"\1" + done.stdout, b"\2" + done.stderr, b"\3" + status):
            self.wfile.write(b"\x82\x7e" + len(frame).to_bytes(2, "big") + frame)
        self.wfile.write(b"\x88\x02\x03\xe8")
        self.close_connection = True
