"""The row of an account: made on first use, and the first lock of the order."""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.principal import UserPrincipal
from app.db.base import AnyRow
from app.db.models import Account


class AccountRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def enter(self, principal: UserPrincipal) -> UUID:
        """Lock the caller's account against closure and bulk deletion, making it if need be."""
        account_id = principal.account_id
        lock = _row(account_id).with_for_update(read=True)
        if await self._session.scalar(lock) is None:
            await self._make(principal)
            await self._session.execute(lock)
        return account_id

    async def take(self, principal: UserPrincipal) -> UUID:
        """Lock the caller's account against all that enter it; references to it stay possible.

        Whoever has entered is waited for, so what they did is seen by the next statement.
        """
        account_id = principal.account_id
        lock = _row(account_id).with_for_update(key_share=True)
        if await self._session.scalar(lock) is None:
            await self._make(principal)
            await self._session.execute(lock)
        return account_id

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


def _row(account_id: UUID) -> Select[UUID]:
    return select(Account.account_id).where(Account.account_id == account_id)
