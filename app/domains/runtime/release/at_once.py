"""The usual release in one statement that locks, checks, records and commits.

    READY, with the bot's token ─► the audit entry and its link, computed here ─► GRANT ─► released

The entry is linked to the head of the account's chain as READY found it, and carries the time of
that reading. GRANT takes the locks in the order bot, key, audit head, checks everything that a
release depends on, and writes only if the head is still that one. Bot, token, key and head are read
as they are under their locks. The releases that the limit counts are read as they were when the
statement began, like all rows without a lock; each of them moves the head, so that one which was
committed during a wait leaves nothing written. So READY decides nothing, and where GRANT writes
nothing the release is decided statement by statement (`repository`).
"""

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

from app.db.driver import Executor, Statement
from app.db.models import AuditEvent, AuditHead, Bot
from app.domains.audit.log import Head
from app.domains.runtime.release.repository import FOUND_MEMBERS, Found

_COLUMNS = [column.name for column in AuditEvent.__table__.columns]
_HEAD = (AuditHead.sequence, AuditHead.mac, AuditHead.seal, AuditHead.sealed_sequence)


class Ready(NamedTuple):
    """What a release is made of, as it was when the bot's token was read; nothing is locked.

    `head` is the audit log's newest entry and the time; it is `None` if the log is empty.
    """

    found: Found
    head: Head | None


READY = Statement(
    FOUND_MEMBERS.add_columns(*_HEAD, func.clock_timestamp()).outerjoin(
        AuditHead, and_(AuditHead.account_id == Bot.account_id)
    )
)
_FIELDS = len(Found._fields)


async def read_ready(
    executor: Executor, account_id: UUID, bot_id: UUID, address: str, limit: int, window: timedelta
) -> Ready | None:
    """Return what a release would be made of; `None` if the bot or its token is gone."""
    rows = await executor.fetch(
        READY, account=account_id, bot=bot_id, address=address, others=limit - 1, window=window
    )
    for row in rows:
        members = tuple(row)
        head = Head._make(members[_FIELDS:])
        return Ready(Found._make(members[:_FIELDS]), None if head.mac is None else head)
    return None


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
    ), head AS (
        UPDATE audit_heads
        SET sequence = :sequence, mac = :mac, seal = :seal, sealed_sequence = :sequence
        WHERE account_id = :account_id AND sequence = :sequence - 1 AND mac = :previous
          AND EXISTS (SELECT FROM granted)
        RETURNING account_id
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
    SELECT account_id FROM head
"""  # noqa: S608  # built from constants only
_TYPES: dict[Any, tuple[str, ...]] = {
    Uuid(): ("account_id", "bot", "key", "release", "id"),
    Integer(): ("version", "others", "sequence", "format"),
    LargeBinary(): ("token_hash", "mac", "seal", "previous"),
    DateTime(timezone=True): ("at",),
    Interval(): ("window",),
    JSONB(): ("details",),
}
_NAMES = {*_COLUMNS, "bot", "key", "release", "version", "others", "suite"}
_NAMES |= {"token_hash", "seal", "previous", "window"}
_TYPE_OF = {name: kind for kind, names in _TYPES.items() for name in names}
GRANT = Statement(
    text(_GRANT).bindparams(
        *(bindparam(name, type_=_TYPE_OF.get(name, Text())) for name in sorted(_NAMES))
    ),
    writes=True,
)
"""Returns a row if it has recorded the release."""
