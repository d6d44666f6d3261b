"""What pages of other origins may do from a browser (CORS), asked as browsers ask."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx

from app.api.cross_origin import METHODS, REQUEST_HEADERS, RESPONSE_HEADERS
from app.api.openapi_headers import HEADERS
from app.api.streaming import StreamLimits
from app.context import Context
from app.settings import Mode, Role, Settings
from tests.support.routes import document_of, one_time_key, routes_of
from tests.support.streaming import streaming
from tests.support.world import User, World, application, served

PAGE, OTHER, HERE = "https://dashboard.example", "https://evil.example", "http://localhost:5173"
SAFE_TO_SEND, SAFE_METHODS = {"accept"}, {"get", "head", "post"}
SAFE_TO_READ = {
    "cache-control",
    "content-language",
    "content-length",
    "content-type",
    "expires",
    "last-modified",
    "pragma",
}
"""What browsers let every page send and read."""

OF_NO_USE = {"vary", "set-cookie"}
"""What an answer says to caches, and what a page can never read."""


async def preflight(
    http: httpx.AsyncClient, path: str, method: str, *headers: str, origin: str = HERE
) -> httpx.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        # Browsers send the names in lower case, sorted.
        asked["Access-Control-Request-Headers"] = ",".join(sorted(h.lower() for h in headers))
    return await http.options(path, headers=asked)


def words(answer: httpx.Response, name: str) -> set[str]:
    return {word.strip().lower() for word in answer.headers.get(name, "").split(",")} - {""}


def passes(answer: httpx.Response, origin: str, method: str, *headers: str) -> bool:
    """Return whether a browser would go on to the request."""
    return (
        answer.is_success
        and answer.headers.get("access-control-allow-origin") == origin
        and method.lower()
        in words(answer, "access-control-allow-methods") | {"get", "head", "post"}
        and {header.lower() for header in headers}
        <= words(answer, "access-control-allow-headers") | SAFE_TO_SEND
    )


@asynccontextmanager
async def with_settings(world: World, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings.model_validate({**world.context.settings.model_dump(), **changes})
    context: Context = replace(world.context, settings=settings)
    async with served(application(context)) as http:
        yield http


async def test_each_header_that_the_api_reads_may_be_sent(world: World) -> None:
    """Rule R76."""
    for path in ("/v1/keys", "/v1/runtime/stream", "/v1/operations/x/stream", "/openapi.json"):
        for header in REQUEST_HEADERS:
            answer = await preflight(world.http, path, "GET", header)
            assert answer.status_code == 204
            assert passes(answer, HERE, "GET", header), (path, header)
            assert not passes(answer, HERE, "GET", header, "X-Botkeys")
            assert "access-control-allow-credentials" not in answer.headers


async def test_every_route_can_be_called_with_every_header_at_once(world: World) -> None:
    for route in routes_of(Role.ALL):
        if not route.path.startswith("/v1/"):
            continue
        path = route.path.replace("{", "").replace("}", "")
        sent = {p["name"] for p in route.operation.get("parameters", ()) if p["in"] == "header"}
        # A service's token, which may act for accounts, has no place in a page.
        wanted = (sent | {"Authorization", "Content-Type"}) - {"Accept", "X-Account-Id"}
        answer = await preflight(world.http, path, route.method, *wanted)
        assert passes(answer, HERE, route.method, *wanted), (route.path, wanted)
    used = {route.method for route in routes_of(Role.ALL)}
    assert used <= set(METHODS)


def test_what_the_document_promises_in_headers_may_be_read() -> None:
    readable = {name.lower() for name in RESPONSE_HEADERS}
    assert {name.lower() for name in HEADERS} - OF_NO_USE <= readable
    in_document = {
        header.lower()
        for operations in document_of(Role.ALL)["paths"].values()
        for operation in operations.values()
        for answer in operation["responses"].values()
        for header in answer.get("headers", {})
    }
    assert readable - in_document == {"allow"}  # of 405, which no operation answers


async def test_answers_name_the_page_and_vary_by_it(world: World) -> None:
    user = world.user()
    for path in ("/v1/keys", "/v1/exchanges", "/v1/trades"):
        asked = await user.get(path, headers={"Origin": HERE})
        assert asked.status_code == 200
        assert asked.headers["access-control-allow-origin"] == HERE
        assert words(asked, "access-control-expose-headers") == {
            name.lower() for name in RESPONSE_HEADERS
        }
        for answer in (asked, await user.get(path)):
            assert "origin" in words(answer, "vary")
            assert "access-control-allow-credentials" not in answer.headers
        unasked = await user.get(path)
        assert "access-control-allow-origin" not in unasked.headers
    assert "accept" in words(await user.get("/v1/trades"), "vary")


async def refusals(world: World, user: User) -> AsyncIterator[tuple[int, httpx.Response]]:
    page = {"Origin": HERE}
    yield 401, await world.http.get("/v1/keys", headers=page)
    yield 403, await world.user(scopes="keys:read").get("/v1/bots", headers=page)
    yield 404, await user.get("/v1/nothing", headers=page)
    yield 405, await user.call("DELETE", "/v1/exchanges", headers=page)
    yield 413, await user.post("/v1/bots", {"name": "x" * 70_000}, headers=page)
    yield (
        415,
        await user.call("POST", "/v1/bots", "x", headers={**page, "Content-Type": "text/xml"}),
    )
    yield 422, await user.post("/v1/bots", {}, headers=page)
    yield 412, await user.patch("/v1/account", {}, headers={**page, "If-Match": '"99"'})


async def test_refusals_can_be_read_by_the_page(world: World) -> None:
    async for status, answer in refusals(world, world.user()):
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == HERE, status
        assert answer.json()["code"]
        shown = {name.lower() for name in answer.headers} - SAFE_TO_READ - OF_NO_USE
        hidden = shown - words(answer, "access-control-expose-headers")
        assert hidden <= {
            "access-control-allow-origin",
            "access-control-expose-headers",
            "x-content-type-options",
        }, status


async def test_a_limit_can_be_read_by_the_page(world: World) -> None:
    bot, _, _ = await world.user().ready_bot()
    for _ in range(world.context.settings.releases_per_hour):
        await bot.post("/v1/runtime/credentials", one_time_key())
    limited = await bot.post("/v1/runtime/credentials", one_time_key(), headers={"Origin": HERE})
    assert limited.status_code == 429
    assert limited.headers["access-control-allow-origin"] == HERE
    assert "retry-after" in words(limited, "access-control-expose-headers")


async def test_a_failure_can_be_read_by_the_page(world: World) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

    app = application(world.context)
    app.state.pipeline = Broken()
    async with served(app) as http:
        failed = await http.get(
            "/v1/keys", headers={"Origin": HERE, "Authorization": f"Bearer {world.user().token}"}
        )
    assert failed.status_code == 500
    assert failed.json()["code"] == "internal_error"
    assert failed.headers["access-control-allow-origin"] == HERE
    assert "x-request-id" in failed.headers


async def test_a_stream_can_be_read_by_the_page_from_where_it_broke_off(busy_world: World) -> None:
    bot = await busy_world.user().mint((await busy_world.user().add_bot())["id"])
    async with streaming(busy_world, StreamLimits()) as there:
        asked = await preflight(
            there.http, "/v1/runtime/stream", "GET", "Authorization", "Last-Event-ID"
        )
        assert passes(asked, HERE, "GET", "Authorization", "Last-Event-ID")
        headers = {"Authorization": f"Bearer {bot.token}", "Origin": HERE, "Last-Event-ID": "x"}
        async with there.http.stream("GET", "/v1/runtime/stream", headers=headers) as answer:
            assert answer.status_code == 200
            assert answer.headers["access-control-allow-origin"] == HERE
            assert "x-request-id" in words(answer, "access-control-expose-headers")


async def test_a_page_of_another_site_is_refused(world: World) -> None:
    """Rule R76."""
    for origin in (OTHER, "null", "http://localhost.evil.example", "*", ""):
        asked = await preflight(world.http, "/v1/keys", "GET", "Authorization", origin=origin)
        assert asked.status_code == 403
        answer = await world.user().get("/v1/keys", headers={"Origin": origin})
        for each in (asked, answer):
            assert "access-control-allow-origin" not in each.headers
            assert "origin" in words(each, "vary")


async def test_the_page_of_the_dashboard_is_for_its_own_origin_alone(world: World) -> None:
    for path in ("/", "/auth/session", "/auth/login", "/livez", "/metrics"):
        asked = await preflight(world.http, path, "GET")
        assert asked.status_code in {404, 405}, path
        answer = await world.http.get(path, headers={"Origin": HERE})
        for each in (asked, answer):
            assert "access-control-allow-origin" not in each.headers, path


async def test_origins_that_are_set_take_the_place_of_those_of_this_machine(world: World) -> None:
    async with with_settings(world, cors_origins=f"{PAGE} http://localhost:9000") as http:
        for origin, permitted in (
            (PAGE, True),
            ("http://localhost:9000", True),
            (HERE, False),
            (OTHER, False),
            ("http://dashboard.example", False),
        ):
            asked = await preflight(http, "/v1/keys", "PUT", "If-Match", origin=origin)
            assert passes(asked, origin, "PUT", "If-Match") == permitted, origin


async def test_production_permits_nobody_unless_it_is_set(world: World) -> None:
    settings = Settings(mode=Mode.PRODUCTION)
    assert not settings.permits_loopback_origins
    async with served(application(replace(world.context, settings=settings))) as http:
        asked = await preflight(http, "/v1/keys", "GET")
        assert "access-control-allow-origin" not in asked.headers
    assert Settings(mode=Mode.DEVELOPMENT).permits_loopback_origins
    assert not Settings(mode=Mode.DEVELOPMENT, cors_origins=PAGE).permits_loopback_origins


async def test_a_preflight_is_kept_and_costs_nothing_but_itself(world: World) -> None:
    """It reaches no route, no limit and no log, and a browser asks again after two hours."""
    app = application(world.context)
    app.state.pipeline = app.state.metrics = None
    async with served(app) as http:
        asked = await preflight(http, "/v1/keys", "POST", "Authorization")
    assert passes(asked, HERE, "POST", "Authorization")
    assert asked.content == b""
    assert asked.headers["access-control-max-age"] == "7200"
    assert words(asked, "vary") == {
        "origin",
        "access-control-request-method",
        "access-control-request-headers",
    }
