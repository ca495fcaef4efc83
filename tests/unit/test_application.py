"""Where the library stands in BentoML: what passes by it, and what is counted."""

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bentoml
import httpx
import pytest
from pydantic import create_model
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route
from test_serving import clear_metrics

from daybook import application
from daybook.recorder import Recorder
from daybook.service_metrics import Metrics, Routes
from daybook.service_output import JsonFormatter

Twice = create_model("Twice", twice=(list[float], ...))


def service() -> Any:
    """One method that is called directly, and others that are not."""

    @bentoml.service(name="doubler", logging={"access": {"enabled": False}})
    class Doubler:
        @bentoml.api(route="/direct")
        async def direct(self, numbers: list[float]) -> Twice:
            return Twice(twice=[2 / number for number in numbers])

        @bentoml.api(route="/sync")
        def sync(self, numbers: list[float]) -> Twice:
            return Twice(twice=[2 * number for number in numbers])

        @bentoml.api(route="/context")
        async def context(self, numbers: list[float], ctx: bentoml.Context) -> Twice:
            return Twice(twice=[2 * number for number in numbers])

        @bentoml.api(route="/refusing")
        async def refusing(self, numbers: list[float]) -> Twice:
            raise bentoml.exceptions.InvalidArgument("no such number")

    return Doubler


def call(made: Any, *requests: tuple[str, Any]) -> tuple[list[httpx.Response], Starlette]:
    """The responses to requests, and the application."""
    clear_metrics()

    async def main() -> tuple[list[httpx.Response], Starlette]:
        app = made.to_asgi()
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")
        async with app.router.lifespan_context(app), client:
            return [await client.post(path, json=body) for path, body in requests], app

    return asyncio.run(main())


def test_application_calls_directly_only_what_needs_no_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    made = service()
    application.put_before(made, [], started=lambda _: None)
    assert list(application.endpoints_of(made)) == ["/direct", "/refusing"]
    responses, app = call(made, *((path, {"numbers": [1, 2]}) for path in ("/direct", "/sync", "/context")))
    assert [response.json()["twice"] for response in responses] == [[2, 1], [2, 4], [2, 4]]
    assert [layer.cls.__name__ for layer in app.user_middleware] == ["Metrics", "Endpoints", "ContextMiddleware"]


def test_application_answers_errors_as_bentoml_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    bodies = (("/direct", {"numbers": [0]}), ("/direct", {"numbers": "x"}), ("/refusing", {"numbers": [1]}))
    plain, made = service(), service()
    application.put_before(made, [], started=lambda _: None)
    for own, theirs in zip(call(made, *bodies)[0], call(plain, *bodies)[0], strict=True):
        assert own.status_code == theirs.status_code
        expected, answer = theirs.json()[0] if isinstance(theirs.json(), list) else theirs.json(), own.json()
        if "detail" in answer:  # ours says in words what is wrong, and each fault once
            assert answer.pop("error") == "numbers: input should be a valid array" and expected.pop("error")
            assert [fault.pop("count") for fault in answer["detail"]] == [1]
        assert answer == expected


def test_application_sends_requests_through_what_an_owner_has_added() -> None:
    class Counting:
        """An owner's middleware."""

        count = 0

        def __init__(self, app: Callable):
            self.app = app

        async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
            Counting.count += scope["type"] == "http"
            await self.app(scope, receive, send)

    made = service()
    application.put_before(made, [], started=lambda _: None)
    made.add_asgi_middleware(Counting)
    assert call(made, ("/direct", {"numbers": [1]}))[0][0].status_code == 200 and Counting.count == 1


def test_metrics_know_routes_and_no_paths() -> None:
    app = Starlette(
        routes=[Route("/size", lambda _: JSONResponse(1)), Route("/items/{name}", lambda _: JSONResponse(1))]
    )
    labels = {"service_name": "s", "service_version": "v", "runner_name": "s"}
    metrics = Metrics(app, Routes(app.router.routes), labels, (1.0,))

    async def main() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(metrics), base_url="http://service") as client:
            for number in range(200):
                await client.get(f"/items/{number}")
                await client.get(f"/made-up/{number}")
            await client.get("/size")

    asyncio.run(main())
    counts = {key: count._value.get() for key, (count, _) in metrics.children.items()}
    assert counts == {("/items/{name}", 200): 200, ("/size", 200): 1}


@pytest.mark.parametrize("path", ["/size\n", "/items/a\n", "/size/\n"])
def test_path_that_ends_with_a_line_break_is_no_route(path: str) -> None:
    """Starlette overlooks it, and so an actual would be taken by a route that the recorder may leave out."""
    app = Starlette(routes=[Route("/size", lambda _: JSONResponse(1)), Route("/items/{name}", lambda _: None)])
    assert Routes(app.router.routes)({"type": "http", "method": "GET", "path": path}) is None


def test_failure_is_printed_with_the_id_of_its_request(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(JsonFormatter().format(record))
    logging.getLogger("daybook").addHandler(handler)
    made = service()
    doors = [Middleware(Recorder, folder=lambda: tmp_path, answered_by=lambda: ("doubler:1", None))]
    application.put_before(made, doors, started=lambda _: None)
    [response] = call(made, ("/direct", {"numbers": [0]}))[0]
    logging.getLogger("daybook").removeHandler(handler)
    [entry] = map(json.loads, lines)
    assert response.status_code == 500 and entry["request_id"] == response.headers["x-request-id"]
    assert entry["exception"].endswith("ZeroDivisionError: float division by zero")
