"""Whether the caller may use an account: not while it closes, nor with a token from before."""

import time
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, select

from app.auth.errors import (
    AccountClosing,
    SessionExpired,
    SessionFault,
    TokenFault,
    Unauthenticated,
)
from app.auth.principal import UserPrincipal
from app.db.driver import Executor, Statement
from app.db.models import Account

KNOWN_SECONDS = 2.0
"""How long another process that hears no notifications may keep serving reads after an account
starts closing. Nothing is left to read by then: keys and bots are deleted, and a deletion mark
hides the rest.
"""

_MOST = 20_000

COLUMNS = (Account.closing_at, Account.tokens_from, Account.closing_operation_id)


class AccountStatus(NamedTuple):
    """The columns of an account that describe its closure."""

    closing_at: datetime | None
    tokens_from: datetime | None
    operation_id: UUID | None

    def require_open(self, principal: UserPrincipal) -> None:
        """Raise `AccountClosing`, or `Unauthenticated` for a token issued before the closure.

        For a session that began before it, the latter is `SessionExpired`.
        """
        if self.closing_at is not None:
            raise AccountClosing(self.operation_id)
        issued_at = principal.issued_at
        if self.tokens_from is not None and (issued_at is None or issued_at < self.tokens_from):
            if principal.session_id is not None:
                raise SessionExpired(SessionFault.ACCOUNT_CLOSED)
            raise Unauthenticated(TokenFault.ACCOUNT_CLOSED)


OPEN = AccountStatus(None, None, None)
_STATUS = Statement(select(*COLUMNS).where(Account.account_id == bindparam("account")))


class AccountStatusCache:
    """The statuses that this process has read recently.

    A read takes no lock, and most need only one statement: the status of an account is therefore
    cached for a moment. Writes check it under the account's lock.
    """

    def __init__(self, executor: Executor, seconds: float = KNOWN_SECONDS) -> None:
        self._executor = executor
        self._seconds = seconds
        self._known: dict[UUID, tuple[float, AccountStatus | None]] = {}

    def known(self, account_id: UUID) -> AccountStatus | None:
        until, status = self._known.get(account_id, (0.0, None))
        return status if until > time.monotonic() else None

    async def read(self, account_id: UUID) -> AccountStatus:
        """Return the current status; cache it unless the account is being closed or was just
        forgotten.
        """
        rows = await self._executor.fetch(_STATUS, account=account_id)
        status = next((AccountStatus._make(row) for row in rows), OPEN)
        if status == OPEN:
            status = OPEN
        now = time.monotonic()
        until, _ = self._known.get(account_id, (0.0, None))
        if status.closing_at is None and until <= now:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[account_id] = now + self._seconds, status
        return status

    def forget(self, account_id: UUID) -> None:
        """Cache nothing for a while: a transaction that changes the status is not committed yet."""
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[account_id] = time.monotonic() + self._seconds, None

    def closed(self, payload: str) -> None:
        """Forget an account of which a notification came that it was closed."""
        with suppress(ValueError):  # anyone with a login can send a notification
            self.forget(UUID(payload))

    def forget_all(self) -> None:
        """Forget everything that a missed notification may have changed."""
        for account_id in list(self._known):
            self.forget(account_id)
