"""Finds the user of a session's cookie, in one statement and without a cache.

A session that is ended anywhere is therefore refused by every process from its next request on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select, update

from app.auth.cookies import read_session_cookie
from app.auth.errors import SessionExpired, SessionFault, Unauthenticated
from app.auth.id_token import IdTokenVerifier
from app.auth.principal import UserPrincipal
from app.auth.scopes import USER_SCOPES
from app.auth.session_cookie import ParsedSession, matches, parse
from app.auth.session_evidence import open_evidence
from app.db.clock import NOW
from app.db.driver import Executor, Statement
from app.db.models import Account, DashboardSession
from app.domains.sessions.lifetimes import NOTED, SessionTimes
from app.domains.sessions.visitor import Visitor
from botkeys.sealing.boxes import SecretBytes
from botkeys.sealing.secret import Secret

_FOUND = Statement(
    select(
        Account.issuer,
        Account.subject,
        DashboardSession.secret_hash,
        DashboardSession.evidence,
        DashboardSession.created_at,
        DashboardSession.last_used_at,
        DashboardSession.expires_at,
        DashboardSession.ended_at,
        NOW,
    )
    .join(Account, Account.account_id == DashboardSession.account_id)
    .where(
        DashboardSession.account_id == bindparam("account"),
        DashboardSession.id == bindparam("session"),
    )
)
_USED = Statement(
    update(DashboardSession)
    .where(
        DashboardSession.account_id == bindparam("account"),
        DashboardSession.id == bindparam("session"),
        DashboardSession.ended_at.is_(None),
        DashboardSession.last_used_at < bindparam("before"),
    )
    .values(
        last_used_at=bindparam("now"),
        address=bindparam("address"),
        user_agent=bindparam("user_agent"),
    )
)


@dataclass(frozen=True, slots=True)
class FoundSession:
    """A session that is not over, and whose it is."""

    user: UserPrincipal
    expires_at: datetime


class SessionLookup:
    """The sessions as a process sees them. `cookie_name` depends on the address of the page.

    The role `runtime` has `id_tokens` and takes nobody's word for a session: it verifies what the
    issuer signed. It has no right to write sessions, so it does not note their use.
    """

    def __init__(
        self,
        executor: Executor,
        hmac_key: SecretBytes,
        times: SessionTimes,
        *,
        cookie_name: str,
        id_tokens: IdTokenVerifier | None,
    ) -> None:
        self._executor = executor
        self._key = hmac_key
        self._times = times
        self._cookie_name = cookie_name
        self._id_tokens = id_tokens

    def cookie(self, headers: Sequence[tuple[bytes, bytes]]) -> Secret | None:
        """Return the cookie of a request in which one counts."""
        found = read_session_cookie(headers, self._cookie_name)
        return None if found is None else Secret(found)

    async def find(self, cookie: Secret, claimed: ParsedSession, visitor: Visitor) -> FoundSession:
        """Return the session; raise `SessionExpired` if it is over or never was."""
        rows = await self._executor.fetch(
            _FOUND, account=claimed.account_id, session=claimed.session_id
        )
        for row in rows:
            issuer, subject, stored, evidence, *times, now = row
            created_at, last_used_at, expires_at, ended_at = times
            if not matches(self._key, cookie, stored):
                break
            fault = self._times.fault(
                now, expires_at=expires_at, last_used_at=last_used_at, ended_at=ended_at
            )
            if fault is not None:
                raise SessionExpired(fault)
            if self._id_tokens is not None:
                await self._verify(self._id_tokens, cookie, claimed, evidence)
            elif now - last_used_at > NOTED:
                await self._note(claimed, now, visitor)
            user = UserPrincipal(
                account_id=claimed.account_id,
                issuer=issuer,
                subject=subject,
                scopes=USER_SCOPES,
                token_id=None,
                issued_at=created_at,
                actor="user",
                acting_service=None,
                session_id=claimed.session_id,
                expires_at=expires_at.timestamp(),
            )
            return FoundSession(user, expires_at)
        raise SessionExpired(SessionFault.UNKNOWN)

    async def _verify(
        self,
        id_tokens: IdTokenVerifier,
        cookie: Secret,
        claimed: ParsedSession,
        evidence: bytes | None,
    ) -> None:
        """Raise `SessionExpired` unless the issuer signed in this account's owner for a session."""
        token = None if evidence is None else open_evidence(cookie, evidence)
        if token is None:
            raise SessionExpired(SessionFault.UNKNOWN)
        try:
            user = await id_tokens.signed_in(token, self._times.whole.total_seconds())
        except Unauthenticated:
            raise SessionExpired(SessionFault.UNKNOWN) from None
        if user.account_id != claimed.account_id:
            raise SessionExpired(SessionFault.UNKNOWN)

    async def _note(self, claimed: ParsedSession, now: datetime, visitor: Visitor) -> None:
        """Write down that the session is used, unless another request has just done it."""
        await self._executor.fetch(
            _USED,
            account=claimed.account_id,
            session=claimed.session_id,
            now=now,
            before=now - NOTED,
            address=visitor.address,
            user_agent=visitor.user_agent,
        )


def claimed_session(cookie: Secret) -> ParsedSession:
    """Return the ids in a cookie; raise `SessionExpired` if it was never one of ours."""
    claimed = parse(cookie.reveal())
    if claimed is None:
        raise SessionExpired(SessionFault.UNKNOWN)
    return claimed
