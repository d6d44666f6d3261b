"""The SQL of freezes. Every statement names the account."""

from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import notifications
from app.db.base import AnyRow, AnySelect, new_id
from app.db.models import Freeze, Key


class FreezeRepository:
    """The freezes of one account. Every write also notifies the bots of the account."""

    def __init__(self, *, session: AsyncSession, account_id: UUID) -> None:
        self._session = session
        self._account_id = account_id

    def _freezes(self) -> AnySelect:
        return (
            select(
                Freeze.id,
                Freeze.scope,
                Freeze.exchange,
                Freeze.key_id,
                Key.environment,
                Freeze.reason,
                Freeze.created_at,
            )
            .select_from(Freeze)
            .outerjoin(Key, (Key.account_id == Freeze.account_id) & (Key.id == Freeze.key_id))
            .where(Freeze.account_id == self._account_id)
        )

    async def page(self, after: UUID | None, limit: int) -> list[AnyRow]:
        """Return up to `limit` rows that come after the id `after`, newest first."""
        query = self._freezes().order_by(Freeze.id.desc()).limit(limit)
        if after is not None:
            query = query.where(Freeze.id < after)
        return list((await self._session.execute(query)).all())

    async def get(self, freeze_id: UUID) -> AnyRow | None:
        query = self._freezes().where(Freeze.id == freeze_id)
        return (await self._session.execute(query)).one_or_none()

    async def find(self, **target: Any) -> AnyRow | None:
        """Return the freeze of this scope, exchange and key, each `None` if the scope has none."""
        # Not IS NOT DISTINCT FROM, which no index serves.
        query = self._freezes().where(
            *(getattr(Freeze, name) == value for name, value in target.items())
        )
        return (await self._session.execute(query)).one_or_none()

    async def key_exists(self, key_id: UUID) -> bool:
        query = select(Key.id).where(Key.account_id == self._account_id, Key.id == key_id)
        return await self._session.scalar(query) is not None

    async def add(self, **columns: Any) -> UUID:
        freeze_id = new_id()
        await self._session.execute(
            insert(Freeze).values(account_id=self._account_id, id=freeze_id, **columns)
        )
        await self._notify()
        return freeze_id

    async def remove(self, freeze_id: UUID) -> None:
        await self._session.execute(
            delete(Freeze).where(Freeze.account_id == self._account_id, Freeze.id == freeze_id)
        )
        await self._notify()

    async def _notify(self) -> None:
        await self._session.execute(notifications.of_account(self._account_id))
