"""The row of an account: made on first use, and the first lock of the order."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.principal import UserPrincipal
from app.db.models import Account


class AccountRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def enter(self, principal: UserPrincipal) -> UUID:
        """Lock the caller's account against closure and bulk deletion, making it if need be."""
        account_id = principal.account_id
        lock = (
            select(Account.account_id)
            .where(Account.account_id == account_id)
            .with_for_update(read=True)
        )
        if await self._session.scalar(lock) is None:
            new = insert(Account).values(
                account_id=account_id, issuer=principal.issuer, subject=principal.subject
            )
            await self._session.execute(new.on_conflict_do_nothing())
            await self._session.execute(lock)
        return account_id
