"""What an account holds, and its settings."""

from typing import Any
from uuid import UUID

from app.db.revisions import Revisions, require
from app.domains.accounts.data_repository import DataRepository
from app.domains.accounts.repository import AccountRepository, AccountView
from app.domains.accounts.schemas import AccountChange
from app.domains.audit.log import AuditLog


class AccountService:
    """The settings of one account. Locks in the order account, audit head."""

    def __init__(
        self,
        *,
        accounts: AccountRepository,
        data: DataRepository,
        audit: AuditLog,
        account_id: UUID,
    ) -> None:
        self._accounts = accounts
        self._data = data
        self._audit = audit
        self._account_id = account_id

    async def get(self) -> AccountView:
        """Return the account without creating it."""
        row = await self._accounts.get()
        return AccountView(self._account_id, row, await self._data.counts())

    async def change(self, change: AccountChange, expected: Revisions | None) -> AccountView:
        # Counted before the lock, because every report for this account waits for the lock.
        counts = await self._data.counts()
        await self._accounts.lock_exclusive()
        require(await self._accounts.revision(), expected)
        row = await self._accounts.get()
        changed: dict[str, Any] = {
            name: str(value)
            for name, value in change.model_dump(exclude_none=True).items()
            if value != getattr(row, name)
        }
        if changed:
            await self._accounts.change(**changed)
            await self._audit.record(
                "account.change", target="account", target_id=self._account_id, **changed
            )
            row = await self._accounts.get()
        return AccountView(self._account_id, row, counts)
