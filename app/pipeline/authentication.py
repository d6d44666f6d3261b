"""Derives the authenticated caller from the headers of a request."""

import asyncio

from fastapi import Request

from app.api.access import Access
from app.api.admission import Admission
from app.api.gathering import Gathering
from app.auth.authenticator import authenticate_user, named_bot, read_bot_token
from app.auth.errors import (
    ActAsNotAllowed,
    SessionExpired,
    TokenFault,
    Unauthenticated,
    WrongTokenKind,
)
from app.auth.headers import names_account
from app.auth.principal import BotPrincipal, UserPrincipal
from app.auth.verifier import TokenVerifier
from app.custody.bot_token import matches
from app.domains.accounts.status import OPEN, AccountStatus, AccountStatusCache
from app.domains.bots.config_row_loader import ConfigRowLoader
from app.domains.bots.token_repository import TokenHashLoader
from app.domains.runtime.release.at_once import ReleaseBatches
from app.domains.runtime.release.repository import WINDOW
from app.domains.sessions.lookup import FoundSession, SessionLookup, claimed_session
from app.domains.sessions.visitor import read_visitor
from app.errors import AppError, RateLimited, Unavailable
from app.kit.security_log import SecurityLog
from app.limits.addresses import Visit
from app.limits.networks import network_of
from app.limits.requests import RequestLimits
from botkeys.sealing.boxes import SecretBytes
from botkeys.sealing.secret import Secret

_NOTHING_SENT = (TokenFault.MISSING, TokenFault.NO_SESSION)


