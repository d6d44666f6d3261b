"""Promises that hold for every route: each test walks over all routes of the application."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import func, select

from app.auth.scopes import USER_SCOPES, Scope
from app.custody.bot_token import mint
from app.db.models import AuditEvent
from app.settings import Role
from tests.support.dump import dump_of_accounts, without
from tests.support.routes import (
    PUBLIC,
    RouteUnderTest,
    Stage,
    application_of,
    bot_of,
    edge_paths_of,
    paths_of,
    routes_of,
    set_up,
    user_of,
)
from tests.support.world import Bot, World

APP = application_of(Role.ALL)
ROUTES = routes_of(Role.ALL)
USERS = [route for route in ROUTES if not route.access.for_bots]
BOTS = [route for route in ROUTES if route.access.for_bots]
WRITES = [route for route in ROUTES if route.access.action is not None]
NAMING = [route for route in USERS if route.parameters]
SCOPED = [(route, scope) for route in USERS for scope in route.access.scopes]

LOG_OF_REFUSALS = ("audit_events", "audit_heads", "accounts")


def each(routes: Sequence[RouteUnderTest]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("route", routes, ids=lambda route: route.operation_id)


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert (document["status"], document["code"]) == (status, code)
    assert document["request_id"] == answer.headers["x-request-id"]
    return document


async def audit_rows(world: World, account_id: UUID) -> list[Any]:
    async with world.context.database.sessions() as session:
        entries = (
            select(AuditEvent.action, AuditEvent.outcome, AuditEvent.code, AuditEvent.request_id)
            .where(AuditEvent.account_id == account_id)
            .order_by(AuditEvent.sequence)
        )
        return list((await session.execute(entries)).all())


async def audit_count(world: World) -> int:
    async with world.context.database.sessions() as session:
        return (await session.execute(select(func.count()).select_from(AuditEvent))).scalar_one()


async def account_of(stage: Stage) -> UUID:
    if stage.route.access.for_bots:
        return bot_of(stage).account_id
    claims = await stage.world.context.verifier.verify(user_of(stage).token)
    return stage.world.context.verifier.principal(claims, None).account_id


def test_all_that_is_not_public_proves_its_caller() -> None:
    assert paths_of(APP) - edge_paths_of(APP) == PUBLIC
    assert len(ROUTES) >= 13


def test_a_user_s_route_with_an_object_is_tried_with_another_account_s() -> None:
    assert {route.operation_id for route in NAMING} >= {"getKey", "deleteBot", "mintBotToken"}


@each(ROUTES)
async def test_each_route_can_be_called_and_a_write_is_recorded_once(
    world: World, route: RouteUnderTest
) -> None:
    """Rule R30."""
    stage = await set_up(world, route)
    account_id = await account_of(stage)
    before = await audit_rows(world, account_id)

    answer = await stage.call()

    assert answer.is_success, answer.text
    new = (await audit_rows(world, account_id))[len(before) :]
    expected = [] if route.access.action is None else [(route.access.action, "allowed", None)]
    assert [entry[:3] for entry in new] == expected
    assert all(entry.request_id == answer.headers["x-request-id"] for entry in new)


@each(ROUTES)
async def test_without_a_token_nothing_else_is_looked_at(
    world: World, route: RouteUnderTest
) -> None:
    """Not even the body, its type, its size or the Idempotency-Key are considered."""
    path = re.sub(r"\{\w+\}", "not-an-id", route.path)
    requests: list[dict[str, Any]] = [
        {},
        {"content": b"{", "headers": {"Content-Type": "application/json"}},
        {"content": b"{}", "headers": {"Content-Type": "text/plain"}},
        {"content": b"{}", "headers": {"Idempotency-Key": "not one", "If-Match": "nonsense"}},
        {"content": b"x", "headers": {"Content-Length": str(10**9)}},
        {"headers": {"X-Account-Id": "alice"}},
    ]
    for request in requests:
        answer = await world.http.request(route.method, path, **request)
        document = problem(answer, 401, "unauthenticated")
        assert document["reason"] == "missing"
        assert answer.headers["www-authenticate"] == 'Bearer realm="botkeys"'
    assert await audit_count(world) == 0


GARBAGE = [
    "",
    "Bearer",
    "Bearer ",
    "Bearer x",
    "Basic YWxpY2U6cGFzc3dvcmQ=",
    "Bearer a.b.c",
    "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.",
    "Bearer bkb_" + "0" * 92,
    "Bearer bkb_" + "z" * 92,
    "Bearer " + "x" * 20_000,
    "Bearer {token}x",
    "Bearer {token},",
    "{token}",
    "Bearer \xff\xfe",
]


@each(ROUTES)
async def test_a_token_that_is_none_opens_no_route(world: World, route: RouteUnderTest) -> None:
    good = world.user().token if not route.access.for_bots else str(uuid4())
    path = re.sub(r"\{\w+\}", str(uuid4()), route.path)
    for text in GARBAGE:
        header = text.replace("{token}", good).encode("latin-1")
        answer = await world.http.request(
            route.method, path, content=b"{", headers=[(b"Authorization", header)]
        )
        document = answer.json()
        if document["code"] == "wrong_token_kind":
            # It has the form of a token of the other kind, and nothing else was considered.
            assert answer.status_code == 403
            continue
        problem(answer, 401, "unauthenticated")
    assert await audit_count(world) == 0


@each(BOTS)
async def test_a_replaced_token_and_a_made_up_one_open_no_route(
    world: World, route: RouteUnderTest
) -> None:
    stage = await set_up(world, route)
    bot = bot_of(stage)
    former = bot.token
    await world.user().mint(str(bot.id))
    before = await dump_of_accounts(world.context.database)

    for token in (former, mint(bot.account_id, bot.id).reveal(), mint(uuid4(), uuid4()).reveal()):
        bot.token = token
        assert problem(await stage.call(), 401, "unauthenticated")["reason"] == "revoked"
    assert await dump_of_accounts(world.context.database) == before


@each(BOTS)
async def test_a_deleted_bot_s_token_opens_no_route(world: World, route: RouteUnderTest) -> None:
    stage = await set_up(world, route)
    deleted = await world.user().delete(f"/v1/bots/{bot_of(stage).id}")
    assert deleted.status_code == 204

    assert problem(await stage.call(), 401, "unauthenticated")["reason"] == "revoked"


@each(USERS)
async def test_a_user_s_route_refuses_other_callers_and_nothing_changes(
    world: World, route: RouteUnderTest
) -> None:
    """Try an expired token, a duplicate one, a bot's, and a user who names an account."""
    stage = await set_up(world, route)
    user = world.user()
    bot = await user.mint((await user.add_bot())["id"])
    before = await dump_of_accounts(world.context.database)

    for name in ("bob", "alice", ""):
        answer = await stage.call(**{"X-Account-Id": name})
        assert problem(answer, 403, "missing_scope")["required"] == "act_as"
    header = (b"Authorization", f"Bearer {user.token}".encode())
    twice = await world.http.request(route.method, stage.path, headers=[header, header])
    assert problem(twice, 401, "unauthenticated")["reason"] == "malformed"
    stage.caller.token = world.issuer.token("alice", USER_SCOPES, timedelta(hours=-1))
    assert problem(await stage.call(), 401, "unauthenticated")["reason"] == "expired"
    stage.caller.token = bot.token
    assert problem(await stage.call(), 403, "wrong_token_kind")["expected"] == "user"

    assert await dump_of_accounts(world.context.database) == before


