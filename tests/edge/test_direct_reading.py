"""Reading routes are called directly: with just what the framework would have called them with."""

from contextlib import AsyncExitStack
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.dependencies.utils import solve_dependencies
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from app.edge.reading import Endpoint
from app.edge.route import EdgeRoute
from app.main import ROUTERS

READING = [
    route
    for routers in ROUTERS.values()
    for router in routers
    for route in router.routes
    if isinstance(route, EdgeRoute) and route.methods == {"GET"}
]
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
    """Stands for the unit of work: services are made of it, and not called."""

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
            "state": {"unit": Stub()},
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
    """Without the services: they are of equal type, and not equal."""
    return {
        name: value if isinstance(value, str | int | None) else type(value)
        for name, value in values.items()
    }


def comparable(errors: list[Any]) -> list[Any]:
    """With what an error holds as text: two equal exceptions are not equal."""
    return [{**error, "ctx": repr(error.get("ctx"))} for error in errors]


@pytest.mark.parametrize("route", READING, ids=lambda route: route.operation_id)
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


@router.post("/body")
async def body(sent: Body) -> Response:
    return Response(str(sent))


@router.post("/optional")
async def optional(one: int, sent: Body = Body(number=7)) -> Response:  # noqa: B008  # as routes do
    return Response(f"{one} {sent.number}")


ROUTES = {route.path: route for route in router.routes if isinstance(route, APIRoute)}


@pytest.mark.parametrize("path", ["/thread", "/list", "/model", "/document", "/response", "/body"])
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
    answer = await endpoint.answer(request([("one", "1")], {}, {}))
    assert answer.body == b"1 7"


async def test_every_fault_is_told() -> None:
    endpoint = Endpoint.simple(ROUTES["/twice"].dependant)
    assert endpoint is not None
    with pytest.raises(RequestValidationError) as raised:
        await endpoint.answer(request([], {}, {}))
    _, faults = await by_framework(ROUTES["/twice"], request([], {}, {}))
    assert raised.value.errors() == faults
    assert [fault["loc"] for fault in faults] == [("query", "needed")]


def test_the_hot_routes_are_among_those_called_directly() -> None:
    direct = {route.operation_id for route in READING if Endpoint.simple(route.dependant)}
    assert {"listKeys", "getKey", "listBots", "getConfig", "listAuditEvents"} <= direct
