"""Any input gets a JSON document with a request id, and never a status of 500 or above."""

import json
from collections.abc import AsyncIterator, Sequence
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from app.api.body_limit import FILE, ORDINARY
from app.api.pagination import IdCursors
from app.settings import Role
from tests.support.routes import RouteUnderTest, routes_of, set_up
from tests.support.world import World

ROUTES = routes_of(Role.ALL)
WITH_BODY = [route for route in ROUTES if route.takes_body]
IN_ONE_PIECE = [route for route in WITH_BODY if not route.access.files]
"""Routes that have read the whole body before they look at it."""
LISTS = [
    route
    for route in ROUTES
    if "cursor" in {parameter["name"] for parameter in route.operation.get("parameters", [])}
]

ODD = {
    "nothing": "",
    "a NUL": "\x00",
    "a NUL within": "a\x00b",
    "a lone surrogate": "\ud800",
    "a surrogate pair in two": "\udbff\udfff",
    "not a character": "￿",
    "a control character": "\x1b[2J",
    "right to left": "\u202eabc",
    "many marks": "a" + "\u0301" * 2000,
    "very long": "x" * 100_000,
    "quotes": "'\"`;--\\",
    "a format": "%s%n{0}{{}}$1:name",
    "another line": "a\r\nX-Injected: yes",
    "an emoji": "👩‍👩‍👧‍👦",
    "digits of another script": "١٢٣",
}

NO_TEXTS: list[Any] = [None, 0, -1, 2**63, 10**400, 1.5, True, [], {}, [[]], {"a": {"b": []}}]


