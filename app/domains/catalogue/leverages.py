"""The maximum leverages that an exchange stated to a key, kept for that key alone.

They are an answer about one exchange account: what one is allowed says nothing about another.
"""

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import notifications
from app.db.clock import NOW
from app.db.models import KeyLeverage
from botkeys.decimals import plain


class KeyLeverages:
    """The maximum leverages of one account's keys."""

    def __init__(self, *, session: AsyncSession, account_id: UUID) -> None:
        self._session = session
        self._account_id = account_id

    async def learn(self, key_id: UUID, contract_type: str, maxima: Mapping[str, Decimal]) -> None:
        """Store an answer in place of the one before, and notify the key's bot of a difference.

        An empty answer is none: it changes nothing.
        """
        if not maxima:
            return
        stated = {symbol: plain(maximum) for symbol, maximum in maxima.items()}
        before = await self._session.scalar(
            select(KeyLeverage.max_leverages).where(
                KeyLeverage.account_id == self._account_id,
                KeyLeverage.key_id == key_id,
                KeyLeverage.contract_type == contract_type,
            )
        )
        new = insert(KeyLeverage).values(
            account_id=self._account_id,
            key_id=key_id,
            contract_type=contract_type,
            max_leverages=stated,
            learned_at=NOW,
        )
        await self._session.execute(
            new.on_conflict_do_update(
                index_elements=["account_id", "key_id", "contract_type"],
                set_={name: new.excluded[name] for name in ("max_leverages", "learned_at")},
            )
        )
        if before != stated:
            await notifications.notify_of_key(self._session, self._account_id, key_id)

    async def forget(self, key_id: UUID) -> None:
        """Forget what was stated to former credentials, maybe of another exchange account."""
        await self._session.execute(
            delete(KeyLeverage).where(
                KeyLeverage.account_id == self._account_id, KeyLeverage.key_id == key_id
            )
        )