@each(BOTS)
async def test_a_bot_s_route_refuses_other_callers_and_nothing_changes(
    world: World, route: RouteUnderTest
) -> None:
    """Try a duplicate token, a user's, and a service's."""
    stage = await set_up(world, route)
    before = await dump_of_accounts(world.context.database)

    header = (b"Authorization", f"Bearer {stage.caller.token}".encode())
    twice = await world.http.request(route.method, stage.path, headers=[header, header])
    assert problem(twice, 401, "unauthenticated")["reason"] == "malformed"
    for token in (world.user().token, world.issuer.token("robot", frozenset(Scope))):
        stage.caller.token = token
        answer = await stage.call(**{"X-Account-Id": "alice"})
        assert problem(answer, 403, "wrong_token_kind")["expected"] == "bot"

    assert await dump_of_accounts(world.context.database) == before


@pytest.mark.parametrize(
    ("route", "scope"), SCOPED, ids=[f"{route.operation_id} {scope}" for route, scope in SCOPED]
)
async def test_a_missing_scope_is_named_and_nothing_changes(
    world: World, route: RouteUnderTest, scope: Scope
) -> None:
    stage = await set_up(world, route)
    account_id = await account_of(stage)
    before = await dump_of_accounts(world.context.database)
    entries = await audit_rows(world, account_id)
    stage.caller.token = world.issuer.token("alice", USER_SCOPES - {scope})

    answer = await stage.call(**{"Idempotency-Key": "a-key-of-its-own"})

    assert problem(answer, 403, "missing_scope")["required"] == scope
    assert f'scope="{scope}"' in answer.headers["www-authenticate"]
    after = await dump_of_accounts(world.context.database)
    assert without(after, *LOG_OF_REFUSALS) == without(before, *LOG_OF_REFUSALS)
    new = (await audit_rows(world, account_id))[len(entries) :]
    action = route.access.action
    expected = [] if action is None else [(action, "refused", "missing_scope")]
    assert [entry[:3] for entry in new] == expected


