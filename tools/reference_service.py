"""What the service answers and counts, for the reference: asked of one in this process."""

import os
from collections.abc import Iterator
from pathlib import Path

from reference import code, table
from starlette.testclient import TestClient

from daybook.bento import count_in

# What each route and status is for; `service` checks that none is missing.
ROUTES = {
    "POST /predict": '`{"rows": [...]}`, 1 to 10,000 of them: a prediction for each, in their order',
    "POST /actuals": '`{"actuals": [{"prediction_id": ..., "actual": ...}]}`: what became of predictions',
    "GET /": "the routes, to be tried in a browser; `/docs` leads there",
    "GET /docs.json": "the OpenAPI document",
    "GET /model/": "the model, the bento, and what the model computes on",
    "GET /metrics": "for Prometheus",
    "GET /livez": "the process answers; no key is needed",
    "GET /readyz": "the model is loaded, and the log can be written if `IOLOG_ON_ERROR=fail`; no key is needed",
    "GET /healthz": "the same as `/livez`, for older Kubernetes; no key is needed",
}
STATUSES = {
    400: "the body breaks the contract: `error` says where, `detail` lists each fault",
    401: "the key is missing or wrong",
    404: "there is no such route",
    405: "the route does not take this method: `Allow` says which ones it takes",
    408: "the body did not arrive within `SERVICE_TIMEOUT`, or the head within ten seconds",
    413: "the body is larger than `SERVICE_MAX_BODY_MB`",
    415: "the `Content-Type` is not JSON, or the body is compressed",
    500: "the model failed; the traceback is in the service's output",
    503: "try again later: there are too many bodies or connections, or the log cannot be written",
    504: "there was no response within `SERVICE_TIMEOUT`",
}


def service(home: Path) -> Iterator[str]:
    """Routes, statuses and metrics of the champion that `simulate` left behind."""
    os.environ["IOLOG_MAX_UNSHIPPED_MB"] = "100"  # so that all metrics are there
    count_in(home)
    from bike_demand.service import Service

    with TestClient(Service.to_asgi()) as client:
        document, page = client.get("/docs.json").json(), client.get("/metrics").text
        found = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
        found |= {f"GET {path}" for path in ("/", "/docs.json", "/model/") if client.get(path).status_code == 200}
    statuses = {int(status) for status in document["paths"]["/predict"]["post"]["responses"]} - {200} | {
        405
    }  # of another method
    if wrong := (found ^ ROUTES.keys()) | (statuses ^ STATUSES.keys()):
        raise ValueError(f"ROUTES and STATUSES do not describe the service as it is: {wrong}")
    yield "## The service\n"
    yield table(["route", ""], ([code(route), about] for route, about in ROUTES.items()))
    yield (
        "Each response to a POST has an `X-Request-ID`, also one that is refused, whose body is"
        ' `{"error": ..., "request_id": ...}`. [The log](#a-line-of-the-log) has both. What is no HTTP/1.1, has a head'
        " that is too large (431) or too slow, or exceeds the number of connections is refused without an id and is not"
        " logged: the service's output says so.\n"
    )
    yield table(["status", "reason"], ([code(status), reason] for status, reason in STATUSES.items()))
    lines = page.splitlines()
    about = dict(line.split(" ", 3)[2:] for line in lines if line.startswith("# HELP "))
    kinds = dict(line.split(" ", 3)[2:] for line in lines if line.startswith("# TYPE "))
    yield "### Metrics\n\nAt `/metrics`. Those of requests have BentoML's names and labels, among them `endpoint`.\n"
    yield table(["metric", "type", "meaning"], ([code(name), kinds[name], about[name]] for name in sorted(about)))
