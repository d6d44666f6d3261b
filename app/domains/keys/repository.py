"""The SQL of keys. Every statement names the account."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, cast
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Table,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import notifications
from app.db.driver import Executor, Statement
from app.db.models import (
    Assignment,
    Bot,
    Key,
    KeyLabel,
    Position,
    RestingOrders,
)
from app.db.models.position import locking
from app.db.models.resting_order import resting
from app.domains.trading.kinds import KINDS

_KEYS = Key.__table__
_BOTS = Bot.__table__
_NAMING_KEYS = (*(kind.table for kind in KINDS), cast("Table", Assignment.__table__))
_LABEL = ("label", "exchange", "environment", "contract_type")
"""The columns that outlive the key in its label."""


class KeyRow(NamedTuple):
    """A key with its bot and without its fingerprint. The fields are named like the table's
    columns.
    """

    id: UUID
    label: str
    exchange: str
    environment: str
    region: str | None
    contract_type: str
    masked_key: str
    active: bool
    permission_read: str
    permission_trade: str
    permission_withdraw: str
    permission_ip_restricted: str
    expires_at: datetime | None
    verification_status: str
    verification_reason: str | None
    verification_possible: list[str] | None
    verification_code: str | None
    verification_checked_at: datetime | None
    last_release_at: datetime | None
    last_release_from: str | None
    public_key: str | None
    awaiting_api_key: bool
    version: int
    revision: int
    created_at: datetime
    updated_at: datetime
    bot_id: UUID | None
    bot_name: str | None


_OF_BOT = {"bot_id": _BOTS.c.id.label("bot_id"), "bot_name": _BOTS.c.name.label("bot_name")}

# Built once, from columns and not from entities: building a statement and unpacking entities for
# every call takes longer than PostgreSQL needs to run it.
_OF_ACCOUNT = (
    select(*(_OF_BOT[name] if name in _OF_BOT else _KEYS.c[name] for name in KeyRow._fields))
    .select_from(
        _KEYS.outerjoin(
            _BOTS, (_BOTS.c.account_id == _KEYS.c.account_id) & (_BOTS.c.key_id == _KEYS.c.id)
        )
    )
    .where(_KEYS.c.account_id == bindparam("account"))
)
_PAGE = _OF_ACCOUNT.order_by(_KEYS.c.id.desc()).limit(bindparam("most", type_=BigInteger))
_FIRST_PAGE = Statement(_PAGE)
_ONE = _OF_ACCOUNT.where(_KEYS.c.id == bindparam("key"))


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """A filter of keys. `None` filters nothing; `search` looks in label, exchange and mask,
    ignoring case.
    """

    environment: str | None = None
    exchange: str | None = None
    active: bool | None = None
    assigned: bool | None = None
    search: str | None = None


_EVERYTHING = KeyFilter()


class KeyRepository:
    def __init__(self, *, session: AsyncSession, executor: Executor, account_id: UUID) -> None:
        self._session = session
        self._executor = executor
        self._account_id = account_id

    async def page(self, wanted: KeyFilter, after: UUID | None, limit: int) -> list[KeyRow]:
        """Return up to `limit` rows that come after the id `after`, newest first."""
        parameters = {"account": self._account_id, "most": limit}
        if after is None and wanted == _EVERYTHING:
            return [
                KeyRow._make(row) for row in await self._executor.fetch(_FIRST_PAGE, **parameters)
            ]
        query = _PAGE
        if after is not None:
            query = query.where(_KEYS.c.id < after)
        if wanted.environment is not None:
            query = query.where(_KEYS.c.environment == wanted.environment)
        if wanted.exchange is not None:
            query = query.where(_KEYS.c.exchange == wanted.exchange)
        if wanted.active is not None:
            query = query.where(_KEYS.c.active.is_(wanted.active))
        if wanted.assigned is not None:
            query = query.where(
                _BOTS.c.id.is_not(None) if wanted.assigned else _BOTS.c.id.is_(None)
            )
        if wanted.search:
            query = query.where(
                or_(
                    *(
                        column.icontains(wanted.search, autoescape=True)
                        for column in (_KEYS.c.label, _KEYS.c.exchange, _KEYS.c.masked_key)
                    )
                )
            )
        rows = await self._session.execute(query, parameters)
        return [KeyRow._make(row) for row in rows.all()]

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

    async def count(self) -> int:
        count = select(func.count()).select_from(Key).where(Key.account_id == self._account_id)
        return (await self._session.execute(count)).scalar_one()

    async def close_late_positions(self, key_id: UUID) -> None:
        """Close by hand the open positions of a key that no position locks: those that former bots
        reported late.
        """
        clock = select(func.clock_timestamp().label("now")).cte("clock")
        now = select(clock.c.now).scalar_subquery()
        await self._session.execute(
            update(Position)
            .where(
                Position.account_id == self._account_id,
                Position.key_id == key_id,
                Position.status == "open",
            )
            .values(status="closed", close_reason="by_hand", closed_at=now, updated_at=now)
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
            .values(**columns, revision=Key.revision + 1, updated_at=func.clock_timestamp())
        )
        label = {name: columns[name] for name in _LABEL if name in columns}
        if label:
            await self._session.execute(update(KeyLabel).where(*self._label(key_id)).values(label))
        await self._session.execute(notifications.of_key(self._account_id, key_id))

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