@each(USERS)
async def test_a_token_without_any_scope_is_refused_wherever_one_is_needed(
    world: World, route: RouteUnderTest
) -> None:
    stage = await set_up(world, route)
    before = await dump_of_accounts(world.context.database)
    stage.caller.token = world.issuer.token("alice", "")
    answer = await stage.call()
    if route.access.scopes:
        problem(answer, 403, "missing_scope")
        assert await dump_of_accounts(world.context.database) == before, "not even recorded"
    else:
        assert answer.is_success


BODIES: list[Any] = [None, {}, [], {"environment": "live"}, {"key_id": str(uuid4())}]


def probes(route: RouteUnderTest) -> list[tuple[Any, dict[str, str]]]:
    """Return what the route reads, wrong in every way, and one of each kind it does not read."""
    named = {parameter["name"] for parameter in route.operation.get("parameters", [])}
    tags = ['"1"', '"999"', "nonsense"] if "If-Match" in named else ['"999"']
    bodies = BODIES if route.takes_body else []
    return [
        *((None, {"If-Match": tag}) for tag in tags),
        *([(None, {"Idempotency-Key": "the-same-for-both"})] if route.access.replayable else []),
        *((body, {}) for body in [*bodies, {"nonsense": True}]),
    ]


@each(NAMING)
async def test_another_account_s_object_answers_like_one_that_is_not_there(
    world: World, route: RouteUnderTest
) -> None:
    """Rule R28. Whatever else is wrong with the request, no response reveals the object."""
    theirs = await set_up(world, route, "bob")
    ours = await set_up(world, route, "alice")
    before = without(await dump_of_accounts(world.context.database), *LOG_OF_REFUSALS)
    for name in route.parameters:
        addresses = (
            ours.elsewhere(**{name: theirs.values[name]}),
            ours.elsewhere(**{name: str(uuid4())}),
        )
        for body, headers in [(ours.body, {}), *probes(route)]:
            answers = []
            for address in addresses:
                answer = await ours.caller.call(route.method, address, body, headers=headers)
                document = answer.json()
                assert document.pop("request_id") == answer.headers.pop("x-request-id")
                answers.append((answer.status_code, document, dict(answer.headers)))
            assert answers[0] == answers[1]
            assert answers[0][0] in {404, 412, 422}
            if not headers and body is ours.body:
                assert (answers[0][0], answers[0][1]["code"]) == (404, "not_found")
    after = without(await dump_of_accounts(world.context.database), *LOG_OF_REFUSALS)
    assert after == before


