"""The SQL of the role `runtime`. Every statement names the account and the bot."""

from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    Integer,
    Interval,
    Uuid,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Bot, BotEvent, Key, KeyCredential, Release
from app.db.reading import Query, SessionReader
from app.exchanges.model import ContractType, Environment

_ACCOUNT = bindparam("account", type_=Uuid())
_BOT = bindparam("bot", type_=Uuid())
_KEY = bindparam("key", type_=Uuid())
_THIS_BOT = (Bot.account_id == _ACCOUNT, Bot.id == _BOT)
_RELEASES = (Release.account_id == _ACCOUNT, Release.bot_id == _BOT)
_NOW = func.clock_timestamp()


class SealedRow(NamedTuple):
    """Credentials as they are stored, and the key that they are of."""

    key_id: UUID
    exchange: str
    environment: Environment
    region: str | None
    contract_type: ContractType
    version: int
    ciphertext: bytes
    nonce: bytes
    sealed_data_key: bytes
    master_key_version: int


LOCK = Query(select(Bot.id).where(*_THIS_BOT).with_for_update(key_share=True))
SEALED = Query(
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
    .where(*_THIS_BOT)
)
_WINDOW = bindparam("window", type_=Interval())
_RECENT = (
    select(Release.at)
    .where(*_RELEASES, Release.at > _NOW - _WINDOW)
    .order_by(Release.at.desc())
    .offset(bindparam("others", type_=Integer()))
    .limit(literal_column("1"))
    .subquery()
)
WAITING = Query(select(func.extract("epoch", _RECENT.c.at + _WINDOW - _NOW)))
_OF_KEY = (*_RELEASES, Release.key_id == _KEY)
NEW_ADDRESS = Query(
    select(
        select(Release.id).where(*_OF_KEY).exists()
        & ~select(Release.id).where(*_OF_KEY, Release.address == bindparam("address")).exists()
    )
)
ADD_RELEASE = Query(
    update(Key)
    .where(Key.account_id == _ACCOUNT, Key.id == _KEY)
    .values(last_release_at=_NOW, last_release_from=bindparam("address"))
    .add_cte(
        insert(Release)
        .values(
            account_id=_ACCOUNT,
            id=bindparam("release"),
            bot_id=_BOT,
            key_id=_KEY,
            version=bindparam("version"),
            suite=bindparam("suite"),
            address=bindparam("address"),
        )
        .cte("added")
    )
)


class RuntimeRepository:
    """Of one bot."""

    def __init__(self, session: AsyncSession, account_id: UUID, bot_id: UUID) -> None:
        self._session = session
        self._reader = SessionReader(session)
        self._account_id = account_id
        self._bot_id = bot_id
        self._names = {"account": account_id, "bot": bot_id}

    async def lock_assignment(self) -> bool:
        """Lock the bot, so that its key stays its key, and releases to it come one by one."""
        return bool(await self._reader.fetch(LOCK, **self._names))

    async def sealed(self) -> SealedRow | None:
        """The present credentials of the bot's key, sealed; `None` if it has no key."""
        for row in await self._reader.fetch(SEALED, **self._names):
            return SealedRow._make(row)
        return None

    async def seconds_until_release(self, limit: int, window: timedelta) -> float | None:
        """How long until one more release fits the limit; `None` if it fits now."""
        rows = await self._reader.fetch(WAITING, **self._names, window=window, others=limit - 1)
        for (waiting,) in rows:
            return float(waiting)
        return None

    async def is_new_address(self, key_id: UUID, address: str) -> bool:
        """Whether this key was released before, and never to this address."""
        ((is_new,),) = await self._reader.fetch(
            NEW_ADDRESS, **self._names, key=key_id, address=address
        )
        return bool(is_new)

    async def add_release(
        self, release_id: UUID, key_id: UUID, version: int, suite: str, address: str
    ) -> None:
        await self._reader.fetch(
            ADD_RELEASE,
            **self._names,
            key=key_id,
            release=release_id,
            version=version,
            suite=suite,
            address=address,
        )

    async def add_event(self, event_id: UUID, **columns: Any) -> None:
        await self._session.execute(
            insert(BotEvent).values(
                account_id=self._account_id, bot_id=self._bot_id, id=event_id, **columns
            )
        )
