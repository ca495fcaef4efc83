"""Whatever bytes come in, in whatever pieces: the server fails at none, and answers the next caller."""

import logging
import random
import socket
from contextlib import suppress

import pytest
from test_connection import post, received, serve

SEEDS = [
    post("/echo", 4) + b"1234",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"HEAD /large HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4;a=b\r\n1234\r\n0\r\nA: b\r\n\r\n",
    post("/echo", 4, "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n") + b"1234",
    post("/echo", 4, "Expect: 100-continue\r\n") + b"1234",
    post("/early", 100_000) + 1000 * b"x",
    b"GET /echo HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


def mutated(content: bytes, dice: random.Random) -> bytes:
    """A request with up to three faults."""
    result = bytearray(content)
    for _ in range(dice.randrange(4)):
        place, kind = dice.randrange(len(result) + 1), dice.randrange(3)
        if kind == 0:
            del result[place : place + dice.randrange(8)]
        elif kind == 1:
            result[place:place] = dice.randbytes(dice.randrange(6))
        else:
            result[place:place] = dice.choice(SEEDS)[: dice.randrange(40)]
    return bytes(result)


@pytest.mark.parametrize("seed", range(3))
def test_connection_holds_whatever_comes_in(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    dice = random.Random(seed)
    with serve() as connect:
        for _ in range(1500):
            with suppress(OSError), connect() as connection:
                content = b"".join(mutated(dice.choice(SEEDS), dice) for _ in range(dice.randrange(1, 5)))
                while content:
                    cut = dice.randrange(1, len(content) + 1)
                    connection.sendall(content[:cut])
                    content = content[cut:]
                if dice.random() < 0.1:
                    connection.shutdown(socket.SHUT_WR)
                    received(connection)
        with connect() as connection:
            connection.sendall(post("/echo", 2) + b"[]")
            assert b" 200 " in received(connection)
    faults = [record for record in caplog.records if record.name == "asyncio" and record.levelno >= logging.ERROR]
    assert not faults, faults[0].getMessage()
    # The application of these tests does not expect its caller to hang up.
    own = [record for record in caplog.records if record.exc_info and record.name == "uvicorn.error"]
    assert {record.exc_info[0].__name__ for record in own} <= {"ClientDisconnect"}
