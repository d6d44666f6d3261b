"""The SQL of a key's health, for the bot that has the key."""

from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import notifications
from app.db.base import AnyRow
from app.db.clock import NOW
from app.db.driver import note
from app.db.models import Account, Bot, Key
from app.db.outcome import IDENTIFIED


class HealthRepository:
    """The key's health as seen by one bot."""

    def __init__(self, *, session: AsyncSession, account_id: UUID, bot_id: UUID) -> None:
        self._session = session
        self._account_id = account_id
        self._bot_id = bot_id

    async def lock(self) -> bool:
        """Lock account, bot and key, in that order; return whether the bot exists.

        Until the transaction ends the bot keeps its key, and reports about the key are serialized.
        """
        account = select(IDENTIFIED).where(Account.account_id == self._account_id)
        identity = await self._session.scalar(account.with_for_update(read=True))
        if identity is not None:
            note(self._session, identity)
        bot = select(Bot.key_id).where(*self._bot()).with_for_update(read=True)
        row = (await self._session.execute(bot)).one_or_none()
        if row is None:
            return False
        key = select(Key.id).where(Key.account_id == self._account_id, Key.id == row.key_id)
        await self._session.execute(key.with_for_update())
        return True

    async def key(self) -> AnyRow:
        """Return what is known of the bot's key, and the time `now`; `id` is `None` without
        a key.
        """
        query = (
            select(
                NOW.label("now"),
                Key.id,
                Key.label,
                Key.exchange,
                Key.environment,
                Key.contract_type,
                Key.version,
                Key.permission_read,
                Key.permission_trade,
                Key.permission_withdraw,
                Key.permission_ip_restricted,
                Key.expires_at,
                Key.verification_status,
                Key.verification_reason,
                Key.verification_possible,
                Key.verification_code,
                Key.health_checked_at,
                Key.unverified,
            )
            .select_from(Bot)
            .outerjoin(Key, (Key.account_id == Bot.account_id) & (Key.id == Bot.key_id))
            .where(*self._bot())
        )
        return (await self._session.execute(query)).one()

    async def looked_at(self, key_id: UUID, **columns: Any) -> None:
        """Store a check that found nothing new: the revision stays, and no notification is sent."""
        await self._session.execute(update(Key).where(*self._key(key_id)).values(**columns))

    async def change(self, key_id: UUID, **columns: Any) -> None:
        counted = {"revision": Key.revision + 1, "updated_at": NOW}
        await self.looked_at(key_id, **columns, **counted)
        await notifications.notify_of_key(self._session, self._account_id, key_id)

    def _bot(self) -> tuple[Any, Any]:
        return Bot.account_id == self._account_id, Bot.id == self._bot_id

    def _key(self, key_id: UUID) -> tuple[Any, Any]:
        return Key.account_id == self._account_id, Key.id == key_id
