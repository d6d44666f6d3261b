"""What a cookie opens, and where it counts for nothing: each test walks over all routes."""

import re
from uuid import uuid4

import pytest

from app.settings import Role
from tests.support.browsers import SAME_ORIGIN, Browser, browser, signed_in
from tests.support.dump import dump_of_accounts, without
from tests.support.routes import RouteUnderTest, routes_of, set_up
from tests.support.world import World

ROUTES = routes_of(Role.ALL)
USERS = [route for route in ROUTES if not route.access.for_bots]
BOTS = [route for route in ROUTES if route.access.for_bots]

ELSEWHERE: list[dict[str, str]] = [
    {},
    {"X-Botkeys": "1"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "cross-site", "X-Botkeys": "1"},
    {"Sec-Fetch-Site": "same-site", "X-Botkeys": "1"},
    {"Sec-Fetch-Site": "none", "X-Botkeys": "1"},
    {"Sec-Fetch-Site": "same-origin, cross-site", "X-Botkeys": "1"},
    {"Sec-Fetch-Site": "same-origin", "X-Botkeys": "1, 1"},
]
"""Headers of requests that no script of our own page sent."""

LOG_OF_REFUSALS = ("audit_events", "audit_heads", "accounts", "dashboard_sessions")


def each(routes: list[RouteUnderTest]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("route", routes, ids=lambda route: route.operation_id)


def repeated(page: Browser) -> list[tuple[str, str]]:
    """Return our page's headers with one of them twice, and the cookie twice."""
    cookie = f"{page.cookie_name}={page.cookie}"
    return [*SAME_ORIGIN.items(), ("Cookie", f"{cookie}; {cookie}")]


@each(USERS)
async def test_a_route_for_users_takes_the_cookie_of_our_own_page_alone(
    world: World, route: RouteUnderTest
) -> None:
    """Rule R70."""
    stage = await set_up(world, route)
    alice, bob = await signed_in(world), await signed_in(world, "bob")
    before = without(await dump_of_accounts(world.context.database), *LOG_OF_REFUSALS)

    for headers in ELSEWHERE:
        answer = await alice.http.request(route.method, stage.path, headers=headers)
        assert (answer.status_code, answer.json()["reason"]) == (401, "missing"), headers
    nobody = await browser(world.app).call(route.method, stage.path, stage.body)
    assert (nobody.status_code, nobody.json()["reason"]) == (401, "missing")
    twice = browser(world.app)
    answer = await twice.http.request(route.method, stage.path, headers=repeated(alice))
    assert (answer.status_code, answer.json()["reason"]) == (401, "missing")
    acting = await alice.call(route.method, stage.path, stage.body, headers={"X-Account-Id": "bob"})
    assert (acting.status_code, acting.json()["required"]) == (403, "act_as")
    # A token is looked at first, and the cookie beside it counts for nothing.
    both = await alice.call(
        route.method, stage.path, stage.body, headers={"Authorization": "Bearer x"}
    )
    assert (both.status_code, both.json()["code"]) == (401, "unauthenticated")
    if route.parameters:
        answer = await bob.call(route.method, stage.path, stage.body)
        assert answer.status_code in {404, 409, 422}, answer.text
    after = without(await dump_of_accounts(world.context.database), *LOG_OF_REFUSALS)
    assert after == before

    answer = await alice.call(route.method, stage.path, stage.body)
    assert answer.is_success, answer.text


async def test_a_route_for_bots_takes_no_cookie(world: World) -> None:
    page = await signed_in(world)
    bot = (await world.user().ready_bot())[0]
    for cookie in (page.cookie, bot.token):
        page.take(cookie)
        for route in BOTS:
            answer = await page.call(route.method, somewhere(route))
            assert (answer.status_code, answer.json()["reason"]) == (401, "missing")


async def test_a_session_that_was_ended_opens_no_route(world: World) -> None:
    page, other = await signed_in(world), await signed_in(world)
    assert (await other.delete(f"/v1/sessions/{page.session_id}")).status_code == 204
    ended = page.cookie
    for route in USERS:
        page.take(ended)
        answer = await page.call(route.method, somewhere(route))
        assert (answer.status_code, answer.json()["code"]) == (401, "session_expired"), answer.text


def somewhere(route: RouteUnderTest) -> str:
    return re.sub(r"\{\w+\}", str(uuid4()), route.path)
