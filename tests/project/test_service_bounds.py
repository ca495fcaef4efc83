"""A real service under attack by callers who have shown no key: it stays small, answers others, and stops at once."""

import contextlib
import json
import re
import resource
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from helpers import Project, Service, serve
from traffic import ROW, call, metric, records, statuses, wait_for_record, workers

KEY = {"Authorization": "Bearer s3cret"}
BODY = json.dumps({"rows": [ROW]}).encode()
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"


@pytest.fixture(scope="module")
def guarded(project: Project, trained: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with two keys, one of which has a name."""
    settings = {"SERVICE_API_KEY": "s3cret", "SERVICE_API_KEYS": "alice:0123"}
    log = tmp_path_factory.mktemp("iolog")
    with serve(project, folder=project.root, IOLOG_DIR=str(log), **settings) as service:
        yield service


def connect(service: Service) -> socket.socket:
    """A connection to it."""
    return socket.create_connection(("127.0.0.1", int(service.url.rpartition(":")[2])), timeout=20)


def response_on(connection: socket.socket) -> bytes:
    """The next response."""
    received = b""
    while b"\r\n\r\n" not in received or len(received) < sum(map(int, sizes_of(received))):
        chunk = connection.recv(65536)
        if not chunk:
            break
        received += chunk
    return received


def sizes_of(received: bytes) -> tuple[int, int]:
    """Bytes of a response's head, and of its body."""
    length = re.search(rb"content-length: (\d+)", received, re.IGNORECASE)
    return received.find(b"\r\n\r\n") + 4, int(length[1]) if length else 0


def exchange(service: Service, *parts: bytes) -> bytes:
    """Send parts, return the response."""
    with connect(service) as connection:
        for part in parts:
            connection.sendall(part)
        return response_on(connection)


def megabytes(process: psutil.Process) -> float:
    """Resident memory."""
    return process.memory_info().rss / 2**20


def test_service_does_not_count_made_up_paths(guarded: Service) -> None:
    [worker] = workers(guarded)
    before = megabytes(worker)
    for key, status in ((b"", b"401"), (b"Authorization: Bearer s3cret\r\n", b"404")):
        with connect(guarded) as connection:
            for number in range(10_000):
                connection.sendall(b"GET /made-up-%d HTTP/1.1\r\nHost: x\r\n%s\r\n" % (number, key))
                assert response_on(connection).split()[1] == status
    assert megabytes(worker) < before + 8
    metrics = exchange(guarded, b"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer s3cret\r\n\r\n")
    assert b" 200 " in metrics and len(metrics) < 100_000 and b"made-up" not in metrics


def test_service_refuses_a_head_without_end(guarded: Service) -> None:
    [worker] = workers(guarded)
    memory, cpu = megabytes(worker), sum(worker.cpu_times()[:2])
    with connect(guarded) as connection, pytest.raises(OSError):
        connection.sendall(b"GET / HTTP/1.1\r\nCookie: ")
        for _ in range(3200):  # 200 MB
            connection.sendall(65536 * b"x")
    assert megabytes(worker) < memory + 16 and sum(worker.cpu_times()[:2]) < cpu + 2
    many = exchange(guarded, b"GET / HTTP/1.1\r\n", *200 * [b"a: b\r\n"], b"\r\n")
    assert many.startswith(b"HTTP/1.1 431 ")
    assert "the head of a request is larger than 65,536 bytes" in guarded.output.read_text()


def test_service_answers_others_beside_idle_connections(project: Project, trained: str, tmp_path: Path) -> None:
    """More of them than it may open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))  # which the service inherits
    others = []
    try:
        with serve(project, folder=project.root, IOLOG_DIR=str(tmp_path)) as service:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
            others = [connect(service) for _ in range(1100)]
            assert call(service.url, BODY)[0] == 200
            for other in others:
                other.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_service_reads_the_body_of_a_client_that_offers_http2(guarded: Service) -> None:
    offer = (
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAA\r\n"
    )
    head = HEAD % len(BODY) + b"Authorization: Bearer s3cret\r\n" + offer + b"\r\n"
    for parts in ((head + BODY,), (head, BODY), (head + BODY[:20], BODY[20:])):
        assert exchange(guarded, *parts).startswith(b"HTTP/1.1 200 ")


def test_service_refuses_other_protocols_without_the_key(guarded: Service) -> None:
    offer = b"GET /predict HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    offer += b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    assert exchange(guarded, offer).startswith(b"HTTP/1.1 401 ")
    for other in (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01"):
        assert exchange(guarded, other).split()[1] in (b"400", b"405")


def test_service_takes_no_header_from_a_trailer(guarded: Service) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nAuthorization: Bearer 0123\r\n"
    chunk = b"%x\r\n%s\r\n0\r\nX-Request-ID: forged\r\nAuthorization: Bearer s3cret\r\n\r\n" % (len(BODY), BODY)
    response = exchange(guarded, head + b"X-Request-ID: of-the-head\r\n\r\n" + chunk)
    assert response.startswith(b"HTTP/1.1 200 ") and b"x-request-id: of-the-head" in response
    assert wait_for_record(guarded.log, "of-the-head")["key"] == "alice"
    assert "forged" not in statuses(guarded.log)


def test_service_takes_the_types_of_the_contract(guarded: Service) -> None:
    for change, status in (({"windspeed": False}, 400), ({"hr": "1"}, 400), ({"hr": 8.0}, 200), ({"holiday": 1}, 200)):
        assert call(guarded.url, {"rows": [ROW | change]}, **KEY)[0] == status


def test_service_stops_beside_bodies_that_do_not_come(project: Project, trained: str, tmp_path: Path) -> None:
    with serve(project, folder=project.root, IOLOG_DIR=str(tmp_path)) as service:
        slow = [connect(service) for _ in range(50)]
        for number, connection in enumerate(slow):
            connection.sendall(HEAD % 1000 + b"X-Request-ID: slow-%d\r\n\r\n{" % number)
        slow[-1].close()  # the service has the others too: it takes connections in their order
        assert wait_for_record(tmp_path, "slow-49")["status"] == 499  # at once
        began = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(30) == 0 and time.monotonic() - began < 10
        for connection in slow:
            connection.close()
    assert statuses(tmp_path) == {f"slow-{number}": 499 for number in range(50)}


def test_service_holds_no_more_bodies_than_it_has_room_for(project: Project, trained: str, tmp_path: Path) -> None:
    with serve(project, folder=project.root, IOLOG_DIR=str(tmp_path), SERVICE_MAX_BODIES_MB="40") as service:
        [worker] = workers(service)
        before, connections, refused = megabytes(worker), [connect(service) for _ in range(20)], 0
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.sendall(HEAD % (9 * 2**20) + b"\r\n" + 8 * 2**20 * b" ")
        for connection in connections:
            connection.settimeout(0.5)
            with contextlib.suppress(TimeoutError, ConnectionError):
                refused += connection.recv(65536).startswith(b"HTTP/1.1 503 ")
        assert megabytes(worker) < before + 100 and refused >= 10
        for connection in connections:
            connection.close()
        assert call(service.url, BODY)[0] == 200


def test_worker_ends_when_the_process_that_supervises_is_killed(project: Project, trained: str, tmp_path: Path) -> None:
    with serve(project, folder=project.root, IOLOG_DIR=str(tmp_path)) as service:
        assert call(service.url, BODY)[0] == 200
        [worker] = workers(service)
        service.process.kill()
        worker.wait(20)
    assert [path.suffix for path in tmp_path.glob("raw/*/*")] == [".jsonl"], "it ended as if it had been told to"
    assert len(records(tmp_path)) == 1


def test_services_of_one_home_count_for_themselves(project: Project, trained: str, tmp_path: Path) -> None:
    with serve(project, folder=project.root, IOLOG_DIR=str(tmp_path / "one")) as one:
        assert call(one.url, BODY)[0] == 200
        with serve(project, folder=project.root, IOLOG_DIR=str(tmp_path / "two")) as two:
            assert [call(two.url, BODY)[0] for _ in range(2)] == [200, 200]
            assert [metric(service, "iolog_written_total") for service in (one, two)] == [1, 2]
        assert metric(one, "iolog_written_total") == 1


def test_service_prints_json(project: Project, trained: str, edited: object, tmp_path: Path) -> None:
    settings = {"SERVICE_LOG_JSON": "1", "IOLOG_DIR": str(tmp_path)}
    with serve(project, folder=project.root, **settings) as service:
        call(service.url, BODY)
    messages = [json.loads(line) for line in service.output.read_text().splitlines()]
    assert any("anyone who reaches this service may call it" in message["message"] for message in messages)


@pytest.mark.parametrize("key", ["", " s3cret", "schlüssel"])
def test_service_does_not_start_with_a_key_that_cannot_be_meant(project: Project, trained: str, key: str) -> None:
    output = project.run("bentoml", "serve", code=1, SERVICE_API_KEY=key)
    assert "SERVICE_API_KEY has a key that is empty" in output and "Traceback" not in output
    assert not key.strip() or key not in output
