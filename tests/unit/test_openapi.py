"""The OpenAPI document has what the gate and the recorder answer."""

from http import HTTPStatus

import pytest

from daybook.gate import Gate
from daybook.openapi import ErrorResponse, describe

REFUSALS = {400, 401, 408, 413, 415, 500, 503, 504}


def document(with_key: bool) -> dict:
    """BentoML's document of a service, described."""
    good = {"200": {"description": "Successful Response"}}
    about = {"description": "One prediction for each row.\n\nIn their order."}
    paths = {"/predict": {"post": {"requestBody": {"content": {}}, "responses": dict(good)} | about}}
    paths |= {path: {"get": {"responses": dict(good)}} for path in ("/metrics", *Gate.probes)}
    words = {"info": {"title": "demand", "description": "Predicts rentals."}, "components": {"schemas": {"Row": {}}}}
    return describe({"openapi": "3.0.2", "paths": paths} | words, "demand:v1", with_key)


def test_describe_adds_refusals_to_what_has_a_body() -> None:
    predict = document(with_key=False)["paths"]["/predict"]["post"]
    assert predict["responses"].keys() == {"200"} | REFUSALS and predict["requestBody"]["required"]
    for status in REFUSALS:
        assert predict["responses"][status]["description"] == HTTPStatus(status).phrase
        content = predict["responses"][status]["content"]["application/json"]
        assert content["schema"] == {"$ref": "#/components/schemas/ErrorResponse"}
    assert all(response["headers"]["X-Request-ID"]["required"] for response in predict["responses"].values())
    schemas = document(with_key=False)["components"]["schemas"]  # a generated client has one class for all refusals
    assert schemas == {"Row": {}, "ErrorResponse": ErrorResponse.model_json_schema()}


def test_describe_says_what_answers_and_what_a_route_is_for() -> None:
    described = document(with_key=False)
    assert described["info"] == {"title": "demand", "description": "Predicts rentals.", "version": "demand:v1"}
    assert described["paths"]["/predict"]["post"]["summary"] == "One prediction for each row."
    assert "summary" not in described["paths"]["/metrics"]["get"]


def test_describe_lets_pages_be_refused_for_want_of_a_key_only() -> None:
    paths = document(with_key=False)["paths"]
    assert paths["/metrics"]["get"]["responses"].keys() == {"200", 401}
    assert all(paths[path]["get"]["responses"].keys() == {"200"} for path in Gate.probes)


@pytest.mark.parametrize("with_key", [True, False])
def test_describe_names_the_key_where_one_is_wanted(with_key: bool) -> None:
    described = document(with_key)
    calls = {path: call for path, methods in described["paths"].items() for call in methods.values()}
    secured = {path for path, call in calls.items() if call.get("security") == [{"bearer": []}, {"header": []}]}
    assert secured == ({"/predict", "/metrics"} if with_key else set())
    assert described["components"].keys() == {"schemas", "securitySchemes"}
    assert described["openapi"] == "3.1.0"
