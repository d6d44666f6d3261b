"""The SQL of keys. Every statement names the account."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import AnyRow, AnySelect
from app.db.models import Bot, Key, KeyCredential
from app.vault.sealing import Sealed

KeyRow = AnyRow
"""The columns of `_COLUMNS`: a key's without fingerprint, with the bot that has it."""

_HIDDEN = {"account_id", "fingerprint", "exchange_account"}
_COLUMNS = [
    *(column for column in Key.__table__.columns if column.name not in _HIDDEN),
    Bot.id.label("bot_id"),
    Bot.name.label("bot_name"),
]


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """`None` filters nothing; `search` looks in label, exchange and mask, whatever the case."""

    environment: str | None = None
    exchange: str | None = None
    active: bool | None = None
    assigned: bool | None = None
    search: str | None = None


class KeyRepository:
    def __init__(self, session: AsyncSession, account_id: UUID) -> None:
        self._session = session
        self._account_id = account_id

    def _keys(self) -> AnySelect:
        return (
            select(*_COLUMNS)
            .select_from(Key)
            .outerjoin(Bot, (Bot.account_id == Key.account_id) & (Bot.key_id == Key.id))
            .where(Key.account_id == self._account_id)
        )

    async def page(self, wanted: KeyFilter, after: UUID | None, limit: int) -> list[KeyRow]:
        """Newest first; up to `limit` rows that come after the id `after`."""
        query = self._keys().order_by(Key.id.desc()).limit(limit)
        if after is not None:
            query = query.where(Key.id < after)
        if wanted.environment is not None:
            query = query.where(Key.environment == wanted.environment)
        if wanted.exchange is not None:
            query = query.where(Key.exchange == wanted.exchange)
        if wanted.active is not None:
            query = query.where(Key.active.is_(wanted.active))
        if wanted.assigned is not None:
            query = query.where(Bot.id.is_not(None) if wanted.assigned else Bot.id.is_(None))
        if wanted.search:
            query = query.where(
                or_(
                    *(
                        column.icontains(wanted.search, autoescape=True)
                        for column in (Key.label, Key.exchange, Key.masked_key)
                    )
                )
            )
        return list((await self._session.execute(query)).all())

    async def get(self, key_id: UUID) -> KeyRow | None:
        return (await self._session.execute(self._keys().where(Key.id == key_id))).one_or_none()

    async def lock(self, key_id: UUID) -> bool:
        """Take the key's lock; whether the key is there. Look at it in the next statement only."""
        lock = select(Key.id).where(*self._row(key_id)).with_for_update()
        return await self._session.scalar(lock) is not None

    async def find(self, fingerprint: bytes) -> UUID | None:
        return await self._session.scalar(
            select(Key.id).where(Key.account_id == self._account_id, Key.fingerprint == fingerprint)
        )

    async def add(self, key_id: UUID, sealed: Sealed, **columns: Any) -> bool:
        """A key and its first credentials; `False` where the account has this API key already."""
        new = upsert(Key).values(account_id=self._account_id, id=key_id, **columns)
        added = await self._session.scalar(
            new.on_conflict_do_nothing(index_elements=[Key.account_id, Key.fingerprint]).returning(
                Key.id
            )
        )
        if added is None:
            return False
        await self._session.execute(
            insert(KeyCredential).values(
                account_id=self._account_id,
                key_id=key_id,
                version=1,
                ciphertext=sealed.ciphertext,
                nonce=sealed.nonce,
                sealed_data_key=sealed.sealed_data_key,
                master_key_version=sealed.master_key_version,
            )
        )
        return True

    async def change(self, key_id: UUID, **columns: Any) -> None:
        await self._session.execute(
            update(Key)
            .where(*self._row(key_id))
            .values(**columns, revision=Key.revision + 1, updated_at=func.clock_timestamp())
        )

    async def delete(self, key_id: UUID) -> int:
        """The key and all its credentials; how many versions of credentials there were."""
        credentials = await self._session.execute(
            delete(KeyCredential).where(
                KeyCredential.account_id == self._account_id, KeyCredential.key_id == key_id
            )
        )
        await self._session.execute(delete(Key).where(*self._row(key_id)))
        return int(credentials.rowcount)  # type: ignore[attr-defined]  # a DELETE counts its rows

    def _row(self, key_id: UUID) -> tuple[Any, Any]:
        return Key.account_id == self._account_id, Key.id == key_id
