"""The proxy of compose.yaml in front of a running service: what it lets through and refuses, and what is logged."""

import contextlib
import json
import re
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from deployment import nginx_config, tool
from helpers import Project, Service, free_port, serve
from template import ROOT
from traffic import ROW, statuses

KEY = {"Authorization": "Bearer s3cret"}
BODY = json.dumps({"rows": [ROW]}).encode()


@dataclass
class Proxy:
    """A running nginx."""

    port: int
    trust: ssl.SSLContext
    service: Service

    def call(self, path: str = "/predict", body: bytes | None = BODY, **headers: str) -> tuple[int, bytes, str | None]:
        """Status, body and request id of a response."""
        content = {"Content-Type": "application/json"} if body else {}
        request = urllib.request.Request(f"https://localhost:{self.port}{path}", body, content | headers)
        try:
            with urllib.request.urlopen(request, context=self.trust, timeout=60) as response:
                return response.status, response.read(), response.headers["X-Request-ID"]
        except urllib.error.HTTPError as error:
            return error.code, error.read(), error.headers["X-Request-ID"]

    def connect(self) -> ssl.SSLSocket:
        """A connection of its own."""
        return self.trust.wrap_socket(
            socket.create_connection(("127.0.0.1", self.port), 30), server_hostname="localhost"
        )


@contextlib.contextmanager
def nginx(text: str, folder: Path, service: Service) -> Iterator[Proxy]:
    """nginx with a configuration, of which only paths, addresses and ports are others."""
    port = free_port()
    for old, new in (
        ("/tmp/nginx.pid", f"{folder}/nginx.pid"),
        ("/etc/nginx/tls/certificate", f"{folder}/certificate"),
        ("/etc/nginx/tls/key", f"{folder}/key"),
        ("listen 8443", f"listen 127.0.0.1:{port}"),
        ("service:3000", service.url.removeprefix("http://")),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    (folder / "nginx.conf").write_text(text.replace("http {", f"http {{ {paths}"))
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    for number, blob in enumerate(certificate.cert_chain_pems):
        blob.write_to_path(folder / "certificate.pem", append=number > 0)
    trust = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    command = [tool("nginx", "Debian's nginx-light"), "-e", "stderr", "-c", folder / "nginx.conf", "-g", "daemon off;"]
    with (folder / "nginx.log").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            give_up = time.monotonic() + 30
            while not (folder / "nginx.pid").exists() and process.poll() is None:
                assert time.monotonic() < give_up
                time.sleep(0.05)
            assert process.poll() is None, (folder / "nginx.log").read_text()
            yield Proxy(port, trust, service)
        finally:
            process.send_signal(3)  # SIGQUIT, which the image stops with
            process.wait(30)


@pytest.fixture(scope="module")
def proxy(project: Project, trained: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """The proxy in front of a service that has a key and little patience."""
    tool("nginx", "Debian's nginx-light")
    folder, settings = tmp_path_factory.mktemp("nginx"), {"SERVICE_API_KEY": "s3cret", "SERVICE_TIMEOUT": "2"}
    folder.chmod(0o755)
    log = tmp_path_factory.mktemp("iolog")
    with (
        serve(project, folder=project.root, IOLOG_DIR=str(log), **settings) as service,
        nginx(nginx_config(project.root / "deploy"), folder, service) as running,
    ):
        yield running


def test_proxy_hands_requests_and_their_ids_to_the_service(proxy: Proxy) -> None:
    status, body, request_id = proxy.call(**KEY, **{"X-Request-ID": "through-the-proxy"})
    assert (status, request_id) == (200, "through-the-proxy") and len(json.loads(body)["predictions"]) == 1
    assert proxy.call()[0] == 401 and proxy.call("/readyz", None)[0] == 200
    status, body, made = proxy.call(body=b'{"rows": []}', **KEY)
    assert status == 400 and statuses(proxy.service.log)[made] == 400
    assert statuses(proxy.service.log)["through-the-proxy"] == 200


def test_deployment_page_finds_a_prediction_in_the_log(proxy: Proxy) -> None:
    page = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    [request_id] = re.findall(r"X-Request-ID: ([\w-]+)", page)
    [pattern] = set(re.findall(r"grep -rhs '(.*?)'", page))
    assert proxy.call(**KEY, **{"X-Request-ID": request_id})[0] == 200
    found = subprocess.run(["grep", "-rhs", pattern, proxy.service.log / "raw"], capture_output=True, text=True).stdout
    [line] = found.splitlines()
    assert json.loads(line)["id"] == request_id and '"status":200' in line


def test_proxy_speaks_tls_alone(proxy: Proxy) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(f"http://127.0.0.1:{proxy.port}/readyz")
    with proxy.connect() as connection:
        assert connection.version() in ("TLSv1.2", "TLSv1.3")


def test_proxy_shows_no_metrics(proxy: Proxy) -> None:
    for path in ("/metrics", "/metrics/", "//metrics", "/%6detrics", "/model/../metrics", "/metrics?x", "/./metrics"):
        assert proxy.call(path, None, **KEY)[0] == 404, path
    with urllib.request.urlopen(urllib.request.Request(f"{proxy.service.url}/metrics", headers=KEY)) as response:
        assert response.status == 200


def test_proxy_bounds_bodies(proxy: Proxy) -> None:
    for size in (10 * 2**20 + 1, 12 * 2**20):
        status, body, request_id = proxy.call(body=b" " * size, **KEY)
        assert status == 413 and "10,485,760 bytes" in body.decode(), "of the service, which logs it"
        assert statuses(proxy.service.log)[request_id] == 413
    for _ in range(5):
        assert proxy.call(body=b" " * (8 * 2**20))[0] == 401


def test_proxy_redirects_to_no_other_protocol(proxy: Proxy) -> None:
    """A caller that follows would send its key in clear."""
    head = "POST /predict/ HTTP/1.1\r\nHost: demand.example.com\r\nAuthorization: Bearer s3cret\r\n"
    with proxy.connect() as connection:
        connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        response = connection.recv(65536).decode().lower()
    assert " 307 " in response and "\r\nlocation: https://demand.example.com/predict\r\n" in response


def test_proxy_leaves_time_to_the_service(proxy: Proxy, project: Project) -> None:
    head = "POST /predict HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer s3cret\r\nX-Request-ID: slow\r\n"
    with proxy.connect() as connection:
        connection.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 408 ")
    assert statuses(proxy.service.log)["slow"] == 408
    patience = re.search(r"proxy_read_timeout (\d+)s", nginx_config(project.root / "deploy"))
    assert int(patience[1]) > 60, "SERVICE_TIMEOUT, which answers with a 504"


def test_proxy_answers_others_beside_heads_that_do_not_end(proxy: Proxy) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(600):
            connection = stack.enter_context(proxy.connect())
            connection.sendall(b"GET /readyz HTTP/1.1\r\n")
        assert proxy.call(**KEY)[0] == 200


def test_proxy_refuses_what_comes_too_fast(proxy: Proxy) -> None:
    time.sleep(3)  # until earlier tests are forgotten
    with ThreadPoolExecutor(8) as clients:
        found = Counter(clients.map(lambda _: proxy.call("/livez", None)[0], range(400)))
    assert set(found) == {200, 429} and found[200] >= 100 and found[429] >= 50, found
    time.sleep(1)
    assert proxy.call(**KEY)[0] == 200
