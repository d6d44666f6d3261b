"""Whether an account is open to the caller: not while it is closed, nor to tokens from before."""

import time
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, select

from app.auth.errors import TokenFault, Unauthenticated
from app.auth.principal import UserPrincipal
from app.db.driver import Executor, Statement
from app.db.models import Account
from app.domains.accounts.errors import AccountClosing

KNOWN_SECONDS = 2.0
"""How long reading goes on in other processes once an account is being closed. There is nothing
left to read then: keys and bots are gone, and a mark hides the rest.
"""

_MOST = 20_000

COLUMNS = (Account.closing_at, Account.tokens_from, Account.closing_operation_id)


class AccountStatus(NamedTuple):
    """What the row of an account says of its closure."""

    closing_at: datetime | None
    tokens_from: datetime | None
    operation_id: UUID | None

    def require_open(self, principal: UserPrincipal) -> None:
        """Raises `AccountClosing`, or `Unauthenticated` for a token of before the closure."""
        if self.closing_at is not None:
            raise AccountClosing(self.operation_id)
        issued_at = principal.issued_at
        if self.tokens_from is not None and (issued_at is None or issued_at < self.tokens_from):
            raise Unauthenticated(TokenFault.ACCOUNT_CLOSED)


OPEN = AccountStatus(None, None, None)
_STATUS = Statement(select(*COLUMNS).where(Account.account_id == bindparam("account")))


class AccountStatusCache:
    """What one process knows of the accounts that it reads for.

    A read takes no lock, and most want no more than one statement: what was seen of an account
    holds for a moment. Whoever writes looks under the account's lock.
    """

    def __init__(self, executor: Executor, seconds: float = KNOWN_SECONDS) -> None:
        self._executor = executor
        self._seconds = seconds
        self._known: dict[UUID, tuple[float, AccountStatus | None]] = {}

    def known(self, account_id: UUID) -> AccountStatus | None:
        until, status = self._known.get(account_id, (0.0, None))
        return status if until > time.monotonic() else None

    async def read(self, account_id: UUID) -> AccountStatus:
        """As it is now; remembered unless the account is being closed, or may just be."""
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
        """For a while remember nothing: a transaction that changes it has not been committed."""
        self._known[account_id] = time.monotonic() + self._seconds, None
