"""Derives the authenticated caller from the headers of a request."""

import asyncio
import hmac

from fastapi import Request

from app.api.access import Access
from app.api.admission import Admission
from app.api.gathering import Gathering
from app.api.streaming import CONNECTION, Connection
from app.auth.authenticator import authenticate_user, named_bot, read_bot_token
from app.auth.bot_token import ParsedBotToken
from app.auth.errors import (
    ActAsNotAllowed,
    SessionExpired,
    TokenFault,
    Unauthenticated,
    WrongTokenKind,
)
from app.auth.headers import names_account, read_bearer_token
from app.auth.principal import BotPrincipal, UserPrincipal
from app.auth.verifier import TokenVerifier
from app.custody.bot_token import token_hash
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
from app.pipeline.known_bots import KnownBots
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
        self._known = KnownBots()

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
        with the token from one statement. On a route that `confirms`, the token of a bot that is
        known, and whose body is here, is not compared: `confirm` has to follow a refusal. On a
        paced one the caller has entered `admission`, which the request's state then names, and
        since when, by the loop's clock. Raises `Unauthenticated`, `WrongTokenKind`, `RateLimited`
        or `Unavailable`.
        """
        visit = self._visit(request)
        try:
            bot = await self._bot(request, access, visit)
        except AppError as refusal:
            self._note(request, refusal)
            raise await _counted(visit, refusal) from None
        visit.proved(bot.bot_id.int)
        await self._limits.bot.take(_counted_as(bot.token_hash))
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
        if self._bot_tokens is None:
            raise RuntimeError("a route for bots is served by a process without the role runtime")
        headers = request.scope["headers"]
        sent = token_hash(bytes(self._bot_tokens.reveal()), read_bearer_token(headers))
        known = self._known.get(sent)
        claimed = known or read_bot_token(headers)
        visit.admit(lambda: claimed.bot_id.int)
        # By the token, and only if it was valid: so nobody else can use up what the bot may send.
        self._limits.bot.require(_counted_as(sent))
        if access.paced:
            await self._admission.enter(claimed.account_id)
            state = request.scope["state"]
            state["admission"] = self._admission
            state["admitted_at"] = asyncio.get_running_loop().time()
        if access.unhurried:
            await self._gathering.join(claimed.bot_id.int)
        if known is not None and access.confirms and _body_is_here(request):
            request.scope["state"]["unconfirmed"] = visit
            return known
        stored = await self._stored(request, access, claimed)
        if stored is None or not hmac.compare_digest(sent, stored):
            if known is not None:
                self._known.forget(known)
            raise Unauthenticated(TokenFault.REVOKED)
        if known is not None:
            return known
        bot = BotPrincipal(claimed.account_id, claimed.bot_id, stored)
        self._known.add(bot)
        return bot

    async def _stored(
        self, request: Request, access: Access, claimed: ParsedBotToken | BotPrincipal
    ) -> bytes | None:
        """Return the hash of the bot's token, read with what the route needs; `None` if there is
        none.
        """
        account_id, bot_id = claimed.account_id, claimed.bot_id
        state = request.scope["state"]
        if access.reads_config:
            rows = state["config_rows"] = await self._config_rows.read(account_id, bot_id)
            return rows[0].token_hash if rows else None
        if access.glances:
            glance = state["config_glance"] = await self._config_rows.glance(account_id, bot_id)
            return glance.token_hash if glance else None
        if access.releases:
            client = request.scope.get("client")
            address = client[0] if client else ""
            ready = state["ready"] = await self._releases.ready(
                account_id, bot_id, address, self._releases_per_hour, WINDOW
            )
            return ready.found.token_hash if ready else None
        return await self._token_hashes.read(account_id, bot_id)

    async def confirm(self, request: Request, bot: BotPrincipal, refusal: AppError) -> AppError:
        """Return the refusal, or that the token is no longer valid if that was left to the
        endpoint: it comes first, and is counted as if it had been found out first.
        """
        visit: Visit | None = request.scope["state"].pop("unconfirmed", None)
        if visit is None:
            return refusal
        if not isinstance(refusal, Unauthenticated):
            stored = await self._token_hashes.read(bot.account_id, bot.bot_id)
            if stored is not None and hmac.compare_digest(bot.token_hash, stored):
                return refusal
            refusal = Unauthenticated(TokenFault.REVOKED)
        self._known.forget(bot)
        self._note(request, refusal)
        return await _counted(visit, refusal)


def _counted_as(hash_: bytes) -> int:
    """Return the name under which requests with the token of this hash are counted."""
    return int.from_bytes(hash_[:16])


def _body_is_here(request: Request) -> bool:
    """Return whether nobody has to be waited for, which is for callers with a valid token alone."""
    connection: Connection | None = request.scope.get(CONNECTION)
    return connection is None or connection.body_is_here


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
