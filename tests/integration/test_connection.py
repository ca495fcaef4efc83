"""uvicorn with bounded connections, before an application of Starlette: what a caller may do before anybody looks."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from daybook.connection import Connection
from daybook.limits import Limits


async def echo(request: Request) -> JSONResponse:
    """What came in."""
    return JSONResponse([(await request.body()).decode("latin-1"), sorted(request.headers.keys())])


async def early(request: Request) -> JSONResponse:
    """A response before the body is read."""
    return JSONResponse(["early"], 413)


async def slow(request: Request) -> JSONResponse:
    """A response that takes a second, whether or not the caller is there."""
    await request.body()
    await asyncio.sleep(1)
    return JSONResponse(["slow"])


async def endless(request: Request) -> StreamingResponse:
    """More than a caller takes."""
    return StreamingResponse(iter([bytes(2**20)] * 64))


async def large(request: Request) -> PlainTextResponse:
    """In one piece."""
    return PlainTextResponse(16 * 2**20 * "x" + "]")


ROUTES = [Route(f"/{each.__name__}", each, methods=["GET", "POST"]) for each in (echo, early, slow, endless, large)]
APP = Starlette(routes=[*ROUTES, Route("/", lambda _: PlainTextResponse("[]"))])


class Narrow(Connection):
    """Bounds that a test can reach."""

    limits = Limits(connections=20, head=2000, headers=20, head_seconds=1, response_seconds=1, stop_seconds=1)


@contextmanager
def serve() -> Iterator[Any]:
    """Yields a function that connects; fails if the server does not stop at once."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(APP, http=Narrow, lifespan="off", log_config=None, timeout_keep_alive=2))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield lambda: socket.create_connection(listener.getsockname(), timeout=10)
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def connect() -> Iterator[Any]:
    """To one server for the tests that leave it as it was."""
    with serve() as function:
        yield function


def received(connection: socket.socket, end: bytes = b"]") -> bytes:
    """What comes back, until the end or until the connection is closed."""
    content = b""
    with suppress(OSError):
        while end not in content and (chunk := connection.recv(65536)):
            content += chunk
    return content


def post(path: str, length: int, more: str = "") -> bytes:
    """The head of a request."""
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{more}\r\n".encode()


def test_connection_ends_a_head_that_comes_byte_by_byte(connect: Any) -> None:
    with connect() as connection:
        began = time.monotonic()
        with suppress(OSError):
            for _ in range(100):
                connection.sendall(b"G" if time.monotonic() == began else b"E")
                time.sleep(0.1)
        assert time.monotonic() - began < 5


@pytest.mark.long
def test_connection_ends_one_that_sends_nothing(connect: Any) -> None:
    for before in (b"", b"\r\n", post("/echo", 2) + b"[]"):
        with connect() as connection:
            connection.sendall(before)
            received(connection) if before.startswith(b"POST") else None
            began = time.monotonic()
            assert received(connection, b"nothing ends it") == b"" and time.monotonic() - began < 6


def test_connection_that_is_refused_early_is_told_and_ended(connect: Any) -> None:
    """A body that never ends would keep it for ever."""
    with connect() as connection:
        connection.sendall(post("/early", 10**9) + bytes(1000))
        assert b" 413 " in received(connection)
        began = time.monotonic()
        with suppress(OSError):
            for _ in range(100):
                connection.sendall(b"x")
                time.sleep(0.1)
        assert time.monotonic() - began < 5
    with connect() as connection, pytest.raises(OSError):
        connection.sendall(post("/early", 10**9))
        for _ in range(1000):
            connection.sendall(bytes(2**20))


@pytest.mark.parametrize("more", ["", "Connection: close\r\n"])
def test_connection_takes_the_rest_of_a_body_that_is_refused_early(connect: Any, more: str) -> None:
    """A reset would lose the response: a proxy would make a 502 of it."""
    for _ in range(5):
        with connect() as connection:
            connection.sendall(post("/early", 12 * 2**20, more) + bytes(12 * 2**20))
            assert b" 413 " in received(connection)


@pytest.mark.long
def test_connection_waits_for_a_caller_who_takes_little_at_a_time(connect: Any) -> None:
    with connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        count = 0
        for _ in range(40):
            count += len(connection.recv(2**19))
            time.sleep(0.1)
        count += len(received(connection, b"]"))
    assert count > 16 * 2**20


@pytest.mark.long
def test_connection_ends_if_its_caller_takes_nothing(connect: Any) -> None:
    with connect() as connection:
        connection.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(4)
        assert len(received(connection, b"nothing ends it")) < 64 * 2**20


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.lists(st.integers(1, 120), max_size=5), st.booleans(), st.booleans())
def test_connection_reads_what_is_sent_in_any_pieces(
    connect: Any, body: bytes, cuts: list[int], offers_http2: bool, is_chunked: bool
) -> None:
    offer = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n" if offers_http2 else ""
    content = post("/echo", len(body), offer) + body
    if is_chunked:
        chunk = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
        head = f"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n{offer}\r\n".encode()
        content = head + chunk + b"0\r\nX-Trailer: 1\r\n\r\n"
    with connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for cut in cuts:
            connection.sendall(content[:cut])
            content = content[cut:]
        connection.sendall(content + post("/echo", 3) + b"end")
        text = received(connection, b'["end"').decode()
    first = JSONResponse([body.decode("latin-1")]).body.decode()[:-1]
    assert text.count(" 200 OK") == 2 and first in text and "x-trailer" not in text


def test_connection_takes_a_head_of_the_largest_size_and_no_larger(connect: Any) -> None:
    for padding, status in ((1800, b"200"), (2000, b"431"), (100_000, b"431")):
        with connect() as connection:
            with suppress(OSError):
                connection.sendall(post("/echo", 2, f"Cookie: {'x' * padding}\r\n") + b"[]")
            assert received(connection).split()[1] == status


def test_connections_beyond_the_limit_take_the_place_of_idle_ones() -> None:
    with serve() as connect:
        idle = [connect() for _ in range(60)]
        with connect() as connection:
            connection.sendall(post("/echo", 2) + b"[]")
            assert b" 200 " in received(connection)
        busy = [connect() for _ in range(20)]
        for connection in busy:
            connection.sendall(post("/slow", 2) + b"[]")
        time.sleep(0.3)
        with connect() as connection:
            assert b" 503 " in received(connection)
        assert all(b"slow" in received(connection) for connection in busy)
        for connection in (*idle, *busy):
            connection.close()


@pytest.mark.long
def test_stop_does_not_wait_for_a_caller_who_takes_nothing() -> None:
    with serve() as connect:
        others = [connect() for _ in range(2)]
        others[0].sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        others[1].sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        time.sleep(0.3)
        began = time.monotonic()
    assert time.monotonic() - began < 8
    for connection in others:
        connection.close()


def test_stop_finishes_what_is_whole_and_waits_for_nothing_else() -> None:
    with serve() as connect:
        whole, half, idle = connect(), connect(), connect()
        whole.sendall(post("/slow", 2) + b"[]")
        half.sendall(post("/echo", 10) + b"[")
        time.sleep(0.3)
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert b"slow" in received(whole) and received(half) == b""
    for connection in (whole, half, idle):
        connection.close()
