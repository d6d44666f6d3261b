"""Everything that the sign-in of one process needs, and how it begins and ends sessions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from fastapi import Request

from app.auth.caller import Caller
from app.auth.cookies import read_cookie, session_cookie_name, set_cookie
from app.auth.principal import UserPrincipal
from app.auth.session_cookie import parse
from app.dashboard.sign_in.one_time_links import OneTimeLinks
from app.db.engine import Database
from app.domains.sessions.lifetimes import SessionTimes
from app.domains.sessions.opening import SessionOpening
from app.domains.sessions.visitor import read_visitor
from app.limits.networks import network_of
from app.limits.requests import RequestLimits
from app.pipeline.authentication import Authentication
from botkeys.sealing.boxes import SecretBytes


@dataclass(frozen=True, slots=True)
class SignInSite:
    """The sign-in of a process; `url` is the origin of the page.

    `links` is `None` unless the service is its own issuer.
    """

    url: str
    database: Database
    hmac_key: SecretBytes
    times: SessionTimes
    authentication: Authentication
    limits: RequestLimits
    links: OneTimeLinks | None

    @property
    def secure(self) -> bool:
        return self.url.startswith("https://")

    @property
    def cookie_name(self) -> str:
        return session_cookie_name(secure=self.secure)

    async def admit(self, request: Request) -> None:
        """Count a request of somebody who is not signed in; raise `RateLimited`."""
        await self.limits.sign_in.take(network_of(_address(request)))

    async def begin(
        self, request: Request, user: UserPrincipal, proof: bytes, *, former: UUID | None, by: str
    ) -> str:
        """Begin a session and return its cookie as a value of Set-Cookie.

        `former` is the browser's session until now. Raises `ProofUsed`.
        """
        visitor = read_visitor(_address(request), request.scope["headers"])
        async with self._opening(request, user) as opening:
            cookie = await opening.begin(proof, visitor, former=former, by=by)
        seconds = int(self.times.whole.total_seconds())
        return set_cookie(self.cookie_name, cookie.reveal(), seconds=seconds)

    async def end(self, request: Request, user: UserPrincipal, session_id: UUID) -> None:
        async with self._opening(request, user) as opening:
            await opening.end(session_id)

    def former_session(self, request: Request, account_id: UUID) -> UUID | None:
        """Return the session of this account that the browser's cookie names.

        It is unproven, but a session of the account of the person who signs in: they may end it.
        """
        sent = read_cookie(request.scope["headers"], self.cookie_name)
        claimed = None if sent is None else parse(sent)
        if claimed is None or claimed.account_id != account_id:
            return None
        return claimed.session_id

    @asynccontextmanager
    async def _opening(
        self, request: Request, user: UserPrincipal
    ) -> AsyncIterator[SessionOpening]:
        state = request.scope["state"]
        ids = state["own_request_id"], state["client_request_id"]
        caller = Caller(user, _address(request), *ids)
        async with self.database.sessions.begin() as session:
            yield SessionOpening(
                session=session, hmac_key=self.hmac_key, times=self.times, caller=caller
            )


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