def each(routes: Sequence[RouteUnderTest]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("route", routes, ids=lambda route: route.operation_id)


some_or_all = pytest.mark.parametrize(
    "of", [3, pytest.param(1, marks=pytest.mark.torture)], ids=["some", "all"]
)
"""Whether a route gets one of three combinations, another third than its neighbours, or each."""


def share(cases: Sequence[Any], route: RouteUnderTest, of: int) -> Sequence[Any]:
    return cases[ROUTES.index(route) % of :: of]


def checked(answer: httpx.Response) -> httpx.Response:
    """Check what holds for every response, and return it."""
    assert answer.status_code < 500, answer.text
    request_id = answer.headers["x-request-id"]
    assert request_id.isprintable()
    assert "x-injected" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "cache-control" in answer.headers
    if answer.status_code >= 400 and answer.request.method != "HEAD":
        assert answer.headers["content-type"] == "application/problem+json"
        document = answer.json()
        assert {"type", "title", "status", "code", "detail", "request_id"} <= set(document)
        assert document["request_id"] == request_id
        assert document["status"] == answer.status_code
        assert document["type"] == f"urn:botkeys:problem:{document['code']}"
    return answer


async def send(world: World, method: str, path: str, token: str, **options: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
    return checked(await world.http.request(method, path, headers=headers, **options))


@each(WITH_BODY)
@some_or_all
async def test_odd_text_in_any_member_is_refused_or_taken_and_never_fails(
    world: World, route: RouteUnderTest, of: int
) -> None:
    stage = await set_up(world, route)
    token = stage.caller.token
    texts = [name for name, value in stage.body.items() if isinstance(value, str)]
    pairs = share(list(product(ODD.values(), texts)), route, of)
    bodies: list[Any] = [{**stage.body, name: odd} for odd, name in pairs]
    bodies += [dict.fromkeys(stage.body, odd) for odd in NO_TEXTS]
    bodies += [{odd: 1} for odd in ODD.values()]
    for body in bodies:
        await send(
            world,
            route.method,
            stage.path,
            token,
            content=json.dumps(body),
            headers={"Content-Type": "application/json"},
        )


RAW = {
    "nothing": b"",
    "white space": b" \n",
    "half a text": b'{"name": "a',
    "two texts": b'{"name": "a"}{"name": "b"}',
    "no object": b'"name"',
    "a number": b"1",
    "null": b"null",
    "NaN": b'{"name": NaN, "active": Infinity, "label": -Infinity}',
    "a long number": b'{"name": ' + b"9" * 10_000 + b"}",
    "a large exponent": b'{"name": 1e99999}',
    "deep lists": b"[" * 50_000,
    "deep objects": b'{"name":' * 8_000,
    "deep and closed": b'{"name":' + b"[" * 900 + b"]" * 900 + b"}",
    "not UTF-8": b'{"name": "\xff\xfe\xfa"}',
    "an overlong form": b'{"name": "\xc0\x80"}',
    "a comment": b'{"name": "a"} // b',
    "many members": b"{" + b",".join(b'"m%d": 1' % n for n in range(5_000)) + b"}",
    "a member named twice": b'{"name": "a", "label": "a", "name": {}, "label": {}}',
    "an object's own": b'{"__proto__": {}, "__class__": {}, "constructor": {}}',
}

LEFT_OUT = {"nothing", "null"}
"""No body at all, which some routes accept."""
DEAR = {"deep lists", "deep objects", "many members"}
"""Bodies of the maximum size, which are as slow for all routes: one route of a kind suffices."""


def kind_of(route: RouteUnderTest) -> tuple[bool, ...]:
    return route.access.for_bots, route.access.action is None, route.takes_body


def limit_of(world: World, route: RouteUnderTest) -> int:
    """Return how large a body of this route may be."""
    if route.access.files:
        return FILE
    return world.context.settings.body_limit if route.access.batches else ORDINARY


BY_KIND = {kind_of(route): route for route in ROUTES}


@each(WITH_BODY)
async def test_a_body_that_is_no_proper_json_is_refused(
    world: World, route: RouteUnderTest
) -> None:
    stage = await set_up(world, route)
    needed = route.operation["requestBody"].get("required", False)
    for name, content in RAW.items():
        if name in LEFT_OUT and not needed:
            continue
        if name in DEAR and route not in BY_KIND.values():
            continue
        answer = await send(
            world,
            route.method,
            stage.path,
            stage.caller.token,
            content=content,
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == (422 if len(content) <= limit_of(world, route) else 413)


@each(WITH_BODY)
async def test_a_body_of_another_type_is_refused(world: World, route: RouteUnderTest) -> None:
    stage = await set_up(world, route)
    for kind in ("text/plain", "application/xml", "multipart/form-data", "application/jsonx", ";"):
        answer = await send(
            world,
            route.method,
            stage.path,
            stage.caller.token,
            content=json.dumps(stage.body),
            headers={"Content-Type": kind},
        )
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@each(IN_ONE_PIECE)
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_body_over_the_limit_is_refused_announced_or_streamed(
    world: World, route: RouteUnderTest, streamed: bool
) -> None:
    stage = await set_up(world, route)
    limit = limit_of(world, route)
    sent = 0

    async def stream() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 3 * limit:
            sent += limit // 16
            yield b" " * (limit // 16)

    answer = await send(
        world,
        route.method,
        stage.path,
        stage.caller.token,
        content=stream() if streamed else b" " * (limit + 1),
        headers={"Content-Type": "application/json"},
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert answer.json()["limit"] == limit
    assert sent < 2 * limit


async def test_a_body_just_within_the_limit_is_read(world: World) -> None:
    limit = ORDINARY
    body = b'{"name": "a"}'
    answer = await send(
        world,
        "POST",
        "/v1/bots",
        world.user().token,
        content=body + b" " * (limit - len(body)),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 201


ESCAPED = ["%00", "%ed%a0%80", "%ff", "%2e%2e%2f", "%0d%0aX-Injected:%20yes", "a" * 9000]


@each(ROUTES)
@some_or_all
async def test_odd_text_in_address_and_query_never_fails(
    world: World, route: RouteUnderTest, of: int
) -> None:
    stage = await set_up(world, route)
    token = stage.caller.token
    found = route.operation.get("parameters", [])
    queries = {parameter["name"] for parameter in found if parameter["in"] == "query"}
    for odd, name in product(ESCAPED, route.parameters):
        answer = await send(world, route.method, stage.elsewhere(**{name: odd}), token)
        assert answer.status_code in {404, 405, 415, 422}
    for odd, name in share(list(product(ESCAPED, sorted(queries))), route, of):
        await send(world, route.method, f"{stage.path}?{name}={odd}", token)
    for odd in ESCAPED:
        await send(world, route.method, f"{stage.path}?{odd}={odd}", token)


VALUES = [b"", b"\x00", b"\xff\xfe", b" ", b'"', b'"1', b"W/", b"*,*", b"," * 500, b"9" * 400]


@each(list(BY_KIND.values()))
async def test_odd_headers_never_fail(world: World, route: RouteUnderTest) -> None:
    stage = await set_up(world, route)
    proof = (b"Authorization", f"Bearer {stage.caller.token}".encode())
    for name in ("If-Match", "If-None-Match", "Idempotency-Key", "X-Request-ID", "X-Account-Id"):
        for value in VALUES:
            headers = [proof, (name.encode(), value)]
            checked(await world.http.request(route.method, stage.path, headers=headers))


@pytest.mark.parametrize(
    "text",
    [
        "a\r\nX-Injected: yes",
        "a\nb",
        "x" * 65,
        "<script>",
        "a b",
        "ä",
        "",
        "../../etc",
        "%0d%0a",
    ],
)
async def test_a_request_id_that_could_be_misread_is_replaced(world: World, text: str) -> None:
    header = (b"X-Request-ID", text.encode())
    answer = checked(await world.http.get("/v1/keys", headers=[header]))
    assert answer.headers["x-request-id"] != text
    assert UUID(answer.headers["x-request-id"])


async def test_a_proper_request_id_is_kept(world: World) -> None:
    sent = f"client.{uuid4()}_1".replace("_", "-")
    answer = checked(await world.http.get("/v1/keys", headers={"X-Request-ID": sent}))
    assert answer.headers["x-request-id"] == sent


@each(LISTS)
async def test_a_cursor_that_was_tampered_with_is_refused(
    world: World, route: RouteUnderTest
) -> None:
    stage = await set_up(world, route)
    cursors = IdCursors(route.path.rpartition("/")[2])
    good = str(cursors.following(uuid4()))
    bad = [
        "",
        "A",
        good[:-1],
        good + "A",
        good + "==",
        good.replace(good[0], "!", 1),
        good[:-1] + ("B" if good[-1] != "B" else "C"),
        "%00" * 16,
        "-" * 200,
        "ä" * 22,
        str(cursors.following(UUID(int=2**128 - 1)))[:-2],
    ]
    for cursor in bad:
        path = f"{stage.path}?cursor={cursor}"
        answer = await send(world, "GET", path, stage.caller.token)
        assert answer.status_code == 422, cursor
        assert answer.json()["errors"][0]["loc"] == ["query", "cursor"]
    for limit in ("0", "-1", "201", "1e3", "nan", "9" * 30, "", "٣"):
        path = f"{stage.path}?limit={limit}"
        answer = await send(world, "GET", path, stage.caller.token)
        assert answer.status_code in {200, 422}
        assert answer.status_code == 422 or limit == "٣"
    for number in (0, 1, 2**63, 2**64, 2**128 - 1):
        path = f"{stage.path}?cursor={cursors.following(UUID(int=number))}"
        await send(world, "GET", path, stage.caller.token)


@pytest.mark.parametrize(
    "path", ["/v1/keys", "/livez", "/openapi.json", "/docs", "/nowhere", "/", "/keys"]
)
async def test_a_method_that_an_address_does_not_take_is_reported_as_a_problem(
    world: World, path: str
) -> None:
    for method in ("PUT", "TRACE", "OPTIONS", "HEAD", "BREW"):
        answer = checked(await world.http.request(method, path))
        if method == "HEAD" and path in {"/openapi.json", "/docs", "/", "/keys"}:
            assert answer.status_code == 200
        elif path == "/nowhere":
            assert answer.status_code == 404
        else:
            assert answer.status_code == 405
            assert answer.headers["allow"]


NOWHERE = [
    "/v1",
    "/v1/",
    "/v1/keys/",
    "//v1/keys",
    "/V1/keys",
    "/v1/keys/../bots",
    "/.env",
    "/static/../app/main.py",
    "/static/%2e%2e/main.py",
    "/static/swagger-ui/../../main.py",
    "/static//etc/passwd",
    "/static",
    "/static/",
]


@pytest.mark.parametrize("path", NOWHERE)
async def test_an_address_that_is_none_is_reported_as_a_problem(world: World, path: str) -> None:
    url = httpx.URL("http://botkeys.test").copy_with(raw_path=path.encode())
    answer = checked(await world.http.get(url))
    assert answer.status_code in {401, 404}
    assert "create_app" not in answer.text


async def test_a_host_that_is_none_never_fails(world: World) -> None:
    user = world.user()
    for host in ("[", "[::1", "a b", "x" * 5000, "evil.example:99999999", "", "@"):
        for path in ("/v1/bots", "/docs", "/static/none", "/nowhere"):
            headers = {"Host": host, "Idempotency-Key": str(uuid4())}
            await send(world, "POST", path, user.token, headers=headers, json={"name": "a"})


@each([route for route in ROUTES if route.access.replayable])
async def test_idempotency_keys_of_two_accounts_do_not_meet(
    world: World, route: RouteUnderTest
) -> None:
    """The same key of another account is a different key and replays no other response."""
    key = {"Idempotency-Key": "the-same"}
    bob, alice = await set_up(world, route, "bob"), await set_up(world, route, "alice")
    first = checked(await bob.call(**key))
    assert first.is_success
    again = checked(await bob.call(**key))
    assert again.headers["idempotency-replayed"] == "true"
    assert again.content == first.content
    other = checked(await alice.call(**key))
    assert other.is_success
    assert "idempotency-replayed" not in other.headers
    if route.access.while_closing:  # an account that was closed accepts nothing else
        problem = await bob.caller.delete(bob.path + "?force=true", headers=key)
    else:
        problem = await bob.caller.post("/v1/bots", {"name": "Of another request"}, headers=key)
    assert problem.json()["code"] == "idempotency_key_reused"