@each([route for route in USERS if route.method == "GET" and not route.parameters])
async def test_no_list_names_anything_of_another_account(
    world: World, route: RouteUnderTest
) -> None:
    bob = world.user("bob")
    bot, _, key = await bob.ready_bot()
    theirs = (str(bot.id), str(bot.account_id), key["id"], key["masked_key"])
    own = await world.user("alice").add_bot("of alice")
    wanted = {"search": key["label"], "assigned": "true", "limit": "200"}
    documented = {parameter["name"] for parameter in route.operation.get("parameters", [])}
    queries = [f"?{name}={value}" for name, value in wanted.items() if name in documented]
    for query in ("", *queries):
        answer = await world.user("alice").get(route.path + query)
        assert answer.is_success
        assert not [name for name in theirs if name in answer.text]
    if route.path in {"/v1/bots", "/v1/audit-events"}:
        assert own["id"] in (await world.user("alice").get(route.path)).text


@each(USERS)
async def test_a_query_that_the_route_does_not_take_is_refused_and_nothing_happens(
    world: World, route: RouteUnderTest
) -> None:
    """Reject it after authentication, before reading the body or an Idempotency-Key."""
    stage = await set_up(world, route)
    asked = route.operation.get("parameters", [])
    names = sorted(parameter["name"] for parameter in asked if parameter["in"] == "query")
    twice = "&".join(f"{name}=PLANTED&{name}=PLANTED" for name in names)
    repeated = [("repeated", ["query", name]) for name in names]
    unknown = ("extra_forbidden", ["query"])
    other = "force" if "dry_run" in names else "dry_run"
    queries = [
        ("PLANTED", [unknown]),
        (f"{twice}&{other}=PLANTED&x=", [*repeated, unknown, unknown]),
    ]
    if names:
        queries.append((twice, repeated))
    before = without(await dump_of_accounts(world.context.database), *LOG_OF_REFUSALS)
    for (query, faults), body in product(queries, (stage.body, "no object")):
        mark = "&" if "?" in stage.path else "?"
        address, headers = f"{stage.path}{mark}{query}", {"Idempotency-Key": "a-key-of-its-own"}
        answer = await stage.caller.call(route.method, address, body, headers=headers)
        errors = problem(answer, 422, "invalid_request")["errors"]
        assert [(fault["type"], fault["loc"]) for fault in errors] == faults
        assert "PLANTED" not in answer.text
    problem(await world.http.request(route.method, address), 401, "unauthenticated")
    if route.access.scopes:
        stage.caller.token = world.issuer.token("alice", "")
        problem(await stage.caller.call(route.method, address), 403, "missing_scope")
    after = without(await dump_of_accounts(world.context.database), *LOG_OF_REFUSALS)
    assert after == before


@each(BOTS)
async def test_a_bot_may_say_more_in_a_query_than_the_service_knows(
    world: World, route: RouteUnderTest
) -> None:
    stage = await set_up(world, route)
    answer = await stage.caller.call(route.method, f"{stage.path}?since=1&since=2", stage.body)
    assert answer.is_success, answer.text


@pytest.mark.parametrize("body_of", ["assignKey"])
async def test_another_account_s_object_in_a_body_answers_like_one_that_is_not_there(
    world: World, body_of: str
) -> None:
    """Rule R28."""
    route = next(route for route in ROUTES if route.operation_id == body_of)
    theirs = await set_up(world, route, "bob")
    ours = await set_up(world, route, "alice")
    answers = []
    for key_id in (theirs.body["key_id"], str(uuid4())):
        answer = await ours.caller.call(route.method, ours.path, {"key_id": key_id})
        answers.append({**problem(answer, 404, "not_found"), "request_id": ""})
    assert answers[0] == answers[1]


