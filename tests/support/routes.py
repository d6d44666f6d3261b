"""Every route of the service, read from the application, and a successful call of each.

What a route's path and body need is derived from its own OpenAPI description; a route that needs
more has an entry here. A route that cannot be called fails the tests that walk over all routes.
"""

import base64
import itertools
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import uuid4

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from app.api.access import Access
from app.api.openapi import openapi_document
from app.api.route import EdgeRoute
from app.dashboard.pages import VIEWS
from app.main import create_app
from app.settings import Mode, Role, Settings
from app.worker.importing import store_imported
from botkeys.sealing.suites import PrivateKey, SuiteName
from tests.support.browsers import signed_in
from tests.support.catalogue import BINANCE, instrument, list_instruments
from tests.support.world import Bot, Json, Person, User, World

DASHBOARD = {*VIEWS, "/assets/{release}/{name}"}
SIGN_IN = {f"/auth/{name}" for name in ("session", "logout", "link/{token}", "login", "callback")}
"""Addresses that look at the cookie themselves: tests/dashboard/sign_in."""

PUBLIC = {
    *("/livez", "/readyz", "/metrics", "/openapi.json", "/docs", "/static"),
    "/development/credentials",
    *DASHBOARD,
    *SIGN_IN,
}
"""The addresses that anyone may request: they contain nothing of any account."""


@dataclass(frozen=True, slots=True)
class RouteUnderTest:
    """A route. `path` is the template, `parameters` are the names in it."""

    operation_id: str
    method: str
    path: str
    access: Access
    operation: Json

    @property
    def parameters(self) -> list[str]:
        found = self.operation.get("parameters", [])
        return [parameter["name"] for parameter in found if parameter["in"] == "path"]

    @property
    def takes_body(self) -> bool:
        return "requestBody" in self.operation


@dataclass(slots=True)
class Stage:
    """Everything set up for one call of a route: the caller, the body and the objects in
    the path.
    """

    world: World
    route: RouteUnderTest
    caller: Person
    values: dict[str, str] = field(default_factory=dict)
    body: Any = None

    @property
    def path(self) -> str:
        return self.route.path.format(**self.values)

    def elsewhere(self, **values: str) -> str:
        """Return the same address with other objects in it."""
        return self.route.path.format(**{**self.values, **values})

    async def call(self, **headers: str) -> Any:
        return await self.caller.call(self.route.method, self.path, self.body, headers=headers)


@cache
def application_of(role: Role) -> FastAPI:
    """Return a shared application, for read-only use: describing its routes takes half a second."""
    return create_app(Settings(mode=Mode.DEVELOPMENT), role)


@cache
def document_of(role: Role) -> Json:
    return openapi_document(application_of(role))


def template_of(context: Any) -> str:
    """Return the address as the document writes it: without the converters of its parameters."""
    return re.sub(r":\w+}", "}", str(context.path))


def paths_of(app: FastAPI) -> set[str]:
    """Return all addresses that the application answers, on the edge or not."""
    return {template_of(context) for context in iter_route_contexts(app.routes)}


def edge_paths_of(app: FastAPI) -> set[str]:
    return {
        template_of(context)
        for context in iter_route_contexts(app.routes)
        if isinstance(context.original_route, EdgeRoute)
    }


@cache
def routes_of(role: Role) -> tuple[RouteUnderTest, ...]:
    """Return the routes that authenticate their caller: all but `PUBLIC`."""
    document = document_of(role)
    return tuple(
        RouteUnderTest(
            str(context.original_route.operation_id),
            method,
            template_of(context),
            context.original_route.access,
            _resolved(document, document["paths"][template_of(context)][method.lower()]),
        )
        for context in iter_route_contexts(application_of(role).routes)
        if isinstance(context.original_route, EdgeRoute)
        for method in sorted(context.original_route.methods or ())
    )


def _resolved(document: Json, operation: Json) -> Json:
    """Return the operation with its body's example in place of the schema."""
    if "requestBody" not in operation:
        return operation
    content = operation["requestBody"]["content"]["application/json"]
    schema = content["schema"]
    if "anyOf" in schema:  # an optional body
        schema = schema["anyOf"][0]
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    assert schema.get("examples"), f"{operation['operationId']} shows no example of its body"
    return {**operation, "example": schema["examples"][0]}


async def set_up(world: World, route: RouteUnderTest, account: str = "alice") -> Stage:
    """Set up one successful call, by a user of the account or one of its bots."""
    user = world.user(account)
    if route.access.for_bots:
        bot_id = await _make_bot(user)
        await user.assign(bot_id, await _make_key(user))
        stage = Stage(world, route, await user.mint(bot_id))
    else:
        stage = Stage(world, route, user)
    for name in route.parameters:
        assert name in MAKERS, f"teach tests/support/routes.py to make a {name}"
        stage.values[name] = await MAKERS[name](user)
    if route.takes_body:
        stage.body = route.operation["example"]
    if route.operation_id in LESSONS:
        await LESSONS[route.operation_id](stage, user)
    return stage


async def _make_key(user: User) -> str:
    answer = await user.post("/v1/keys", user.world.unchecked_key(uuid4().int % 10**9))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def _make_bot(user: User) -> str:
    return str((await user.add_bot())["id"])


_SYMBOLS = [f"COIN{number}USDT" for number in range(50)]
_NEXT = itertools.cycle(_SYMBOLS)


async def _make_symbol(user: User) -> str:
    """Return a symbol that the keys of these tests may have and that no earlier call has used."""
    await list_instruments(user.world, BINANCE, *map(instrument, _SYMBOLS))
    return next(_NEXT)