class Authentication:
    """The authentication of a process.

    `bot_tokens` is the HMAC key of bots' tokens, which only the role `runtime` holds. A bot gets
    `releases_per_hour`. Without `sessions` no cookie counts: there is no dashboard.
    """

    def __init__(
        self,
        *,
        verifier: TokenVerifier,
        account_statuses: AccountStatusCache,
        config_rows: ConfigRowLoader,
        releases: ReleaseBatches,
        token_hashes: TokenHashLoader,
        bot_tokens: SecretBytes | None,
        releases_per_hour: int,
        limits: RequestLimits,
        admission: Admission,
        sessions: SessionLookup | None = None,
    ) -> None:
        self._verifier = verifier
        self._account_statuses = account_statuses
        self._config_rows = config_rows
        self._releases = releases
        self._token_hashes = token_hashes
        self._bot_tokens = bot_tokens
        self._releases_per_hour = releases_per_hour
        self._limits = limits
        self._admission = admission
        self._gathering = Gathering()
        self._sessions = sessions
        self._security = SecurityLog()

    async def user(self, request: Request) -> UserPrincipal:
        """Return the user or service that token or cookie names, and count the request.

        Raises as `authenticate_user` does, `SessionExpired` and `RateLimited`.
        """
        visit = self._visit(request)
        try:
            cookie = self._cookie(request)
            if cookie is None:
                headers = request.scope["headers"]
                user = await authenticate_user(self._verifier, headers, visit.admit)
            else:
                user = (await self._session(request, cookie, visit)).user
        except AppError as refusal:
            self._note(request, refusal)
            raise await _counted(visit, refusal) from None
        visit.proved(user.acting_service or user.subject)
        await self._limits.account.take(user.account_id)
        return user

    async def signed_in(self, request: Request) -> FoundSession:
        """Return the browser's session, and count the request; a token is not looked at.

        Raises `SessionExpired`, `RateLimited`, and `Unauthenticated` without a cookie that counts.
        """
        visit = self._visit(request)
        try:
            cookie = self._cookie(request)
            if cookie is None:
                raise Unauthenticated(TokenFault.NO_SESSION)
            found = await self._session(request, cookie, visit)
        except AppError as refusal:
            self._note(request, refusal)
            raise await _counted(visit, refusal) from None
        visit.proved(found.user.subject)
        await self._limits.account.take(found.user.account_id)
        return found

    async def admit(self, user: UserPrincipal, request: Request, access: Access) -> None:
        """Check that the account is open to the user and that the token has the route's scopes.

        Raises `AccountClosing`, `Unauthenticated` or `MissingScope`.
        """
        statuses = self._account_statuses
        status = statuses.known(user.account_id) or await statuses.read(user.account_id)
        if status is not OPEN and not _about_the_closure(request, access, status):
            try:
                status.require_open(user)
            except (Unauthenticated, SessionExpired) as refusal:
                self._note(request, refusal, account_id=str(user.account_id))
                raise
        if access.scopes_of_query:
            user.require(*access.scopes_for(request.query_params.multi_items()))
        else:
            user.require(*access.scopes)

    async def bot(self, request: Request, access: Access) -> BotPrincipal:
        """Return the bot that the token belongs to, and count the request.

        If the route reads the bot's configuration or releases its credentials, what it needs comes
        with the token from one statement. On a paced one the caller has entered `admission`, which
        the request's state then names, and since when, by the loop's clock. Raises
        `Unauthenticated`, `WrongTokenKind`, `RateLimited` or `Unavailable`.
        """
        visit = self._visit(request)
        try:
            bot = await self._bot(request, access, visit)
        except AppError as refusal:
            self._note(request, refusal)
            raise await _counted(visit, refusal) from None
        visit.proved(bot.bot_id.int)
        await self._limits.bot.take(bot.bot_id)
        return bot

    def _note(self, request: Request, refusal: AppError, **members: str) -> None:
        """Put a refused token or cookie into the security log, with the bot that it names."""
        if isinstance(refusal, WrongTokenKind):
            reason = refusal.code
        elif isinstance(refusal, SessionExpired):
            reason = f"session_{refusal.fault}"
        elif isinstance(refusal, Unauthenticated) and refusal.fault not in _NOTHING_SENT:
            reason = refusal.fault.value
        else:
            return
        client = request.scope.get("client")
        self._security.warn(
            "token_refused",
            reason=reason,
            address=client[0] if client else "",
            **members,
            **named_bot(request.scope["headers"]),
        )

    def _cookie(self, request: Request) -> Secret | None:
        return None if self._sessions is None else self._sessions.cookie(request.scope["headers"])

    async def _session(self, request: Request, cookie: Secret, visit: Visit) -> FoundSession:
        if self._sessions is None:
            raise RuntimeError("a cookie was read although no cookie counts")
        claimed = claimed_session(cookie)
        if names_account(request.scope["headers"]):
            raise ActAsNotAllowed
        visit.admit(lambda: claimed.account_id.int)
        client = request.scope.get("client")
        visitor = read_visitor(client[0] if client else "", request.scope["headers"])
        return await self._sessions.find(cookie, claimed, visitor)

    def _visit(self, request: Request) -> Visit:
        client = request.scope.get("client")
        return self._limits.addresses.visit(network_of(client[0]) if client else "")

    async def _bot(self, request: Request, access: Access, visit: Visit) -> BotPrincipal:
        token, claimed = read_bot_token(request.scope["headers"])
        visit.admit(lambda: claimed.bot_id.int)
        # Only requests that proved themselves are counted, so nobody else can use the bot's up.
        self._limits.bot.require(claimed.bot_id)
        if self._bot_tokens is None:
            raise RuntimeError("a route for bots is served by a process without the role runtime")
        if access.paced:
            await self._admission.enter(claimed.account_id)
            state = request.scope["state"]
            state["admission"] = self._admission
            state["admitted_at"] = asyncio.get_running_loop().time()
        if access.unhurried:
            await self._gathering.join(claimed.bot_id.int)
        if access.reads_config:
            rows = await self._config_rows.read(claimed.account_id, claimed.bot_id)
            request.scope["state"]["config_rows"] = rows
            stored = rows[0].token_hash if rows else None
        elif access.glances:
            glance = await self._config_rows.glance(claimed.account_id, claimed.bot_id)
            request.scope["state"]["config_glance"] = glance
            stored = glance.token_hash if glance else None
        elif access.releases:
            client = request.scope.get("client")
            ready = await self._releases.ready(
                claimed.account_id,
                claimed.bot_id,
                client[0] if client else "",
                self._releases_per_hour,
                WINDOW,
            )
            request.scope["state"]["ready"] = ready
            stored = ready.found.token_hash if ready else None
        else:
            stored = await self._token_hashes.read(claimed.account_id, claimed.bot_id)
        key = bytes(self._bot_tokens.reveal())
        if stored is None or not matches(key, token, stored):
            raise Unauthenticated(TokenFault.REVOKED)
        return BotPrincipal(claimed.account_id, claimed.bot_id, stored)


async def _counted(visit: Visit, refusal: AppError) -> AppError:
    """Count a request that proved nobody, and return what to answer.

    That the service cannot tell who calls is not the caller's fault, and a request that had too
    many before it was counted then.
    """
    if isinstance(refusal, Unavailable | RateLimited):
        return refusal
    return await visit.refused(refusal)


def _about_the_closure(request: Request, access: Access, status: AccountStatus) -> bool:
    """Return whether the request may reach an account that is closed or being closed.

    It may if it asks for the operation that closes the account or closed it, or if it is a write
    that checks the account under its lock.
    """
    if not access.while_closing:
        return False
    operation_id = request.path_params.get("operation_id")
    return operation_id is None or operation_id == str(status.operation_id)
