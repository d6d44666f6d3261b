"""The row of an account: made on first use, and the first lock of the order."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.principal import UserPrincipal
from app.db.base import AnyRow
from app.db.models import Account
from app.domains.accounts.status import COLUMNS, AccountStatus

FIRST_REVISION = 1


@dataclass(frozen=True, slots=True)
class AccountView:
    """`row` is `None` for an account that nothing was done in yet. `counts` are by kind and key."""

    account_id: UUID
    row: AnyRow | None
    counts: list[AnyRow]

    @property
    def revision(self) -> int:
        return FIRST_REVISION if self.row is None else int(self.row.revision)


class AccountRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def lock_shared(self, principal: UserPrincipal) -> UUID:
        """Lock the caller's account against closure and bulk deletion, making it if need be.

        Raises `AccountClosing`, and `Unauthenticated` for a token of before its closure.
        """
        status = await self.lock_shared_in_any_status(principal)
        status.require_open(principal)
        return principal.account_id

    async def lock_exclusive(self, principal: UserPrincipal) -> UUID:
        """Lock the caller's account against all that enter it; references to it stay possible.

        Whoever has entered is waited for, so what they did is seen by the next statement. Raises
        what `lock_shared` raises.
        """
        status = await self.lock_exclusive_in_any_status(principal)
        status.require_open(principal)
        return principal.account_id

    async def lock_shared_in_any_status(self, principal: UserPrincipal) -> AccountStatus:
        """As `lock_shared`, of an account that is being closed too."""
        return await self._locked(principal, share=True)

    async def lock_exclusive_in_any_status(self, principal: UserPrincipal) -> AccountStatus:
        """As `lock_exclusive`, of an account that is being closed too."""
        return await self._locked(principal, share=False)

    async def ensure_exists(self, principal: UserPrincipal) -> None:
        """That there is a row, whatever it says: also what is refused is recorded."""
        await self.lock_shared_in_any_status(principal)

    async def _locked(self, principal: UserPrincipal, *, share: bool) -> AccountStatus:
        """Of a row that was waited for, these are the columns after the wait."""
        lock = (
            select(*COLUMNS)
            .where(Account.account_id == principal.account_id)
            .with_for_update(read=share, key_share=not share)
        )
        row = (await self._session.execute(lock)).one_or_none()
        if row is None:
            await self._make(principal)
            row = (await self._session.execute(lock)).one()
        return AccountStatus._make(row)

    async def get(self, account_id: UUID) -> AnyRow | None:
        """Its settings; `None` for an account that nothing was done in yet."""
        query = select(
            Account.selected_environment,
            Account.timezone,
            Account.closing_at,
            Account.created_at,
            Account.revision,
        ).where(Account.account_id == account_id)
        return (await self._session.execute(query)).one_or_none()

    async def revision(self, account_id: UUID) -> int:
        """Of its settings. Only of an account that was entered: there is a row."""
        query = select(Account.revision).where(Account.account_id == account_id)
        return (await self._session.execute(query)).scalar_one()

    async def change(self, account_id: UUID, **columns: Any) -> None:
        await self._session.execute(
            update(Account)
            .where(Account.account_id == account_id)
            .values(**columns, revision=Account.revision + 1)
        )

    async def _make(self, principal: UserPrincipal) -> None:
        new = insert(Account).values(
            account_id=principal.account_id, issuer=principal.issuer, subject=principal.subject
        )
        await self._session.execute(new.on_conflict_do_nothing())
