"""The SQL of positions as their owner sees them. Every statement names the account."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import AnyRow
from app.db.models import Bot, Position
from app.trading.position_rows import POSITIONS, Place, PositionRow


@dataclass(frozen=True, slots=True)
class PositionFilter:
    """`since` and `until` bound the time of the first report, the latter exclusively."""

    environment: str
    key_id: UUID | None = None
    bot_id: UUID | None = None
    symbol: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class PositionRepository:
    def __init__(self, session: AsyncSession, account_id: UUID) -> None:
        self._session = session
        self._account_id = account_id

    async def page(
        self, wanted: PositionFilter, after: Place | None, limit: int
    ) -> list[PositionRow]:
        """Newest first; up to `limit` rows that come after that place."""
        order = (Position.created_at, Position.bot_id, Position.id)
        query = (
            POSITIONS.where(
                Position.account_id == self._account_id,
                Position.environment == wanted.environment,
            )
            .order_by(*(column.desc() for column in order))
            .limit(limit)
        )
        if after is not None:
            # The first condition says nothing new: it is the one that the index understands.
            query = query.where(Position.created_at <= after[0], tuple_(*order) < tuple_(*after))
        if wanted.key_id is not None:
            query = query.where(Position.key_id == wanted.key_id)
        if wanted.bot_id is not None:
            query = query.where(Position.bot_id == wanted.bot_id)
        if wanted.symbol is not None:
            query = query.where(Position.symbol == wanted.symbol)
        if wanted.since is not None:
            query = query.where(Position.created_at >= wanted.since)
        if wanted.until is not None:
            query = query.where(Position.created_at < wanted.until)
        rows = await self._session.execute(query)
        return [PositionRow._make(row) for row in rows.all()]

    async def holders(self, position_id: str, bot_id: UUID | None) -> list[AnyRow]:
        """`id` and `name` of the bots that have a position of this id; a deleted one's name is
        `None`.
        """
        query = (
            select(Position.bot_id.label("id"), Bot.name)
            .outerjoin(Bot, (Bot.account_id == Position.account_id) & (Bot.id == Position.bot_id))
            .where(Position.account_id == self._account_id, Position.id == position_id)
            .order_by(Position.bot_id)
        )
        if bot_id is not None:
            query = query.where(Position.bot_id == bot_id)
        return list((await self._session.execute(query)).all())

    async def lock(self, bot_id: UUID, position_id: str) -> None:
        """Look at it in the next statement only."""
        await self._session.execute(
            select(Position.id).where(*self._row(bot_id, position_id)).with_for_update()
        )

    async def get(self, bot_id: UUID, position_id: str) -> PositionRow | None:
        query = POSITIONS.where(*self._row(bot_id, position_id))
        row = (await self._session.execute(query)).one_or_none()
        return None if row is None else PositionRow._make(row)

    async def close(self, bot_id: UUID, position_id: str) -> None:
        now = func.clock_timestamp()
        await self._session.execute(
            update(Position)
            .where(*self._row(bot_id, position_id))
            .values(
                status="closed",
                close_reason="by_hand",
                closed_at=now,
                expires_at=None,
                updated_at=now,
            )
        )

    def _row(self, bot_id: UUID, position_id: str) -> tuple[Any, Any, Any]:
        return (
            Position.account_id == self._account_id,
            Position.bot_id == bot_id,
            Position.id == position_id,
        )
