"""The SQL of keys. Every statement names the account."""

from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    Table,
    Uuid,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import notifications
from app.db.clock import NOW
from app.db.driver import Executor
from app.db.models import Assignment, Key, KeyLabel, Position, RestingOrders
from app.db.models.position import locking
from app.db.models.resting_order import resting
from app.db.paged_list import Order, SortedPlace
from app.domains.keys.listing import KEYS, KeyFilter
from app.domains.keys.rows import KeyRow, keys_sql
from app.domains.trading.kinds import KINDS

_NAMING_KEYS = (*(kind.table for kind in KINDS), cast("Table", Assignment.__table__))
_LABEL = ("label", "exchange", "environment", "contract_type")
"""The columns that outlive the key in its label."""


_ONE = text(keys_sql("AND keys.id = :key")).bindparams(
    bindparam("account", type_=Uuid()), bindparam("key", type_=Uuid())
)


class KeyRepository:
    def __init__(self, *, session: AsyncSession, executor: Executor, account_id: UUID) -> None:
        self._session = session
        self._executor = executor
        self._account_id = account_id

    async def page(
        self, wanted: KeyFilter, order: Order | None, after: SortedPlace | UUID | None, limit: int
    ) -> list[KeyRow]:
        """Return up to `limit` rows that come after the place, in this order; newest first, after
        the id, without one.
        """
        statement, parameters = KEYS.page(wanted, order, after)
        rows = await self._executor.fetch(
            statement, account=self._account_id, most=limit, **parameters
        )
        return [KeyRow._make(row) for row in rows]

    async def get(self, key_id: UUID) -> KeyRow | None:
        rows = await self._session.execute(_ONE, {"account": self._account_id, "key": key_id})
        row = rows.one_or_none()
        return None if row is None else KeyRow._make(row)

    async def lock(self, key_id: UUID, *, share: bool = False) -> bool:
        """Lock the key and return whether it exists. Read the row only in a later statement.

        With `share`, others can take the same shared lock but cannot change the key.
        """
        lock = select(Key.id).where(*self._row(key_id)).with_for_update(read=share)
        return await self._session.scalar(lock) is not None

    async def locking_positions(self, *key_ids: UUID) -> int:
        """Return how many positions of any bot lock these keys, openings included."""
        count = select(func.count()).where(
            Position.account_id == self._account_id, Position.key_id.in_(key_ids), locking()
        )
        return (await self._session.execute(count)).scalar_one()

    async def resting_orders(self, *key_ids: UUID) -> int:
        """Return how many orders of these keys rest at the exchange."""
        of_keys = RestingOrders.account_id == self._account_id, RestingOrders.key_id.in_(key_ids)
        return (await self._session.execute(select(resting(*of_keys)))).scalar_one()

    async def close_late_positions(self, key_id: UUID) -> None:
        """Close by hand the open positions of a key that no position locks: those that former bots
        reported late.
        """
        await self._session.execute(
            update(Position)
            .where(
                Position.account_id == self._account_id,
                Position.key_id == key_id,
                Position.status == "open",
            )
            .values(status="closed", close_reason="by_hand", closed_at=NOW, updated_at=NOW)
        )

    async def find(self, fingerprint: bytes) -> UUID | None:
        return await self._session.scalar(
            select(Key.id).where(Key.account_id == self._account_id, Key.fingerprint == fingerprint)
        )

    async def add(self, key_id: UUID, **columns: Any) -> bool:
        """Add a key without its credentials; return `False` if the account already has this API
        key.
        """
        new = upsert(Key).values(account_id=self._account_id, id=key_id, **columns)
        added = await self._session.scalar(
            new.on_conflict_do_nothing(index_elements=[Key.account_id, Key.fingerprint]).returning(
                Key.id
            )
        )
        if added is None:
            return False
        label = {name: columns[name] for name in _LABEL}
        await self._session.execute(
            insert(KeyLabel).values(account_id=self._account_id, key_id=key_id, **label)
        )
        return True

    async def change(self, key_id: UUID, **columns: Any) -> None:
        await self._session.execute(
            update(Key)
            .where(*self._row(key_id))
            .values(**columns, revision=Key.revision + 1, updated_at=NOW)
        )
        label = {name: columns[name] for name in _LABEL if name in columns}
        if label:
            await self._session.execute(update(KeyLabel).where(*self._label(key_id)).values(label))
        await notifications.notify_of_key(self._session, self._account_id, key_id)

    async def delete(self, key_id: UUID) -> None:
        """Delete the key, and the last counts of orders that were placed with it."""
        of_key = RestingOrders.account_id == self._account_id, RestingOrders.key_id == key_id
        await self._session.execute(delete(RestingOrders).where(*of_key))
        await self._session.execute(delete(Key).where(*self._row(key_id)))

    async def forget_label(self, key_id: UUID) -> None:
        """Delete the key's label, unless trading data name it or a bot that had the key may still
        report.
        """
        named = or_(
            *(
                exists(literal_column("1")).where(
                    table.c.account_id == self._account_id, table.c.key_id == key_id
                )
                for table in _NAMING_KEYS
            )
        )
        await self._session.execute(delete(KeyLabel).where(*self._label(key_id), ~named))

    def _label(self, key_id: UUID) -> tuple[Any, Any]:
        return KeyLabel.account_id == self._account_id, KeyLabel.key_id == key_id

    def _row(self, key_id: UUID) -> tuple[Any, Any]:
        return Key.account_id == self._account_id, Key.id == key_id
