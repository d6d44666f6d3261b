"""A service to call, and its callers."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from starlette.datastructures import State
from starlette.types import ASGIApp

from app.auth.bot_token import parse
from app.auth.development_issuer import DevelopmentIssuer
from app.auth.principal import account_id
from app.auth.scopes import USER_SCOPES
from app.context import Context
from app.db.engine import Database
from app.main import create_app, use_context
from app.simulator import Simulator
from app.worker.purging import purge_deleted

# httpx tries to import this module at each request, and each attempt searches all paths.
sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]

Json = dict[str, Any]


@dataclass(slots=True)
class Person:
    """A caller with its own token."""

    http: httpx.AsyncClient
    token: str

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        return await self.http.request(
            method,
            path,
            content=None if body is None else json.dumps(body),
            headers={
                "Authorization": f"Bearer {self.token}",
                **({} if body is None else {"Content-Type": "application/json"}),
                **(headers or {}),
            },
        )

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.call("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return await self.call("POST", path, body, **options)

    async def put(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return await self.call("PUT", path, body, **options)

    async def patch(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return await self.call("PATCH", path, body, **options)

    async def delete(self, path: str, **options: Any) -> httpx.Response:
        return await self.call("DELETE", path, **options)


@dataclass(slots=True)
class User(Person):
    """A user, with shortcuts for what most tests begin with."""

    world: "World"

    async def add_key(self, variant: str = "trade", **changes: Any) -> Json:
        """Add a key that the service accepts; OKX, testnet and linear unless changed."""
        answer = await self.post("/v1/keys", self.world.new_key(variant, **changes))
        assert answer.status_code == 201, answer.text
        document: Json = answer.json()
        return document

    async def add_bot(self, name: str = "Grid BTC") -> Json:
        answer = await self.post("/v1/bots", {"name": name})
        assert answer.status_code == 201, answer.text
        document: Json = answer.json()
        return document

    async def mint(self, bot_id: str) -> "Bot":
        answer = await self.post(f"/v1/bots/{bot_id}/token")
        assert answer.status_code == 201, answer.text
        return Bot(self.http, answer.json()["token"])

    async def assign(self, bot_id: str, key_id: str) -> httpx.Response:
        return await self.put(f"/v1/bots/{bot_id}/key", {"key_id": key_id})

    async def ready_bot(self, variant: str = "trade", **key: Any) -> tuple["Bot", Json, Json]:
        """Add a bot with a token and a key like `add_key`; return it, its document and its
        key's.
        """
        added = await self.add_key(variant, **key)
        bot = await self.add_bot()
        assigned = await self.assign(bot["id"], added["id"])
        assert assigned.status_code == 200, assigned.text
        return await self.mint(bot["id"]), assigned.json(), added


@dataclass(slots=True)
class Bot(Person):
    """A bot with its own token."""

    @property
    def id(self) -> UUID:
        return parse(self.token).bot_id

    @property
    def account_id(self) -> UUID:
        return parse(self.token).account_id


@dataclass(slots=True)
class World:
    """A running service and its simulated exchanges."""

    app: FastAPI
    context: Context
    simulator: Simulator
    issuer: DevelopmentIssuer
    credentials: dict[str, dict[str, dict[str, dict[str, str]]]]
    http: httpx.AsyncClient
    purger: Database | None = None
    """The database of the worker that purges, if it has a login of its own."""

    async def purge(self) -> int:
        """Work on deletions until none is waiting; return how many were ended."""
        database = self.purger or self.context.database
        return await purge_deleted(database.sessions)

    def user(self, account: str = "alice", scopes: str | None = None) -> User:
        token = self.issuer.token(account, USER_SCOPES if scopes is None else scopes)
        return User(self.http, token, self)

    def account_id(self, account: str = "alice") -> UUID:
        return account_id(self.issuer.issuer, account)

    def nobody(self) -> httpx.AsyncClient:
        return self.http

    def new_key(
        self,
        variant: str = "trade",
        *,
        exchange: str = "okx",
        environment: str = "testnet",
        **changes: Any,
    ) -> Json:
        """Return the body of `addKey` for one of the simulator's keys."""
        return {
            "label": f"{exchange} {variant}",
            "exchange": exchange,
            "environment": environment,
            "contract_type": "linear",
            **self.credentials[exchange][environment][variant],
            **changes,
        }

    def unchecked_key(self, number: int = 1, **changes: Any) -> Json:
        """Return the body of `addKey` for a key that is not checked with an exchange."""
        return {
            "label": f"Key {number}",
            "exchange": "binance",
            "environment": "testnet",
            "contract_type": "linear",
            "api_key": f"{number:064}",
            "api_secret": f"secret{number:058}",
            "verify": False,
            **changes,
        }


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the application, without a network in between."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://botkeys.test") as http:
        yield http


_APPLICATIONS: dict[tuple[Any, ...], FastAPI] = {}


def application(context: Context) -> FastAPI:
    """Return the application over a context that the caller opened and will close.

    The framework builds the routes of an application when it is first called, which takes longer
    than most tests: applications of one shape share them, each with its own state.
    """
    settings = context.settings
    shape = (
        context.role,
        settings.body_limit,
        tuple(settings.cors_origins),
        settings.mode,
        settings.serves_dashboard,
    )
    if shape not in _APPLICATIONS:
        made = create_app(settings, context.role)
        made.middleware_stack = made.build_middleware_stack()
        _APPLICATIONS[shape] = made
    app = copy(_APPLICATIONS[shape])
    app.state = State()
    use_context(app, context)
    return app
