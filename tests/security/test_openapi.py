"""The OpenAPI document states all that a client needs, and the service behaves as documented."""

import asyncio
import json
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import CHECKS
from schemathesis.core.failures import FailureGroup

from app.settings import Role
from tests.support.routes import RouteUnderTest, document_of, routes_of, set_up
from tests.support.world import World

ROUTES = routes_of(Role.ALL)
DOCUMENT = document_of(Role.ALL)
EVENTS = {"/v1/runtime/stream": "Config", "/v1/operations/{operation_id}/stream": "Operation"}
"""The streams, with the schemas of their events."""


def with_events(document: Any) -> Any:
    """Return the document with a schema for each event, as schemathesis reads a stream's.

    OpenAPI 3.1 has no word for it and describes the whole text instead.
    """
    changed = deepcopy(document)
    for path, carried in EVENTS.items():
        stream = changed["paths"][path]["get"]["responses"]["200"]["content"]["text/event-stream"]
        stream["schema"] = _event_of({"const": carried.lower()}, carried)
    of_events = changed["paths"]["/v1/events/stream"]["get"]["responses"]["200"]["content"]
    # Only the first one has a name, and says where the stream begins.
    begins = _event_of({"enum": ["ready", "reset"]}, None)
    further = _event_of({"const": "message"}, "Event")
    further["required"].remove("event")
    of_events["text/event-stream"]["schema"] = {"anyOf": [begins, further]}
    return changed


def _event_of(name: dict[str, Any], carried: str | None) -> dict[str, Any]:
    """Return the schema of events with this name, and with a document of this schema as data."""
    content = {} if carried is None else {"$ref": f"#/components/schemas/{carried}"}
    return {
        "type": "object",
        "required": ["event", "data", "id"],
        "properties": {
            "event": {"type": "string", **name},
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": content,
            },
            "id": {"type": "string"},
            "retry": {"type": "integer", "minimum": 0},
        },
    }


SCHEMA = schemathesis.openapi.from_dict(with_events(DOCUMENT))


ALWAYS = {"X-Request-ID", "ETag", "Location", "Vary"}
"""The headers that every response has where the document names them."""

PROMISED: list[Any] = [
    CHECKS.get_one(name)
    for name in (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
    )
]


def each(routes: Sequence[RouteUnderTest]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("route", routes, ids=lambda route: route.operation_id)


@each(ROUTES)
def test_each_operation_is_named_proved_and_tells_its_problems(route: RouteUnderTest) -> None:
    operation = route.operation
    assert operation["operationId"].isidentifier()
    assert operation["operationId"][0].islower()
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"]
    scheme = "botToken" if route.access.for_bots else "userToken"
    assert operation["security"] == [{scheme: [str(scope) for scope in route.access.scopes]}]
    assert any(status.startswith("2") for status in operation["responses"])
    for status, response in operation["responses"].items():
        assert response["description"]
        if status >= "4":
            examples = response["content"]["application/problem+json"]["examples"]
            assert examples
            for code, example in examples.items():
                assert example["value"]["code"] == code
                assert str(example["value"]["status"]) == status
    assert {"401", "403", "422", "429", "503"} <= set(operation["responses"])
    refused = operation["responses"]["403"]["content"]["application/problem+json"]["examples"]
    assert "account_closing" in refused or route.access.for_bots or route.access.while_closing
    if route.takes_body:
        assert {"413", "415"} <= set(operation["responses"])
    if route.parameters:
        assert "404" in operation["responses"]


@each(ROUTES)
def test_an_idempotency_key_has_its_problems_where_it_is_taken_and_nowhere_else(
    route: RouteUnderTest,
) -> None:
    taken = {parameter["name"] for parameter in route.operation.get("parameters", [])}
    responses = json.dumps(route.operation["responses"])
    assert ("idempotency_key_reused" in responses) == ("Idempotency-Key" in taken)


@each(ROUTES)
def test_a_failed_precondition_is_documented_where_if_match_is_taken_and_nowhere_else(
    route: RouteUnderTest,
) -> None:
    taken = {parameter["name"] for parameter in route.operation.get("parameters", [])}
    assert ("412" in route.operation["responses"]) == ("If-Match" in taken)


def test_no_two_operations_share_a_name() -> None:
    names = [
        operation["operationId"]
        for item in DOCUMENT["paths"].values()
        for operation in item.values()
    ]
    assert len(names) == len(set(names))


@each(ROUTES)
def test_each_parameter_but_an_id_in_the_path_is_described(route: RouteUnderTest) -> None:
    for parameter in route.operation.get("parameters", []):
        if parameter["in"] != "path" or not parameter["name"].endswith("_id"):
            assert parameter["description"], parameter["name"]


@pytest.mark.parametrize("name", sorted(DOCUMENT["components"]["schemas"]))
def test_each_schema_is_described(name: str) -> None:
    assert DOCUMENT["components"]["schemas"][name]["description"]


def to_httpx(case: schemathesis.Case[Any]) -> dict[str, Any]:
    """Return the case as arguments of httpx, whose own JSON encoder rejects a fuzzer's values."""
    sent = case.as_transport_kwargs(base_url="http://botkeys.test")
    del sent["cookies"]
    if "json" in sent:
        sent["content"] = json.dumps(sent.pop("json")).encode()
    data = sent.pop("data", None)
    if isinstance(data, bytes | str):
        sent["content"] = data
    sent["headers"] = {
        name: value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
        for name, value in sent["headers"].items()
    }
    return sent


@each(ROUTES)
@pytest.mark.parametrize("examples", [2, pytest.param(25, marks=pytest.mark.torture)])
async def test_made_up_requests_are_answered_as_documented(
    world: World, route: RouteUnderTest, examples: int
) -> None:
    """Send cases that fit the document and cases that do not, half of them about a real object.

    They differ from run to run. A successful call is checked too.
    """
    stage = await set_up(world, route)
    loop = asyncio.get_running_loop()
    operation = SCHEMA[route.path][route.method]
    seen: list[int] = []
    first = await set_up(world, route, "bob")
    success = await first.call()
    assert success.is_success
    sent = {"body": first.body, "media_type": "application/json"} if route.takes_body else {}
    case = operation.Case(path_parameters=first.values, **sent)
    case.validate_response(success, checks=PROMISED)
    headers = DOCUMENT["paths"][route.path][route.method.lower()]["responses"][
        str(success.status_code)
    ]["headers"]
    # That every answer varies by the page's origin is stated once, of the header.
    if success.headers.get_list("vary") == ["Origin"]:
        del success.headers["vary"]
    assert {name for name in ALWAYS if name in success.headers} == {*headers} & ALWAYS

    def fuzz(mode: schemathesis.GenerationMode) -> None:
        cases = operation.as_strategy(generation_mode=mode)

        @given(case=cases)
        @settings(
            max_examples=examples,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        def run(case: schemathesis.Case[Any]) -> None:
            sent = to_httpx(case)
            if case.id < "V":
                sent["url"] = f"http://botkeys.test{stage.path}"
                for name in ("X-Account-Id", "If-Match"):
                    sent["headers"].pop(name, None)
            sent["headers"]["Authorization"] = f"Bearer {stage.caller.token}"
            answering = asyncio.run_coroutine_threadsafe(world.http.request(**sent), loop)
            answer: httpx.Response = answering.result(30)
            seen.append(answer.status_code)
            case.validate_response(answer, checks=PROMISED)

        try:
            run()
        except FailureGroup as failures:
            raise AssertionError([str(failure) for failure in failures.exceptions]) from None

    for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
        await asyncio.to_thread(fuzz, mode)
    assert len(seen) >= examples
