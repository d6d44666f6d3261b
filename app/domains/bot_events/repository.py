"""Events that the service itself reports about a bot."""

from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import BotEvent


class RuntimeRepository:
    """The events of one bot."""

    def __init__(self, session: AsyncSession, account_id: UUID, bot_id: UUID) -> None:
        self._session = session
        self._account_id = account_id
        self._bot_id = bot_id

    async def add_event(self, event_id: UUID, **columns: Any) -> None:
        await self._session.execute(
            insert(BotEvent).values(
                account_id=self._account_id, bot_id=self._bot_id, id=event_id, **columns
            )
        )