@each(USERS)
async def test_a_service_must_name_the_account_and_acts_in_that_one_alone(
    world: World, route: RouteUnderTest
) -> None:
    stage = await set_up(world, route)
    account_id = await account_of(stage)
    stage.caller.token = world.issuer.token("robot", frozenset(Scope))

    problem(await stage.call(), 400, "account_header_required")
    problem(await stage.call(**{"X-Account-Id": " "}), 400, "account_header_malformed")
    if route.parameters:
        problem(await stage.call(**{"X-Account-Id": "bob"}), 404, "not_found")
    answer = await stage.call(**{"X-Account-Id": "alice"})

    assert answer.is_success, answer.text
    if route.access.action is not None:
        async with world.context.database.sessions() as session:
            newest = (
                select(AuditEvent.actor, AuditEvent.actor_id)
                .where(AuditEvent.account_id == account_id)
                .order_by(AuditEvent.sequence.desc())
                .limit(1)
            )
            assert (await session.execute(newest)).one() == ("service", "robot")


@each(WRITES)
async def test_a_refused_write_is_recorded_once_and_changes_nothing(
    world: World, route: RouteUnderTest
) -> None:
    """Rule R30. It holds for every reason: form, type, size, rules."""
    stage = await set_up(world, route)
    account_id = await account_of(stage)
    before = without(await dump_of_accounts(world.context.database), *LOG_OF_REFUSALS)
    token = stage.caller.token
    refused: list[tuple[bytes, dict[str, str], int]] = [
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"{}", {"Idempotency-Key": "not one"}, 422),
    ]
    if route.takes_body:
        refused += [
            (b"{", {}, 422),
            (b"\xff", {}, 422),
            (b"[" * 50_000, {}, 422),
            (b'{"made_up": 1}', {}, 422),
            (b"x" * (world.context.settings.body_limit + 1), {}, 413),
        ]
    if route.access.files:
        refused = [case for case in refused if case[2] != 413]
    if not route.access.replayable:
        refused = [case for case in refused if "Idempotency-Key" not in case[1]]
    codes: Counter[str] = Counter()
    for content, headers, status in refused:
        entries = await audit_rows(world, account_id)
        answer = await world.http.request(
            route.method,
            stage.path,
            content=content,
            headers={
                "Authorization": f"Bearer {token}",
                "Content-Type": "application/json",
                **headers,
            },
        )
        assert answer.status_code == status, answer.text
        new = (await audit_rows(world, account_id))[len(entries) :]
        code = answer.json()["code"]
        codes[code] += 1
        first = [(route.access.action, "refused", code)]
        assert [entry[:3] for entry in new] == (first if codes[code] == 1 else [])
    entries = await audit_rows(world, account_id)
    await world.context.refusals.close()
    new = (await audit_rows(world, account_id))[len(entries) :]
    assert sorted(entry[:3] for entry in new) == sorted(
        (route.access.action, "refused", code) for code in codes if codes[code] > 1
    )
    after = without(await dump_of_accounts(world.context.database), *LOG_OF_REFUSALS)
    if route.operation_id == "releaseCredentials":  # its refusals are events of the account, too
        before, after = (without(dump, "events", "event_heads") for dump in (before, after))
    assert after == before


@pytest.mark.parametrize("role", [Role.API, Role.RUNTIME])
def test_the_two_roles_share_no_route(role: Role) -> None:
    other = Role.RUNTIME if role is Role.API else Role.API
    mine = {(route.method, route.path) for route in routes_of(role)}
    theirs = {(route.method, route.path) for route in routes_of(other)}
    assert mine
    assert not mine & theirs
    assert mine | theirs == {(route.method, route.path) for route in ROUTES}


async def test_a_bot_sees_its_own_bot_and_no_other(world: World) -> None:
    first, _, first_key = await world.user("alice").ready_bot()
    second, _, second_key = await world.user("bob").ready_bot()
    for bot, key in ((first, first_key), (second, second_key)):
        assert isinstance(bot, Bot)
        config = (await bot.get("/v1/runtime/config")).json()
        assert config["key"]["id"] == key["id"]
