"""The SQL of the dashboard's totals."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import false, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Bot, Key, Position, Presence
from app.db.models.position import held

EXPIRING = timedelta(days=30)
"""How long before its expiry a key counts as expiring: as long as its first event precedes it."""


class DashboardRepository:
    """The totals of one account; every statement names it. Only reads."""

    def __init__(self, *, session: AsyncSession, account_id: UUID) -> None:
        self._session = session
        self._account_id = account_id

    async def now(self) -> datetime:
        """Return the time of the database's clock."""
        now: datetime = (await self._session.execute(select(func.clock_timestamp()))).scalar_one()
        return now

    async def totals(self, environment: str) -> dict[str, Any]:
        """Return the totals. Keys and positions are of the environment; bots have none, so all
        count.
        """
        now = func.clock_timestamp()
        positions = (
            select(func.count())
            .select_from(Position)
            .where(
                Position.account_id == self._account_id,
                Position.environment == environment,
                held(),
            )
            .scalar_subquery()
        )
        bots = (
            select(
                func.count().label("total"),
                func.count().filter(Presence.lease_until > now).label("online"),
            )
            .select_from(Bot)
            .outerjoin(
                Presence, (Presence.account_id == Bot.account_id) & (Presence.bot_id == Bot.id)
            )
            .where(Bot.account_id == self._account_id)
            .subquery()
        )
        keys = (
            select(
                func.count().label("total"),
                func.count().filter(Key.active).label("active"),
                func.count()
                .filter(func.coalesce(Key.expires_at < now + EXPIRING, false()))
                .label("expiring"),
            )
            .where(Key.account_id == self._account_id, Key.environment == environment)
            .subquery()
        )
        query = select(
            positions.label("open_positions"),
            bots.c.total.label("bots"),
            bots.c.online,
            keys.c.total.label("keys"),
            keys.c.active,
            keys.c.expiring,
        ).select_from(bots.join(keys, ~false()))
        row = (await self._session.execute(query)).one()
        return {
            "open_positions": row.open_positions,
            "bots": {"total": row.bots, "online": row.online},
            "keys": {"total": row.keys, "active": row.active, "expiring": row.expiring},
        }
