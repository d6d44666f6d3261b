"""The SQL of a release: three statements between BEGIN and the audit entry.

Locks are taken in the order bot, key, audit head. What the bot's lock protects is read in the
statement after it.
"""

from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import (
    Integer,
    Interval,
    Text,
    Uuid,
    and_,
    bindparam,
    func,
    insert,
    join,
    literal_column,
    select,
    update,
)
from sqlalchemy.orm import aliased

from app.db.clock import NOW
from app.db.driver import Executor, Statement
from app.db.models import AuditHead, Bot, BotToken, Key, KeyCredential, Release
from app.db.outcome import IDENTIFIED
from app.domains.audit.log import Head
from botkeys.exchanges.model import ContractType, Environment

WINDOW = timedelta(hours=1)
"""The time in which a bot's releases are limited."""

_ACCOUNT = bindparam("account", type_=Uuid())
_BOT = bindparam("bot", type_=Uuid())
_KEY = bindparam("key", type_=Uuid())
_ADDRESS = bindparam("address", type_=Text())
_WINDOW = bindparam("window", type_=Interval())
_THIS_BOT = (Bot.account_id == _ACCOUNT, Bot.id == _BOT)
_RELEASES = (Release.account_id == _ACCOUNT, Release.bot_id == _BOT)
_NOW = func.clock_timestamp()


class Found(NamedTuple):
    """The stored data to release. `token_hash` belongs to the bot's current token.

    `waiting` is the number of seconds until one more release fits the limit, `None` if it fits now.
    `is_new_address`: the key was released to this bot before, but never to this address. The fields
    of the part are those of a key pair's API key, which is sealed apart.
    """

    token_hash: bytes
    waiting: float | None
    is_new_address: bool
    key_id: UUID
    label: str
    exchange: str
    environment: Environment
    region: str | None
    contract_type: ContractType
    version: int
    ciphertext: bytes
    nonce: bytes
    sealed_data_key: bytes
    master_key_version: int
    part_ciphertext: bytes | None
    part_nonce: bytes | None
    part_sealed_data_key: bytes | None
    part_master_key_version: int | None


LOCK = Statement(select(IDENTIFIED).where(*_THIS_BOT).with_for_update(key_share=True))
_RECENT = (
    select(Release.at)
    .where(*_RELEASES, Release.at > _NOW - _WINDOW)
    .order_by(Release.at.desc())
    .offset(bindparam("others", type_=Integer()))
    .limit(literal_column("1"))
    .subquery()
)
_WAITING = select(func.extract("epoch", _RECENT.c.at + _WINDOW - _NOW)).scalar_subquery()
_OF_KEY = (*_RELEASES, Release.key_id == Key.id)
_IS_NEW_ADDRESS = (
    select(Release.id).where(*_OF_KEY).correlate(Key).exists()
    & ~select(Release.id).where(*_OF_KEY, Release.address == _ADDRESS).correlate(Key).exists()
)
_SEALED = join(
    Key,
    KeyCredential,
    (KeyCredential.account_id == Key.account_id)
    & (KeyCredential.key_id == Key.id)
    & (KeyCredential.version == Key.version),
)
_PART = aliased(KeyCredential, name="part")
_OF_PAIR = and_(
    _PART.account_id == Key.account_id,
    _PART.key_id == Key.id,
    _PART.version == -Key.version,
)
FOUND_MEMBERS = (
    select(
        BotToken.token_hash,
        _WAITING.label("waiting"),
        _IS_NEW_ADDRESS.label("is_new_address"),
        Key.id.label("key_id"),
        Key.label,
        Key.exchange,
        Key.environment,
        Key.region,
        Key.contract_type,
        Key.version,
        KeyCredential.ciphertext,
        KeyCredential.nonce,
        KeyCredential.sealed_data_key,
        KeyCredential.master_key_version,
        _PART.ciphertext.label("part_ciphertext"),
        _PART.nonce.label("part_nonce"),
        _PART.sealed_data_key.label("part_sealed_data_key"),
        _PART.master_key_version.label("part_master_key_version"),
    )
    .select_from(Bot)
    .join(BotToken, (BotToken.account_id == Bot.account_id) & (BotToken.bot_id == Bot.id))
    .outerjoin(_SEALED, (Key.account_id == Bot.account_id) & (Key.id == Bot.key_id))
    .outerjoin(_PART, _OF_PAIR)
    .where(*_THIS_BOT)
)
FOUND = Statement(FOUND_MEMBERS)
_ADDED = (
    insert(Release)
    .values(
        account_id=_ACCOUNT,
        id=bindparam("release"),
        bot_id=_BOT,
        key_id=_KEY,
        version=bindparam("version"),
        suite=bindparam("suite"),
        address=_ADDRESS,
    )
    .cte("added")
)
_SHOWN = (
    update(Key)
    .where(Key.account_id == _ACCOUNT, Key.id == _KEY)
    .values(last_release_at=NOW, last_release_from=_ADDRESS)
    .returning(Key.id)
    .cte("shown")
)
# The head is not read before the key's row exists, is changed and thereby locked. The clock is read
# after both locks, because the materialized part runs before the outer SELECT list.
_HEAD = (
    select(AuditHead.sequence, AuditHead.mac, AuditHead.seal, AuditHead.sealed_sequence)
    .where(AuditHead.account_id == _ACCOUNT, select(_SHOWN.c.id).exists())
    .with_for_update()
    .cte("head")
    .prefix_with("MATERIALIZED")
)
_GRANTED = Statement(
    select(Release.id).where(Release.account_id == _ACCOUNT, Release.id == bindparam("release"))
)
ADD_RELEASE = Statement(
    select(_HEAD.c.sequence, _HEAD.c.mac, _HEAD.c.seal, _HEAD.c.sealed_sequence, _NOW).add_cte(
        _ADDED
    )
)


class ReleaseRepository:
    """The releases of one bot."""

    def __init__(self, *, executor: Executor, account_id: UUID, bot_id: UUID) -> None:
        self._executor = executor
        self._account_id = account_id
        self._bot_id = bot_id
        self._names = {"account": account_id, "bot": bot_id}

    async def lock_assignment(self) -> bool:
        """Lock the bot, so that it keeps its key and its releases are serialized."""
        return bool(await self._executor.fetch(LOCK, **self._names))

    async def found(self, address: str, limit: int, window: timedelta) -> Found | None:
        """Return what is stored; `None` if the bot has no token. Without a key its fields are
        `None`.
        """
        rows = await self._executor.fetch(
            FOUND, **self._names, address=address, others=limit - 1, window=window
        )
        return next(map(Found._make, rows), None)

    async def is_recorded(self, release_id: UUID) -> bool:
        """Return whether this release is recorded; the bot's lock is held."""
        return bool(
            await self._executor.fetch(_GRANTED, account=self._account_id, release=release_id)
        )

    async def add(
        self, release_id: UUID, key_id: UUID, version: int, suite: str, address: str
    ) -> Head | None:
        """Store the release and show it on the key.

        Returns the audit log's head under its lock; `None` if the log is empty.
        """
        rows = await self._executor.fetch(
            ADD_RELEASE,
            **self._names,
            key=key_id,
            release=release_id,
            version=version,
            suite=suite,
            address=address,
        )
        return next(map(Head._make, rows), None)
