"""The SQL of the role `runtime`. Every statement names the account and the bot."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import AnyRow
from app.db.models import Bot, BotEvent, Key, KeyCredential, Release


class RuntimeRepository:
    """Of one bot."""

    def __init__(self, session: AsyncSession, account_id: UUID, bot_id: UUID) -> None:
        self._session = session
        self._account_id = account_id
        self._bot_id = bot_id

    async def lock_assignment(self) -> bool:
        """Lock the bot, so that its key stays its key, and releases to it come one by one."""
        lock = select(Bot.id).where(*self._bot()).with_for_update(key_share=True)
        return await self._session.scalar(lock) is not None

    async def sealed(self) -> AnyRow | None:
        """The present credentials of the bot's key, sealed; `None` if it has no key."""
        query = (
            select(
                Key.id.label("key_id"),
                Key.exchange,
                Key.environment,
                Key.region,
                Key.contract_type,
                Key.version,
                KeyCredential.ciphertext,
                KeyCredential.nonce,
                KeyCredential.sealed_data_key,
                KeyCredential.master_key_version,
            )
            .select_from(Bot)
            .join(Key, (Key.account_id == Bot.account_id) & (Key.id == Bot.key_id))
            .join(
                KeyCredential,
                (KeyCredential.account_id == Key.account_id)
                & (KeyCredential.key_id == Key.id)
                & (KeyCredential.version == Key.version),
            )
            .where(*self._bot())
        )
        return (await self._session.execute(query)).one_or_none()

    async def seconds_until_release(self, limit: int, window: timedelta) -> float | None:
        """How long until one more release fits the limit; `None` if it fits now."""
        now = func.clock_timestamp()
        recent = (
            select(Release.at)
            .where(*self._releases(), Release.at > now - window)
            .order_by(Release.at.desc())
            .offset(limit - 1)
            .limit(1)
            .subquery()
        )
        seconds = func.extract("epoch", recent.c.at + window - now)
        waiting = await self._session.scalar(select(seconds))
        return None if waiting is None else float(waiting)

    async def is_new_address(self, key_id: UUID, address: str) -> bool:
        """Whether this key was released before, and never to this address."""
        of_key = (*self._releases(), Release.key_id == key_id)
        known = select(Release.id).where(*of_key, Release.address == address).exists()
        any_before = select(Release.id).where(*of_key).exists()
        return bool(await self._session.scalar(select(any_before & ~known)))

    async def add_release(
        self, release_id: UUID, key_id: UUID, version: int, suite: str, address: str
    ) -> None:
        await self._session.execute(
            insert(Release).values(
                account_id=self._account_id,
                id=release_id,
                bot_id=self._bot_id,
                key_id=key_id,
                version=version,
                suite=suite,
                address=address,
            )
        )
        await self._session.execute(
            update(Key)
            .where(Key.account_id == self._account_id, Key.id == key_id)
            .values(last_release_at=func.clock_timestamp(), last_release_from=address)
        )

    async def add_event(self, event_id: UUID, **columns: Any) -> None:
        await self._session.execute(
            insert(BotEvent).values(
                account_id=self._account_id, bot_id=self._bot_id, id=event_id, **columns
            )
        )

    def _bot(self) -> tuple[Any, Any]:
        return Bot.account_id == self._account_id, Bot.id == self._bot_id

    def _releases(self) -> tuple[Any, Any]:
        return Release.account_id == self._account_id, Release.bot_id == self._bot_id
