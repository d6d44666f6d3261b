"""Routes that bypass the framework are called with exactly what it would have called them with."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AsyncExitStack
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi import Body as InBody
from fastapi.dependencies.utils import solve_dependencies
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from app.api.access import for_users
from app.api.fast_path import Endpoint
from app.api.route import EdgeRoute
from app.routes import routers_of
from app.settings import Role

HOT = [
    route
    for router in routers_of(Role.ALL)
    for route in router.routes
    if isinstance(route, EdgeRoute) and route.access.hot
]
READING = [route for route in HOT if route.methods == {"GET"}]
_NAMES = ["environment", "exchange", "active", "assigned", "search", "cursor", "limit", "stray"]
_TEXTS = [
    "",
    "live",
    "testnet",
    "okx",
    "true",
    "0",
    "maybe",
    "50",
    "0x1",
    "201",
    "\x00",
    "é",
    "A" * 300,
]
queries = st.lists(
    st.tuples(st.sampled_from(_NAMES), st.sampled_from(_TEXTS) | st.text(max_size=5)), max_size=6
)


class Stub:
    """Stands for all dependencies of services, which are created but not called."""

    def __getattr__(self, _name: str) -> Any:
        return self

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self

    def __int__(self) -> int:
        return 1


def request(query: list[tuple[str, str]], path: dict[str, str], headers: dict[str, str]) -> Request:
    return Request(
        {
            "type": "http",
            "method": "GET",
            "path": "/",
            "query_string": urlencode(query, errors="surrogatepass").encode(),
            "headers": [(name.encode(), text.encode()) for name, text in headers.items()],
            "path_params": path,
            "app": Stub(),
            "state": {
                "work": Stub(),
                "caller": Stub(),
                "config_rows": Stub(),
                "config_glance": Stub(),
                "admitted_at": 0.0,
            },
        }
    )


async def by_framework(route: APIRoute, asked: Request) -> tuple[dict[str, Any], list[Any]]:
    async with AsyncExitStack() as stack:
        asked.scope["fastapi_inner_astack"] = asked.scope["fastapi_function_astack"] = stack
        solved = await solve_dependencies(
            request=asked,
            dependant=route.dependant,
            async_exit_stack=stack,
            embed_body_fields=False,
        )
    return solved.values, solved.errors


async def directly(route: APIRoute, asked: Request) -> tuple[dict[str, Any], list[Any]]:
    endpoint = Endpoint.simple(route.dependant)
    assert endpoint is not None
    errors: list[Any] = []
    return await endpoint.arguments(asked, {}, errors), errors


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values without the services, which are of equal type but not equal."""
    return {
        name: value if isinstance(value, str | int | None) else type(value)
        for name, value in values.items()
    }


def comparable(errors: Sequence[Any]) -> list[Any]:
    """Return the errors with their context as text: two equal exceptions are not equal."""
    return [{**error, "ctx": repr(error.get("ctx"))} for error in errors]


@pytest.mark.parametrize("route", READING, ids=lambda route: route.operation_id)
@settings(max_examples=30)
@given(query=queries, key_id=st.sampled_from([str(uuid4()), "no-id", ""]))
async def test_a_reading_route_gets_what_the_framework_would_give_it(
    route: EdgeRoute, query: list[tuple[str, str]], key_id: str
) -> None:
    path = {"key_id": key_id, "bot_id": key_id}
    asked = request(query, path, {"if-none-match": '"tag"'})

    values, errors = await directly(route, asked)
    expected, faults = await by_framework(route, asked)

    assert comparable(errors) == comparable(faults)
    if not faults:
        assert plain(values) == plain(expected)


router = APIRouter()


class Body(BaseModel):
    number: int


async def shared() -> object:
    return object()


def threaded() -> int:
    return 1


Shared = Annotated[object, Depends(shared)]


@router.get("/twice")
async def twice(one: Shared, other: Shared, needed: int) -> Response:
    return Response(f"{one is other} {needed}")


@router.get("/thread")
async def in_thread(one: Annotated[int, Depends(threaded)]) -> Response:
    return Response(str(one))


@router.get("/list")
async def many(number: Annotated[list[int], Query()]) -> Response:
    return Response(str(number))


@router.get("/model")
async def model(query: Annotated[Body, Query()]) -> Response:
    return Response(str(query))


@router.get("/document")
async def document(number: int) -> dict[str, int]:
    return {"number": number}


@router.get("/response")
async def sets_headers(response: Response, x_one: Annotated[str, Header()]) -> Response:
    return Response(x_one, headers=dict(response.headers))


@router.post("/optional")
async def optional(one: int, sent: Body = Body(number=7)) -> Response:  # noqa: B008  # as routes do
    return Response(f"{one} {sent.number}")


