"""Reads the releases of a key. Every statement names the account."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import DateTime, bindparam, func, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import AnyRow
from app.db.clock import NOW
from app.db.models import Account, Bot, Key, Release

Place: TypeAlias = tuple[datetime, UUID]
"""The position of a release in its list, newest first."""

_BOUNDS = bindparam("bounds", type_=ARRAY(DateTime(timezone=True)))


class KeyReleaseRepository:
    """The releases of one account's keys."""

    def __init__(self, *, session: AsyncSession, account_id: UUID) -> None:
        self._session = session
        self._account_id = account_id

    async def zone_of(self, key_id: UUID) -> tuple[str, datetime] | None:
        """Return the account's time zone and the present time; `None` if there is no such key."""
        query = (
            select(Account.timezone, NOW)
            .join(Key, Key.account_id == Account.account_id)
            .where(Account.account_id == self._account_id, Key.id == key_id)
        )
        row = (await self._session.execute(query)).one_or_none()
        return None if row is None else (row[0], row[1])

    async def page(self, key_id: UUID, before: Place | None, limit: int) -> list[AnyRow]:
        """Return up to `limit` releases older than `before`, newest first."""
        query = (
            select(
                Release.id,
                Release.at,
                Release.address,
                Release.bot_id,
                Bot.name.label("bot_name"),
                Release.version,
                Release.suite,
            )
            .join(Bot, (Bot.account_id == Release.account_id) & (Bot.id == Release.bot_id))
            .where(Release.account_id == self._account_id, Release.key_id == key_id)
            .order_by(Release.at.desc(), Release.id.desc())
            .limit(limit)
        )
        if before is not None:
            query = query.where(tuple_(Release.at, Release.id) < before)
        return list((await self._session.execute(query)).all())

    async def counts(self, key_id: UUID, bounds: Sequence[datetime]) -> list[int]:
        """Return how many releases there were from each of these times to the next one."""
        period = func.width_bucket(Release.at, _BOUNDS).label("period")
        query = (
            select(period, func.count())
            .where(
                Release.account_id == self._account_id,
                Release.key_id == key_id,
                Release.at >= bounds[0],
            )
            .group_by(period)
        )
        rows = (await self._session.execute(query, {"bounds": list(bounds)})).all()
        counted = {row[0]: row[1] for row in rows}
        return [counted.get(number, 0) for number in range(1, len(bounds) + 1)]

    async def addresses(self, key_id: UUID, most: int) -> list[AnyRow]:
        """Return the addresses that the key was released to, the most recent first."""
        last_at = func.max(Release.at).label("last_at")
        query = (
            select(
                Release.address,
                func.count().label("releases"),
                func.min(Release.at).label("first_at"),
                last_at,
            )
            .where(Release.account_id == self._account_id, Release.key_id == key_id)
            .group_by(Release.address)
            .order_by(last_at.desc(), Release.address)
            .limit(most)
        )
        return list((await self._session.execute(query)).all())
