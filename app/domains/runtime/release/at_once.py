"""The usual release in one statement that locks, checks, records and commits.

    READY, with the bot's token ─► the audit entry and its link, computed here ─► GRANT ─► released

Both are sent together with those of other releases that come at the same moment
(`app.db.together`), GRANT as `FREE_ONLY`, which waits for no lock. Each is decided by itself.

The entry is linked to the head of the account's chain as READY found it, and carries the time of
that reading. GRANT takes the locks in the order bot, key, audit head, checks everything that a
release depends on, and writes only if the head is still that one. Bot, token, key and head are read
as they are under their locks. The releases that the limit counts are read as they were when the
statement began, like all rows without a lock; each of them moves the head, so that one which was
committed during a wait leaves nothing written. So READY decides nothing, and where GRANT writes
nothing the release is decided statement by statement (`repository`).
"""

import re
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    DateTime,
    Integer,
    Interval,
    LargeBinary,
    Text,
    Uuid,
    and_,
    bindparam,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.db.driver import BatchExecutor, Statement
from app.db.models import AuditEvent, AuditHead, Bot
from app.db.together import NUMBER, Together
from app.domains.audit.log import Head
from app.domains.runtime.release.repository import FOUND_MEMBERS, Found

_BATCHES = 1
"""Batches in flight: what comes meanwhile goes in one, which costs least."""

_COLUMNS = [column.name for column in AuditEvent.__table__.columns]
_HEAD = (AuditHead.sequence, AuditHead.mac, AuditHead.seal, AuditHead.sealed_sequence)


class Ready(NamedTuple):
    """What a release is made of, as it was when the bot's token was read; nothing is locked.

    `head` is the audit log's newest entry and the time; it is `None` if the log is empty.
    """

    found: Found
    head: Head | None


READY = Statement(
    FOUND_MEMBERS.add_columns(*_HEAD, func.clock_timestamp(), NUMBER).outerjoin(
        AuditHead, and_(AuditHead.account_id == Bot.account_id)
    )
)
_FIELDS = len(Found._fields)


_GRANT = f"""
    WITH bot AS MATERIALIZED (
        SELECT key_id FROM bots WHERE account_id = :account_id AND id = :bot FOR NO KEY UPDATE
    ), token AS MATERIALIZED (
        SELECT bot_id FROM bot_tokens
        WHERE account_id = :account_id AND bot_id = :bot AND token_hash = :token_hash
          AND EXISTS (SELECT FROM bot)
        FOR SHARE
    ), key AS MATERIALIZED (
        SELECT id, version FROM keys
        WHERE account_id = :account_id AND id = (SELECT key_id FROM bot)
          AND EXISTS (SELECT FROM token)
        FOR NO KEY UPDATE
    ), granted AS MATERIALIZED (
        SELECT id FROM key
        WHERE id = :key AND version = :version
          AND NOT EXISTS (
            SELECT FROM releases
            WHERE account_id = :account_id AND bot_id = :bot AND at > :at - :window
            ORDER BY at DESC OFFSET :others LIMIT 1
          ) AND (EXISTS (
            SELECT FROM releases WHERE account_id = :account_id AND bot_id = :bot
              AND key_id = :key AND releases.address = :address
          ) OR NOT EXISTS (
            SELECT FROM releases WHERE account_id = :account_id AND bot_id = :bot AND key_id = :key
          ))
    ), newest AS MATERIALIZED (
        SELECT account_id FROM audit_heads
        WHERE account_id = :account_id AND sequence = :sequence - 1 AND mac = :previous
          AND EXISTS (SELECT FROM granted)
        FOR NO KEY UPDATE
    ), head AS (
        UPDATE audit_heads
        SET sequence = :sequence, mac = :mac, seal = :seal, sealed_sequence = :sequence
        FROM newest
        WHERE audit_heads.account_id = :account_id AND audit_heads.sequence = :sequence - 1
          AND audit_heads.mac = :previous
        RETURNING audit_heads.account_id
    ), entry AS (
        INSERT INTO audit_events ({", ".join(_COLUMNS)})
        SELECT {", ".join(f":{name}" for name in _COLUMNS)} FROM head
    ), added AS (
        INSERT INTO releases (account_id, id, bot_id, key_id, version, suite, address, at)
        SELECT :account_id, :release, :bot, :key, :version, :suite, :address, :at FROM head
    ), shown AS (
        UPDATE keys SET last_release_at = :at, last_release_from = :address
        FROM head WHERE keys.account_id = :account_id AND keys.id = :key
    )
    SELECT account_id, CAST(:number AS integer) FROM head
"""  # noqa: S608  # built from constants only
_TYPES: dict[Any, tuple[str, ...]] = {
    Uuid(): ("account_id", "bot", "key", "release", "id"),
    Integer(): ("version", "others", "sequence", "format", "number"),
    LargeBinary(): ("token_hash", "mac", "seal", "previous"),
    DateTime(timezone=True): ("at",),
    Interval(): ("window",),
    JSONB(): ("details",),
}
_NAMES = {*_COLUMNS, "bot", "key", "release", "version", "others", "suite", "number"}
_NAMES |= {"token_hash", "seal", "previous", "window"}
_TYPE_OF = {name: kind for kind, names in _TYPES.items() for name in names}


def _granting(sql: str) -> Statement:
    binds = (bindparam(name, type_=_TYPE_OF.get(name, Text())) for name in sorted(_NAMES))
    return Statement(text(sql).bindparams(*binds), writes=True)


GRANT = _granting(_GRANT)
"""Returns a row if it has recorded the release."""

FREE_ONLY = _granting(re.sub(r"(FOR (?:NO KEY UPDATE|SHARE))", r"\1 SKIP LOCKED", _GRANT))
"""GRANT for a release of which nothing is locked by others, else it does nothing."""


class ReleaseBatches:
    """What the releases of a process read, and what they write, together."""

    def __init__(self, executor: BatchExecutor) -> None:
        self._executor = executor
        self._reading = Together(executor, READY, at_once=_BATCHES)
        self._granting = Together(executor, FREE_ONLY, at_once=_BATCHES)

    async def ready(
        self, account_id: UUID, bot_id: UUID, address: str, limit: int, window: timedelta
    ) -> Ready | None:
        """Return what a release would be made of; `None` if the bot or its token is gone."""
        rows = await self._reading.fetch(
            account=account_id, bot=bot_id, address=address, others=limit - 1, window=window
        )
        for row in rows:
            members = tuple(row)
            head = Head._make(members[_FIELDS:])
            return Ready(Found._make(members[:_FIELDS]), None if head.mac is None else head)
        return None

    async def grant(self, **parameters: Any) -> bool:
        """Record a release; return whether that was done.

        Raises what the driver raises, and `CommitLost`: it may then be recorded after all.
        """
        if await self._granting.fetch(**parameters):
            return True
        # Something has changed, or somebody has locked it: this one waits, and no other with it.
        return bool(await self._executor.fetch(GRANT, **parameters, number=0))

    async def close(self) -> None:
        await self._reading.close()
        await self._granting.close()
