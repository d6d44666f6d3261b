"""Begins and ends sessions at the sign-in, outside the routes of the API."""

from dataclasses import replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.caller import Caller
from app.auth.session_cookie import mint, session_hash
from app.auth.session_evidence import seal_evidence
from app.db.base import new_id
from app.db.driver import SessionExecutor
from app.domains.accounts.repository import AccountRepository
from app.domains.accounts.status import AccountStatus
from app.domains.audit.log import AuditLog
from app.domains.sessions.lifetimes import SessionTimes
from app.domains.sessions.repository import SessionRepository
from app.domains.sessions.visitor import Visitor
from botkeys.sealing.boxes import SecretBytes
from botkeys.sealing.secret import Secret

BEGIN = "session.begin"
END = "session.end"

MOST_SESSIONS = 50
"""Sessions that an account has at a time; a further one ends the oldest."""


class ProofUsed(Exception):
    """Another session was opened with the same link, or the same answer of the issuer."""


class SessionOpening:
    """Sessions of one person who signs in or out. The caller commits."""

    def __init__(
        self, *, session: AsyncSession, hmac_key: SecretBytes, times: SessionTimes, caller: Caller
    ) -> None:
        self._session = session
        self._key = hmac_key
        self._times = times
        self._caller = caller
        self._sessions = SessionRepository(
            session=session, account_id=caller.account_id, times=times
        )

    async def begin(
        self, proof: bytes, visitor: Visitor, *, former: UUID | None, id_token: str | None
    ) -> Secret:
        """Begin a session in place of the browser's former one; return the text of its cookie.

        Without the issuer's `id_token` the role `runtime` takes no part in it.

        The account is created if need be. One that is being closed can be signed in to as well:
        the page shows how far its closure is. Raises `ProofUsed`, also for a proof from before the
        account was closed.
        """
        status = await self._lock()
        issued_at = self._caller.user.issued_at
        if status.tokens_from is not None and (issued_at is None or issued_at < status.tokens_from):
            raise ProofUsed
        session_id = new_id()
        cookie = mint(self._caller.account_id, session_id)
        is_new = await self._sessions.add(
            session_id,
            secret_hash=session_hash(self._key, cookie),
            proof=proof,
            evidence=None if id_token is None else seal_evidence(cookie, id_token),
            lifetime=self._times.whole,
            visitor=visitor,
        )
        if not is_new:
            raise ProofUsed
        await self._sessions.end_beyond(MOST_SESSIONS)
        replaced = former is not None and await self._sessions.end_one(former)
        await self._audit(session_id).record(
            BEGIN,
            target="session",
            target_id=session_id,
            by="link" if id_token is None else "issuer",
            **({"replaced": str(former)} if replaced else {}),
        )
        return cookie

    async def end(self, session_id: UUID) -> None:
        """End the caller's own session."""
        await self._lock()
        if await self._sessions.end_one(session_id):
            await self._audit(session_id).record(END, target="session", target_id=session_id)

    async def _lock(self) -> AccountStatus:
        accounts = AccountRepository(session=self._session, user=self._caller.user)
        return await accounts.lock_shared_in_any_status()

    def _audit(self, session_id: UUID) -> AuditLog:
        """Return the log, in which the caller acts in this session."""
        caller = replace(self._caller, principal=replace(self._caller.user, session_id=session_id))
        return AuditLog(SessionExecutor(self._session), self._key, caller)