@router.post("/body/{one}")
async def body(one: int, sent: Body) -> Response:
    return Response(f"{one} {sent.number}")


@router.post("/embedded")
async def embedded(sent: Annotated[Body, InBody(embed=True)]) -> Response:
    return Response(str(sent))


@router.post("/two")
async def two(sent: Body, other: Body) -> Response:
    return Response(f"{sent} {other}")


ROUTES = {route.path: route for route in router.routes if isinstance(route, APIRoute)}


@pytest.mark.parametrize(
    "path", ["/thread", "/list", "/model", "/document", "/response", "/embedded", "/two"]
)
def test_what_only_the_framework_can_do_is_left_to_it(path: str) -> None:
    assert Endpoint.simple(ROUTES[path].dependant) is None


async def test_what_two_parameters_depend_on_is_made_once_for_a_request() -> None:
    endpoint = Endpoint.simple(ROUTES["/twice"].dependant)
    assert endpoint is not None
    answer = await endpoint.answer(request([("needed", "3")], {}, {}))
    assert answer.body == b"True 3"


async def test_a_body_that_may_be_left_out_has_its_default() -> None:
    endpoint = Endpoint.simple(ROUTES["/optional"].dependant)
    assert endpoint is not None
    asked = with_body(b"", {})
    asked.scope["query_string"] = b"one=1"
    answer = await endpoint.answer(asked)
    assert answer.body == b"1 7"


# Only within the bounds of app.kit.bounded_json: what exceeds them, only our parser refuses.
BODIES = (
    b"",
    b"{",
    b"\xff\xfe{",
    b'{"number": "\xff"}',
    b"[" * 20,
    b"NaN",
    b"null",
    b"[]",
    b'"text"',
    b'{"number": 1}',
    b'{"number": "x"}',
    b"{} {}",
    b'{"number": "5"}',
    b'{"number": 1e400}',
    b'\xef\xbb\xbf{"number": 1}',
    b"  {}  ",
)


def with_body(sent: bytes, path: dict[str, str]) -> Request:
    asked = request([], path, {"content-type": "application/json"})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": sent, "more_body": False}

    return Request({**asked.scope, "method": "POST"}, receive)


async def outcome(answering: Awaitable[Response]) -> Any:
    try:
        return bytes((await answering).body)
    except RequestValidationError as error:
        return comparable(error.errors())
    except HTTPException as error:
        return error.status_code


@pytest.mark.parametrize("path", ["/body/{one}", "/optional"])
@pytest.mark.parametrize("sent", BODIES, ids=range(len(BODIES)))
async def test_a_body_is_read_and_refused_as_the_framework_would(path: str, sent: bytes) -> None:
    endpoint = Endpoint.simple(ROUTES[path].dependant)
    assert endpoint is not None
    for one in ("1", "x"):
        direct = await outcome(endpoint.answer(with_body(sent, {"one": one})))
        asked = with_body(sent, {"one": one})
        async with AsyncExitStack() as stack:
            for name in ("middleware", "inner", "function"):
                asked.scope[f"fastapi_{name}_astack"] = stack
            assert direct == await outcome(ROUTES[path].get_route_handler()(asked))


async def test_every_fault_is_reported() -> None:
    endpoint = Endpoint.simple(ROUTES["/twice"].dependant)
    assert endpoint is not None
    with pytest.raises(RequestValidationError) as raised:
        await endpoint.answer(request([], {}, {}))
    _, faults = await by_framework(ROUTES["/twice"], request([], {}, {}))
    assert raised.value.errors() == faults
    assert [fault["loc"] for fault in faults] == [("query", "needed")]


def test_these_routes_are_hot() -> None:
    assert {route.operation_id for route in HOT} == {
        "getConfig",
        "getSummary",
        "listBotEvents",
        "listEquitySnapshots",
        "listFunding",
        "listInstruments",
        "listKeys",
        "listPositions",
        "listSignals",
        "listTrades",
        "releaseCredentials",
        "reportEquitySnapshots",
        "reportEvents",
        "reportFunding",
        "reportOrders",
        "reportPosition",
        "reportSignals",
        "reportTrades",
        "sendHeartbeat",
        "streamConfig",
    }


async def streamed() -> AsyncIterator[int]:
    yield 1


def test_a_hot_route_that_only_the_solver_can_call_is_found_at_start() -> None:
    @for_users(hot=True)
    async def endpoint(one: Annotated[int, Depends(streamed)]) -> Response:
        return Response(str(one))

    with pytest.raises(TypeError, match="endpoint is hot"):
        EdgeRoute("/streamed", endpoint, methods=["GET"])
