"""A gate before an application of Starlette, and how to call it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from daybook.gate import Gate
from daybook.service_settings import Keys

KEY = {"X-API-Key": "s3cret"}
KEYS = Keys({"alice": b"s3cret", "ci": b"0123"})


async def size(request: Request) -> JSONResponse:
    """How long the body is; some bodies are slow, or fail."""
    body = await request.body()
    if body == b'"slow"':
        await asyncio.sleep(10)
    if body == b'"late"':
        raise TimeoutError("the application's own")
    return JSONResponse(len(body))


def gate(**options: Any) -> Gate:
    """An application behind a gate."""
    routes = [Route("/size", size, methods=["POST"]), Route("/page", lambda _: JSONResponse("a page"))]
    routes += [Route(path, lambda _: JSONResponse("ready")) for path in Gate.probes]
    return Gate(Starlette(routes=routes), **{"max_body": 100, "seconds": 0.2} | options)


def call(app: Callable, method: str, path: str, **options: Any) -> httpx.Response:
    """The response to one request."""

    async def response() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
            return await client.request(method, path, **options)

    return asyncio.run(response())


async def chunks(count: int, pause: float = 0) -> AsyncIterator[bytes]:
    """A body that does not say how long it is."""
    for _ in range(count):
        await asyncio.sleep(pause)
        yield b"0123456789"
