"""Browsers that are signed in to the dashboard, or will be."""

import ipaddress
import itertools
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI

from app.auth.caller import Caller
from app.auth.cookies import session_cookie_name
from app.auth.development_issuer import ISSUER
from app.auth.principal import UserPrincipal, account_id
from app.auth.scopes import USER_SCOPES
from app.auth.session_cookie import parse
from app.context import Context
from app.db.engine import Database
from app.domains.sessions.lifetimes import session_times
from app.domains.sessions.opening import SessionOpening
from app.domains.sessions.visitor import Visitor
from tests.support.world import Person, World

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin", "X-Botkeys": "1"}
"""What a request has that a script of our own page sends."""

_PLACES = itertools.count(1)


@dataclass(slots=True)
class Browser(Person):
    """A browser, which keeps cookies and sends the headers of our own page."""

    cookie_name: str
    address: str

    @property
    def cookie(self) -> str:
        return self.http.cookies.get(self.cookie_name) or ""

    def take(self, cookie: str) -> None:
        """Hold this cookie in place of all others."""
        self.http.cookies.clear()
        host = self.http.base_url.host
        self.http.cookies.set(self.cookie_name, cookie, domain=host, path="/")

    @property
    def session_id(self) -> UUID:
        claimed = parse(self.cookie)
        assert claimed is not None
        return claimed.session_id

    async def call(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        sent = {**SAME_ORIGIN, **(headers or {})}
        return (
            await self.http.request(method, path, json=body, headers=sent)
            if (body is not None)
            else await self.http.request(method, path, headers=sent)
        )

    async def visit(self, path: str, site: str = "none", **headers: str) -> httpx.Response:
        """Navigate to an address, as typed or from a link of another site."""
        return await self.http.get(path, headers={"Sec-Fetch-Site": site, **headers})


def browser(app: Any, url: str = "http://127.0.0.1:8000", address: str | None = None) -> Browser:
    """Return a browser without any cookie, by default on this machine at an address of its own."""
    if address is None:
        address = str(ipaddress.ip_address("127.1.0.0") + next(_PLACES))
    transport = httpx.ASGITransport(app, client=(address, 40_000))
    http = httpx.AsyncClient(transport=transport, base_url=url)
    return Browser(http, "", session_cookie_name(secure=url.startswith("https://")), address)


async def signed_in(world: World, account: str = "alice") -> Browser:
    """Return a browser with a new session of the account."""
    return await signed_in_at(world.app, world.context, world.context.database, account)


async def signed_in_at(
    app: FastAPI,
    context: Context,
    database: Database,
    account: str = "alice",
    id_token: str | None = None,
) -> Browser:
    user = UserPrincipal(
        account_id=account_id(ISSUER, account),
        issuer=ISSUER,
        subject=account,
        scopes=USER_SCOPES,
        token_id=None,
        issued_at=datetime.now(UTC),
        actor="user",
        acting_service=None,
    )
    opened = browser(app, context.settings.page_url)
    async with database.sessions.begin() as session:
        opening = SessionOpening(
            session=session,
            hmac_key=context.audit,
            times=session_times(context.settings),
            caller=Caller(user, opened.address, "signed-in-by-a-test"),
        )
        visitor = Visitor(opened.address, "a test")
        cookie = await opening.begin(os.urandom(32), visitor, former=None, id_token=id_token)
    opened.take(cookie.reveal())
    return opened