async def _make_freeze(user: User) -> str:
    answer = await user.post("/v1/freezes", {"scope": "account"})
    return str(answer.json()["id"])


async def _make_position(user: User) -> str:
    bot_id, name = await _make_bot(user), uuid4().hex
    await user.assign(bot_id, await _make_key(user))
    bot = await user.mint(bot_id)
    body = {"symbol": "BTCUSDT", "side": "long", "status": "open", "quantity": "0.5"}
    answer = await bot.put(f"/v1/runtime/positions/{name}", body)
    assert answer.status_code == 200, answer.text
    return name


async def _make_operation(user: User) -> str:
    """Return an operation that has ended."""
    answer = await user.post("/v1/data-deletions", {"scope": "all"})
    assert answer.status_code == 202, answer.text
    await user.world.purge()
    return str(answer.json()["id"])


async def _make_session(user: User) -> str:
    claims = await user.world.context.verifier.verify(user.token)
    browser = await signed_in(user.world, claims.subject)
    return str(browser.session_id)


async def _make_webhook(user: User) -> str:
    """Return a webhook; the oldest makes room."""
    listed = (await user.get("/v1/webhooks")).json()["items"]
    if len(listed) == user.world.context.settings.webhooks_per_account:
        assert (await user.delete(f"/v1/webhooks/{listed[-1]['id']}")).status_code == 204
    answer = await user.post("/v1/webhooks", {"url": "https://example.com/hooks/botkeys"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def _make_delivery(user: User) -> str:
    """Return a test's delivery; its webhook is the newest."""
    webhook = (await user.get("/v1/webhooks?limit=1")).json()["items"][0]["id"]
    answer = await user.post(f"/v1/webhooks/{webhook}/test")
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


MAKERS: dict[str, Callable[[User], Awaitable[str]]] = {
    "key_id": _make_key,
    "bot_id": _make_bot,
    "delivery_id": _make_delivery,
    "freeze_id": _make_freeze,
    "operation_id": _make_operation,
    "position_id": _make_position,
    "session_id": _make_session,
    "symbol": _make_symbol,
    "webhook_id": _make_webhook,
}


async def _symbol_to_add(stage: Stage, user: User) -> None:
    stage.body = {**stage.body, "symbol": await _make_symbol(user)}


async def _asset(stage: Stage, user: User) -> None:
    path = f"/v1/keys/{stage.values['key_id']}/assets"
    added = await user.post(path, {"symbol": stage.values["symbol"], "leverage": "10"})
    assert added.status_code == 201, added.text


async def _new_key(stage: Stage, user: User) -> None:
    stage.body = user.world.unchecked_key()


async def _key_to_assign(stage: Stage, user: User) -> None:
    stage.body = {"key_id": await _make_key(user)}


async def _bot_with_key(stage: Stage, user: User) -> None:
    assigned = await user.assign(stage.values["bot_id"], await _make_key(user))
    assert assigned.status_code == 200, assigned.text


def one_time_key() -> Json:
    """Return the body of a release to a key that nobody keeps."""
    public = PrivateKey.generate(SuiteName.X25519).public.raw
    return {
        "suite": "x25519",
        "public_key": base64.urlsafe_b64encode(public).rstrip(b"=").decode(),
    }


async def _one_time_key(stage: Stage, user: User) -> None:
    del user
    stage.body = one_time_key()


async def _new_credentials(stage: Stage, user: User) -> None:
    wanted = ("api_key", "api_secret", "verify")
    new = user.world.unchecked_key(uuid4().int % 10**9)
    # No call of Binance's names the account that a key belongs to.
    stage.body = {name: new[name] for name in wanted} | {"confirm_same_account": True}


async def _key_without_import(user: User) -> Json:
    """Make a key, and end what the account is importing: it has one import at a time."""
    await store_imported(user.world.context.database.sessions)
    key: Json = (await user.get(f"/v1/keys/{await _make_key(user)}")).json()
    return key


async def _file(stage: Stage, user: User) -> None:
    """Let the example's trade be of a key that exists."""
    key = await _key_without_import(user)
    (trade,) = stage.body["items"]
    named = {"id": key["id"], "label": key["label"]}
    of_key = {name: key[name] for name in ("exchange", "environment")}
    stage.body = {**stage.body, "items": [{**trade, **of_key, "key": named}]}
    stage.route = replace(stage.route, path=f"{stage.route.path}?key_id={key['id']}")


async def _import(stage: Stage, user: User) -> None:
    """Name an import in place of a deletion."""
    key = await _key_without_import(user)
    answer = await user.post(f"/v1/trades/import?key_id={key['id']}", {"items": []})
    assert answer.status_code == 202, answer.text
    stage.values["operation_id"] = answer.json()["id"]


async def _fresh_look(stage: Stage, user: User) -> None:
    del user
    look = {"version": 1, "status": "ok", "checked_at": datetime.now(UTC).isoformat()}
    stage.body = {"credentials": look}


LESSONS: dict[str, Callable[[Stage, User], Awaitable[None]]] = {
    "addAsset": _symbol_to_add,
    "addKey": _new_key,
    "assignKey": _key_to_assign,
    "changeAsset": _asset,
    "getAsset": _asset,
    "importTrades": _file,
    "listRefusedRows": _import,
    "removeAsset": _asset,
    "unassignKey": _bot_with_key,
    "releaseCredentials": _one_time_key,
    "replaceCredentials": _new_credentials,
    "sendHeartbeat": _fresh_look,
}


def bot_of(stage: Stage) -> Bot:
    assert isinstance(stage.caller, Bot)
    return stage.caller


def user_of(stage: Stage) -> User:
    assert isinstance(stage.caller, User)
    return stage.caller
