"""Drops whole months of the audit log, in one transaction with the starts of the chains."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import stamina
from sqlalchemy import ColumnElement, String, literal_column, not_, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.db.failures import sqlstate
from app.db.migration_locks import LOCK_SECONDS
from app.db.models import AuditEvent
from app.domains.audit.start import Start

PATIENCE_SECONDS = 120.0
_LOCK_NOT_AVAILABLE = "55P03"

_BEFORE = text(
    "SELECT relname FROM ("
    " SELECT relname, substring(pg_get_expr(relpartbound, oid) FROM 'TO .''([^'']+)''.') AS ending"
    " FROM pg_class"
    " WHERE oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'audit_events'::regclass)"
    ") AS months WHERE CAST(ending AS timestamptz) <= :before ORDER BY relname"
)
_LOCKS = (
    "SET LOCAL statement_timeout = 0",
    f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'",
    # In the order of writers. Both at the beginning: who waits has locked nothing yet.
    "LOCK TABLE audit_heads IN ACCESS EXCLUSIVE MODE",
    "LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE",
    # Each account is one look into an index, however many entries there are.
    *(
        f"SET LOCAL enable_{way} = off"
        for way in ("seqscan", "bitmapscan", "hashjoin", "mergejoin", "material")
    ),
)
_STARTS = text(
    "INSERT INTO audit_starts"
    " (account_id, sequence, mac, seal, before, retired_at, retired_by)"
    " SELECT account_id, sequence, mac, seal, :before, :at, :by FROM unnest("
    "CAST(:accounts AS uuid[]), CAST(:sequences AS bigint[]),"
    " CAST(:macs AS bytea[]), CAST(:seals AS bytea[])"
    ") AS start (account_id, sequence, mac, seal)"
)
_COLUMNS = ", ".join(column.name for column in AuditEvent.__table__.columns)
_KEEP = (
    "INSERT INTO audit_events ({columns}) SELECT kept.* FROM audit_heads AS head"
    " CROSS JOIN LATERAL (SELECT {columns} FROM audit_months.{month} AS entry"
    " WHERE entry.account_id = head.account_id AND entry.sequence > coalesce(("
    "SELECT max(sequence) FROM audit_starts AS start WHERE start.account_id = head.account_id"
    "), 0)) AS kept"
)


@dataclass(frozen=True, slots=True)
class Months:
    """The partitions that have only entries from before a moment."""

    names: tuple[str, ...]

    def elsewhere(self) -> ColumnElement[bool]:
        """Return the condition that an entry is in no such partition."""
        # On a node of Citus, a shard's number follows the name.
        partition = literal_column(
            "regexp_replace(audit_events.tableoid::regclass::text, '_[0-9]{6,}$', '')", String
        )
        return not_(partition.in_([f"audit_months.{name}" for name in self.names]))

    async def drop(
        self, sessions: async_sessionmaker[AsyncSession], starts: Sequence[Start], key: bytes
    ) -> bool:
        """Drop the months and let the chains begin at these starts; return whether that was done.

        An entry that no start leaves out moves to the partition of what has no month. Reading and
        writing the audit log waits meanwhile, for a time that grows with the number of accounts
        and not with that of entries.
        """
        if not self.names:
            return True
        try:
            async for attempt in stamina.retry_context(
                on=_lock_not_available,
                attempts=None,
                timeout=PATIENCE_SECONDS,
                wait_initial=1.0,
                wait_max=5.0,
            ):
                with attempt:
                    await self._drop(sessions, starts, key)
        except DBAPIError as error:
            if not _lock_not_available(error):
                raise
            return False
        return True

    async def _drop(
        self, sessions: async_sessionmaker[AsyncSession], starts: Sequence[Start], key: bytes
    ) -> None:
        async with sessions.begin() as session:
            for statement in _LOCKS:
                await session.execute(text(statement))
            if starts:
                await session.execute(_STARTS, _columns(starts, key))
            for name in self.names:
                await session.execute(
                    text(f"ALTER TABLE audit_events DETACH PARTITION audit_months.{name}")
                )
                await session.execute(text(_KEEP.format(columns=_COLUMNS, month=name)))
                await session.execute(text(f"DROP TABLE audit_months.{name}"))


async def months_before(session: AsyncSession, before: datetime) -> Months:
    """Return the partitions that end at this moment or earlier."""
    return Months(tuple(await session.scalars(_BEFORE, {"before": before})))


def _columns(starts: Sequence[Start], key: bytes) -> dict[str, object]:
    return {
        "accounts": [start.account_id for start in starts],
        "sequences": [start.sequence for start in starts],
        "macs": [start.mac for start in starts],
        "seals": [start.seal(key) for start in starts],
        "before": starts[0].before,
        "at": starts[0].retired_at,
        "by": starts[0].retired_by,
    }


def _lock_not_available(error: Exception) -> bool:
    return sqlstate(error) == _LOCK_NOT_AVAILABLE
