"""The SQL of bots and of their assigned keys. Every statement names the account."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, bindparam, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import notifications
from app.db.base import AnyRow
from app.db.clock import NOW
from app.db.models import Assignment, Bot, Key, Position, Presence, PurgedPosition
from app.db.models.position import held
from app.domains.bots.rows import BotRow, bots_sql

_ONE = text(bots_sql("AND bots.id = :bot")).bindparams(
    bindparam("account", type_=Uuid()), bindparam("bot", type_=Uuid())
)


class BotRepository:
    def __init__(self, *, session: AsyncSession, account_id: UUID) -> None:
        self._session = session
        self._account_id = account_id

    async def get(self, bot_id: UUID) -> BotRow | None:
        rows = await self._session.execute(_ONE, {"account": self._account_id, "bot": bot_id})
        row = rows.one_or_none()
        return None if row is None else BotRow._make(row)

    async def name(self, bot_id: UUID) -> str:
        """Return the name of a bot that is locked."""
        query = select(Bot.name).where(*self._row(bot_id))
        return (await self._session.execute(query)).scalar_one()

    async def add(self, bot_id: UUID, name: str) -> None:
        await self._session.execute(
            insert(Bot).values(account_id=self._account_id, id=bot_id, name=name)
        )

    async def change(self, bot_id: UUID, **columns: Any) -> None:
        await self._session.execute(
            update(Bot)
            .where(*self._row(bot_id))
            .values(**columns, revision=Bot.revision + 1, updated_at=NOW)
        )
        await self._session.execute(notifications.of_bot(self._account_id, bot_id))

    async def assign(self, bot_id: UUID, key_id: UUID, former: UUID | None) -> None:
        """Assign the key to the bot in place of the former one, and remember that the bot had it.

        Reports on the key's health are ordered by the clock of the bot that sends them. Positions
        that the bot reported late with this key lock it now, since the bot manages them again.
        """
        if former is not None:
            await self._end(bot_id, former)
        await self.change(bot_id, key_id=key_id)
        of_key = Key.account_id == self._account_id, Key.id == key_id
        await self._session.execute(update(Key).where(*of_key).values(health_checked_at=None))
        new = upsert(Assignment).values(account_id=self._account_id, bot_id=bot_id, key_id=key_id)
        names = [Assignment.account_id, Assignment.bot_id, Assignment.key_id]
        await self._session.execute(
            new.on_conflict_do_update(index_elements=names, set_={"ended_at": None})
        )
        await self._session.execute(
            update(Position)
            .where(
                Position.account_id == self._account_id,
                Position.bot_id == bot_id,
                Position.key_id == key_id,
                Position.status == "open",
                ~Position.locks_key,
            )
            .values(locks_key=True)
        )

    async def unassign(self, bot_id: UUID, key_id: UUID) -> None:
        await self._end(bot_id, key_id)
        await self.change(bot_id, key_id=None)

    async def delete(self, bot_id: UUID) -> None:
        await self._session.execute(delete(Bot).where(*self._row(bot_id)))
        of_bot = PurgedPosition.account_id == self._account_id, PurgedPosition.bot_id == bot_id
        await self._session.execute(delete(PurgedPosition).where(*of_bot))
        await self._session.execute(notifications.of_bot(self._account_id, bot_id))

    async def lock(self, bot_id: UUID) -> bool:
        """Lock the bot and return whether it exists. Read the row only in a later statement."""
        lock = select(Bot.id).where(*self._row(bot_id)).with_for_update()
        return await self._session.scalar(lock) is not None

    async def lock_presence(self, bot_id: UUID) -> None:
        """Lock the bot's presence, so that its heartbeats wait.

        If the bot has no presence row yet, the heartbeat that inserts it waits for the bot's lock
        because of the foreign key. The caller must therefore have locked the bot before.
        """
        of_bot = Presence.account_id == self._account_id, Presence.bot_id == bot_id
        await self._session.execute(select(Presence.bot_id).where(*of_bot).with_for_update())

    async def lock_keys(self, key_ids: Iterable[UUID]) -> None:
        """Lock the keys in the order of their ids, so that two callers never deadlock."""
        await self._session.execute(
            select(Key.id)
            .where(Key.account_id == self._account_id, Key.id.in_(set(key_ids)))
            .order_by(Key.id)
            .with_for_update()
        )

    async def positions_of_others(self, bot_id: UUID, key_id: UUID) -> int:
        """Return how many positions the bot holds with any other key."""
        count = select(func.count()).where(
            Position.account_id == self._account_id,
            Position.bot_id == bot_id,
            Position.key_id != key_id,
            held(),
        )
        return (await self._session.execute(count)).scalar_one()

    async def assignment(self, key_id: UUID) -> AnyRow | None:
        """Return the key's `active`, `awaiting_api_key` and `environment`, and the `bot_id` and
        `bot_name` it is assigned to.
        """
        query = (
            select(
                Key.active,
                Key.awaiting_api_key,
                Key.environment,
                Bot.id.label("bot_id"),
                Bot.name.label("bot_name"),
            )
            .select_from(Key)
            .outerjoin(Bot, (Bot.account_id == Key.account_id) & (Bot.key_id == Key.id))
            .where(Key.account_id == self._account_id, Key.id == key_id)
        )
        return (await self._session.execute(query)).one_or_none()

    async def _end(self, bot_id: UUID, key_id: UUID) -> None:
        """Store when the bot lost the key."""
        await self._session.execute(
            update(Assignment)
            .where(
                Assignment.account_id == self._account_id,
                Assignment.bot_id == bot_id,
                Assignment.key_id == key_id,
            )
            .values(ended_at=NOW)
        )

    def _row(self, bot_id: UUID) -> tuple[Any, Any]:
        return Bot.account_id == self._account_id, Bot.id == bot_id
