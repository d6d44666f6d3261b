"""The SQL of positions for their owner. Every statement names the account."""

from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import AnyRow
from app.db.clock import NOW
from app.db.models import Bot, Position
from app.db.models.position import held
from app.domains.positions.rows import POSITIONS, PositionRow
from app.domains.trading.marks import Mark, mark_of, of_key


class PositionRepository:
    def __init__(self, *, session: AsyncSession, account_id: UUID) -> None:
        self._session = session
        self._account_id = account_id

    async def holders(self, position_id: str, bot_id: UUID | None) -> list[AnyRow]:
        """Return the bots that have a position of this id, most recently changed first.

        A row has the bot's `id` and `name`, `None` if it is deleted, and whether the position is
        `held`.
        """
        query = (
            select(Position.bot_id.label("id"), Bot.name, held().label("held"))
            .outerjoin(Bot, (Bot.account_id == Position.account_id) & (Bot.id == Position.bot_id))
            .where(Position.account_id == self._account_id, Position.id == position_id)
            .order_by(Position.updated_at.desc(), Position.bot_id)
        )
        if bot_id is not None:
            query = query.where(Position.bot_id == bot_id)
        return list((await self._session.execute(query)).all())

    async def lock(self, bot_id: UUID, position_id: str) -> None:
        """Lock the position. Read the row only in a later statement."""
        await self._session.execute(
            select(Position.id).where(*self._row(bot_id, position_id)).with_for_update()
        )

    async def get(self, bot_id: UUID, position_id: str) -> PositionRow | None:
        query = POSITIONS.where(*self._row(bot_id, position_id))
        row = (await self._session.execute(query)).one_or_none()
        return None if row is None else PositionRow._make(row)

    async def marks(self, key_id: UUID | None) -> list[Mark]:
        """Return the marks of this key and of all keys."""
        query = of_key(literal(self._account_id), literal(key_id, Uuid()))
        return [mark_of(*row) for row in (await self._session.execute(query)).all()]

    async def close(self, bot_id: UUID, position_id: str) -> None:
        # If a bot's clock is ahead, so is the cut-off of a deletion. A position that was kept
        # because it was open stays.
        marks = of_key(literal(self._account_id), Position.key_id, Position).lateral("marks")
        kept_since = (
            select(func.max(marks.c.cutoff))
            .where(
                func.isfinite(marks.c.cutoff),
                or_(marks.c.environment.is_(None), marks.c.environment == Position.environment),
            )
            .correlate(Position)
            .scalar_subquery()
        )
        await self._session.execute(
            update(Position)
            .where(*self._row(bot_id, position_id))
            .values(
                status="closed",
                close_reason="by_hand",
                closed_at=func.greatest(NOW, kept_since),
                expires_at=None,
                updated_at=NOW,
            )
        )

    def _row(self, bot_id: UUID, position_id: str) -> tuple[Any, Any, Any]:
        return (
            Position.account_id == self._account_id,
            Position.bot_id == bot_id,
            Position.id == position_id,
        )
