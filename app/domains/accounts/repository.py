"""The row of an account: created on first use, and the first lock of the order."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.principal import UserPrincipal
from app.db.base import AnyRow
from app.db.driver import note
from app.db.models import Account
from app.db.outcome import IDENTIFIED
from app.domains.accounts.data_repository import DataCount
from app.domains.accounts.status import COLUMNS, AccountStatus

FIRST_REVISION = 1


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account to show. `row` is `None` if nothing was done in it yet."""

    account_id: UUID
    row: AnyRow | None
    counts: list[DataCount]

    @property
    def revision(self) -> int:
        return FIRST_REVISION if self.row is None else int(self.row.revision)


class AccountRepository:
    def __init__(self, *, session: AsyncSession, user: UserPrincipal) -> None:
        self._session = session
        self._user = user

    async def lock_shared(self) -> UUID:
        """Lock the caller's account against closure and bulk deletion; create it if need be.

        Raises `AccountClosing`, and `Unauthenticated` for a token issued before the closure.
        """
        status = await self.lock_shared_in_any_status()
        status.require_open(self._user)
        return self._user.account_id

    async def lock_exclusive(self) -> UUID:
        """Lock the caller's account against all other callers; rows may still reference it.

        Waits for all that hold the shared lock, so the next statement sees what they did. Raises
        what `lock_shared` raises.
        """
        status = await self.lock_exclusive_in_any_status()
        status.require_open(self._user)
        return self._user.account_id

    async def lock_shared_in_any_status(self) -> AccountStatus:
        """Lock like `lock_shared`, but also an account that is being closed."""
        return await self._locked(share=True)

    async def lock_exclusive_in_any_status(self) -> AccountStatus:
        """Lock like `lock_exclusive`, but also an account that is being closed."""
        return await self._locked(share=False)

    async def ensure_exists(self) -> None:
        """Create the account's row if it is missing, in any status: refusals are recorded too."""
        await self.lock_shared_in_any_status()

    async def _locked(self, *, share: bool) -> AccountStatus:
        """Lock the row and return its status. After a wait, these are the columns as committed."""
        lock = (
            select(*COLUMNS, IDENTIFIED)
            .where(Account.account_id == self._user.account_id)
            .with_for_update(read=share, key_share=not share)
        )
        row = (await self._session.execute(lock)).one_or_none()
        if row is None:
            await self._make()
            row = (await self._session.execute(lock)).one()
        *columns, identity = row
        note(self._session, identity)
        return AccountStatus._make(columns)

    async def get(self) -> AnyRow | None:
        """Return the account's settings; `None` if nothing was done in the account yet."""
        query = select(
            Account.selected_environment,
            Account.timezone,
            Account.closing_at,
            Account.created_at,
            Account.revision,
        ).where(Account.account_id == self._user.account_id)
        return (await self._session.execute(query)).one_or_none()

    async def revision(self) -> int:
        """Return the revision of the settings. The account must have been locked, so the row
        exists.
        """
        query = select(Account.revision).where(Account.account_id == self._user.account_id)
        return (await self._session.execute(query)).scalar_one()

    async def change(self, **columns: Any) -> None:
        await self._session.execute(
            update(Account)
            .where(Account.account_id == self._user.account_id)
            .values(**columns, revision=Account.revision + 1)
        )

    async def _make(self) -> None:
        new = insert(Account).values(
            account_id=self._user.account_id, issuer=self._user.issuer, subject=self._user.subject
        )
        await self._session.execute(new.on_conflict_do_nothing())
