"""Everything that the sign-in of one process needs, and how it begins and ends sessions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from fastapi import Request

from app.auth.caller import Caller
from app.auth.code_flow import CodeFlow
from app.auth.cookies import read_cookie, session_cookie_name, set_cookie
from app.auth.principal import UserPrincipal
from app.auth.session_cookie import ParsedSession, parse
from app.dashboard.sign_in.one_time_links import OneTimeLinks
from app.dashboard.sign_in.states import PLAIN_NAME as PLAIN_STATE
from app.dashboard.sign_in.states import SECURE_NAME as SECURE_STATE
from app.dashboard.sign_in.states import SignInStates
from app.db.engine import Database
from app.domains.sessions.lifetimes import SessionTimes
from app.domains.sessions.opening import SessionOpening
from app.domains.sessions.visitor import read_visitor
from app.kit.security_log import SecurityLog
from app.limits.networks import network_of
from app.limits.requests import RequestLimits
from app.pipeline.authentication import Authentication
from botkeys.sealing.boxes import SecretBytes


@dataclass(frozen=True, slots=True)
class SignInSite:
    """The sign-in of a process; `url` is the origin of the page.

    `links` is `None` unless the service is its own issuer, `flow` unless there is another one.
    """

    url: str
    database: Database
    hmac_key: SecretBytes
    times: SessionTimes
    authentication: Authentication
    limits: RequestLimits
    links: OneTimeLinks | None
    flow: CodeFlow | None
    states: SignInStates
    security: SecurityLog = field(default_factory=SecurityLog)

    @property
    def secure(self) -> bool:
        return self.url.startswith("https://")

    @property
    def cookie_name(self) -> str:
        return session_cookie_name(secure=self.secure)

    @property
    def state_cookie_name(self) -> str:
        return SECURE_STATE if self.secure else PLAIN_STATE

    async def admit(self, request: Request) -> None:
        """Count a request of somebody who is not signed in; raise `RateLimited`."""
        await self.limits.sign_in.take(network_of(address_of(request)))

    async def begin(
        self,
        request: Request,
        user: UserPrincipal,
        proof: bytes,
        *,
        former: ParsedSession | None,
        id_token: str | None = None,
    ) -> str:
        """Begin a session and return its cookie as a value of Set-Cookie.

        It replaces the one that the browser claimed to have, unproven, if that is of the same
        account: whose sessions the person may end. Raises `ProofUsed`.
        """
        same = former is not None and former.account_id == user.account_id
        replaced = former.session_id if former is not None and same else None
        visitor = read_visitor(address_of(request), request.scope["headers"])
        async with self._opening(request, user) as opening:
            cookie = await opening.begin(proof, visitor, former=replaced, id_token=id_token)
        seconds = int(self.times.whole.total_seconds())
        return set_cookie(self.cookie_name, cookie.reveal(), seconds=seconds)

    async def end(self, request: Request, user: UserPrincipal, session_id: UUID) -> None:
        async with self._opening(request, user) as opening:
            await opening.end(session_id)

    def claimed_session(self, request: Request) -> ParsedSession | None:
        """Return what the browser's cookie claims, unproven."""
        sent = read_cookie(request.scope["headers"], self.cookie_name)
        return None if sent is None else parse(sent)

    @asynccontextmanager
    async def _opening(
        self, request: Request, user: UserPrincipal
    ) -> AsyncIterator[SessionOpening]:
        state = request.scope["state"]
        ids = state["own_request_id"], state["client_request_id"]
        caller = Caller(user, address_of(request), *ids)
        async with self.database.sessions.begin() as session:
            yield SessionOpening(
                session=session, hmac_key=self.hmac_key, times=self.times, caller=caller
            )


def address_of(request: Request) -> str:
    return request.client.host if request.client else ""


def site_of(request: Request) -> SignInSite:
    site: SignInSite = request.app.state.sign_in
    return site
