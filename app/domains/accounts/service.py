"""What an account holds, and its settings."""

from typing import Any
from uuid import UUID

from app.auth.principal import UserPrincipal
from app.db.revisions import Revisions, require
from app.domains.accounts.data_repository import DataRepository
from app.domains.accounts.repository import AccountRepository, AccountView
from app.domains.accounts.schemas import AccountChange
from app.domains.audit.log import AuditLog


class AccountService:
    """The settings of one account. Locks in the order account, audit head."""

    def __init__(self, accounts: AccountRepository, data: DataRepository, audit: AuditLog) -> None:
        self._accounts = accounts
        self._data = data
        self._audit = audit

    async def get(self, account_id: UUID) -> AccountView:
        """Return the account without creating it."""
        row = await self._accounts.get(account_id)
        return AccountView(account_id, row, await self._data.counts())

    async def change(
        self, principal: UserPrincipal, change: AccountChange, expected: Revisions | None
    ) -> AccountView:
        # Counted before the lock, because every report for this account waits for the lock.
        counts = await self._data.counts()
        account_id = await self._accounts.lock_exclusive(principal)
        require(await self._accounts.revision(account_id), expected)
        row = await self._accounts.get(account_id)
        changed: dict[str, Any] = {
            name: str(value)
            for name, value in change.model_dump(exclude_none=True).items()
            if value != getattr(row, name)
        }
        if changed:
            await self._accounts.change(account_id, **changed)
            await self._audit.record(
                "account.change", target="account", target_id=account_id, **changed
            )
            row = await self._accounts.get(account_id)
        return AccountView(account_id, row, counts)
