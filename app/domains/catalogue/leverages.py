"""The maximum leverages that an exchange stated to a key, kept for that key alone.

They are an answer about one exchange account: what one is allowed says nothing about another.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Text, Uuid, bindparam, delete, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import notifications
from app.db.models import KeyLeverage
from botkeys.decimals import plain

_LEARN = text(
    """
    WITH before AS (
        SELECT max_leverages FROM key_leverages
        WHERE account_id = :account AND key_id = :key AND contract_type = :contract_type
    ), stored AS (
        INSERT INTO key_leverages (account_id, key_id, contract_type, max_leverages, learned_at)
        VALUES (:account, :key, :contract_type, :maxima, clock_timestamp())
        ON CONFLICT (account_id, key_id, contract_type) DO UPDATE
        SET max_leverages = excluded.max_leverages, learned_at = excluded.learned_at
        RETURNING max_leverages
    )
    SELECT before.max_leverages IS DISTINCT FROM stored.max_leverages
    FROM stored LEFT JOIN before ON true
    """
).bindparams(
    bindparam("account", type_=Uuid()),
    bindparam("key", type_=Uuid()),
    bindparam("contract_type", type_=Text()),
    bindparam("maxima", type_=JSONB()),
)


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
        names: dict[str, Any] = {
            "account": self._account_id,
            "key": key_id,
            "contract_type": contract_type,
            "maxima": {symbol: plain(maximum) for symbol, maximum in maxima.items()},
        }
        if (await self._session.execute(_LEARN, names)).scalar_one():
            await self._session.execute(notifications.of_key(self._account_id, key_id))

    async def forget(self, key_id: UUID) -> None:
        """Forget what was stated to former credentials, maybe of another exchange account."""
        await self._session.execute(
            delete(KeyLeverage).where(
                KeyLeverage.account_id == self._account_id, KeyLeverage.key_id == key_id
            )
        )
