"""What surrounds the routes: every error is answered, and hot routes are found as by a search."""

from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Response
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from app.api.access import for_users
from app.api.application import Application, DirectRoutes
from app.api.route import EdgeRoute
from app.api.telemetry import Metrics, TelemetryMiddleware
from app.main import create_app
from app.settings import Role, Settings


def hot(path: str, method: str = "GET") -> EdgeRoute:
    async def endpoint() -> Response:
        return Response()

    return EdgeRoute(path, for_users(hot=True)(endpoint), methods=[method])


class Router:
    """Stands for the router, and notes what it had to search for."""

    def __init__(self) -> None:
        self.searched: list[str] = []

    async def __call__(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        self.searched.append(scope["path"])


async def found(routes: list[Any], method: str, path: str, root: str = "") -> Any:
    """Return the route that a request reaches directly; raise `LookupError` if none is."""
    router = Router()
    scope: Scope = {"type": "http", "method": method, "path": path, "root_path": root}
    for route in routes:

        async def reached(_scope: Scope, _receive: Receive, _send: Send) -> None:
            pass

        route.app = reached

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    await DirectRoutes(router, routes)(scope, nothing, nothing)
    if router.searched:
        raise LookupError
    route = scope["route"]
    match, noted = route.matches({**scope, "path_params": {}})
    assert match is Match.FULL
    assert {name: scope[name] for name in noted} == noted
    return route


async def test_a_hot_route_is_found_by_its_path_alone() -> None:
    read, write, one = hot("/v1/a"), hot("/v1/a", "POST"), hot("/v1/{name}")
    routes = [read, write, one]
    assert await found(routes, "GET", "/v1/a") is read
    assert await found(routes, "POST", "/v1/a") is write
    assert await found(routes, "GET", "/below/v1/a", root="/below") is read
    for method, path in [
        ("GET", "/v1/b"),
        ("GET", "/v1/a/"),
        ("GET", "/v1/a\n"),
        ("PUT", "/v1/a"),
        ("HEAD", "/v1/a"),
    ]:
        with pytest.raises(LookupError):
            await found(routes, method, path)
    with pytest.raises(LookupError):  # the router would reach the other one
        await found([one, read], "GET", "/v1/a")


async def test_a_hot_route_that_ends_in_a_parameter_is_found_by_what_precedes_it() -> None:
    read, write, further = hot("/v1/a/{b}"), hot("/v1/a/{c}", "PUT"), hot("/v1/a/{b}/d")
    routes = [read, write, further]
    for value in ("1", "a b", "ä", "x\n", "{b}"):
        assert await found(routes, "GET", f"/v1/a/{value}") is read
        assert await found(routes, "PUT", f"/v1/a/{value}") is write
    for path in ("/v1/a/", "/v1/a", "/v1/a//", "/v1/a/1/", "/v1/a/1/d", "/v1/b/1"):
        with pytest.raises(LookupError):
            await found(routes, "GET", path)
    for hidden in (
        [hot("/v1/a/one"), read],
        [read, hot("/v1/a/one")],
        [hot("/v1/{a}/{b}"), read],
        [hot("/v1/a/{b:path}"), read],
    ):
        with pytest.raises(LookupError):  # the router is to decide
            await found(hidden, "GET", "/v1/a/1")


@pytest.mark.parametrize("role", Role)
def test_every_hot_route_without_parameters_is_the_one_that_a_search_finds(
    settings: Settings, role: Role
) -> None:
    app = create_app(settings, role)
    direct = DirectRoutes(app.router, app.routes)._routes
    paths = {
        (method, route.path)
        for route in app.routes
        if isinstance(route, EdgeRoute) and route.access.hot and "{" not in route.path
        for method in route.methods or ()
    }
    assert set(direct) == paths
    ending = DirectRoutes(app.router, app.routes)._ending_in_one
    assert bool(ending) is (role is not Role.API)
    for (method, place), route in ending.items():
        direct[method, f"{place}p1"] = route
    for (method, path), route in direct.items():
        scope = {"type": "http", "method": method, "path": path}
        first = next(one for one in app.routes if one.matches(scope)[0] is Match.FULL)
        assert first is route


async def test_an_error_that_nobody_knows_is_answered() -> None:
    """The framework's own last handler is left out."""
    router = APIRouter()

    @router.get("/fails")
    async def fails() -> None:
        raise RuntimeError("PLANTED")

    app = Application()
    app.include_router(router)
    app.add_middleware(TelemetryMiddleware)
    app.state.metrics = Metrics()
    assert isinstance(app.build_middleware_stack(), TelemetryMiddleware)
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        response = await client.get("/fails")
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert "PLANTED" not in response.text
