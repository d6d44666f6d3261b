"""Housekeeping: removes expired rows in small batches that many workers may share."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy import Interval, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.domains.trading.tombstones import REMEMBERED
from app.pipeline.idempotency import RETENTION
from app.worker.watch import beat

RELEASES_KEPT = timedelta(days=90)
"""Older releases are deleted: an address not seen for so long counts as new again."""

OPERATIONS_KEPT = timedelta(days=30)
"""How long the result of a finished operation can be looked up."""

SESSIONS_KEPT = timedelta(days=1)
"""How long a session that is over is remembered, so that nothing can open it a second time."""

EVENTS_KEPT = timedelta(days=30)
"""How long an event can be listed, and replayed to a client that missed it."""

DELIVERIES_KEPT = timedelta(days=30)
"""How long a delivery to a webhook is listed, like its event; a tenth of it if it arrived."""

OPENINGS_KEPT = timedelta(hours=1)
"""Lapsed openings are shown as closed at once; after this time they are stored as closed."""

BATCH = 1000

log = structlog.get_logger("botkeys.worker")


Turn = Callable[[async_sessionmaker[AsyncSession]], Awaitable[int]]


AGING = {
    "idempotency_records": RETENTION,
    "releases": RELEASES_KEPT,
    "operations": OPERATIONS_KEPT,
    "events": EVENTS_KEPT,
    "purged_positions": REMEMBERED,
}
"""Tables whose rows are deleted once they expire, and how long they are kept.

The database's function keeps them at least as long as it was written for.
"""

_SWEEP = text("SELECT sweep_expired(:table, :kept, :most)").bindparams(
    bindparam("table", type_=Text()), bindparam("kept", type_=Interval())
)
_MAKE_MONTHS = text("SELECT make_audit_months()")
_LAPSE = text("SELECT lapse_openings(:kept, :most)").bindparams(bindparam("kept", type_=Interval()))

_SWEEP_SESSIONS = text("SELECT sweep_sessions(:kept, :most)").bindparams(
    bindparam("kept", type_=Interval())
)
_SWEEP_DELIVERIES = text("SELECT sweep_webhook_deliveries(:kept, :most)").bindparams(
    bindparam("kept", type_=Interval())
)


async def _sweep(sessions: async_sessionmaker[AsyncSession], table: str) -> int:
    """Delete one batch in one transaction; return the number of rows."""
    async with sessions.begin() as session:
        batch = {"table": table, "kept": AGING[table], "most": BATCH}
        return int(await session.scalar(_SWEEP, batch) or 0)


async def lapse_openings(sessions: async_sessionmaker[AsyncSession]) -> int:
    """Close one batch of openings that lapsed long ago; they look closed already."""
    async with sessions.begin() as session:
        return int(await session.scalar(_LAPSE, {"kept": OPENINGS_KEPT, "most": BATCH}) or 0)


async def sweep_sessions(sessions: async_sessionmaker[AsyncSession]) -> int:
    """Delete one batch of the dashboard's sessions that were over long ago."""
    async with sessions.begin() as session:
        batch = {"kept": SESSIONS_KEPT, "most": BATCH}
        return int(await session.scalar(_SWEEP_SESSIONS, batch) or 0)


async def sweep_deliveries(sessions: async_sessionmaker[AsyncSession]) -> int:
    """Delete one batch of webhooks' deliveries that are no longer listed."""
    async with sessions.begin() as session:
        batch = {"kept": DELIVERIES_KEPT, "most": BATCH}
        return int(await session.scalar(_SWEEP_DELIVERIES, batch) or 0)


async def sweep(sessions: async_sessionmaker[AsyncSession]) -> int:
    """Delete or close all expired rows, and log how many of each table; return how many."""
    total = 0
    turns: dict[str, Turn] = {table: partial(_sweep, table=table) for table in AGING}
    turns |= {
        "dashboard_sessions": sweep_sessions,
        "webhook_deliveries": sweep_deliveries,
        "positions": lapse_openings,
    }
    for table, turn in turns.items():
        rows = await _all(turn, sessions)
        if rows:
            log.info("swept", table=table, rows=rows)
        total += rows
    return total


async def _all(turn: Turn, sessions: async_sessionmaker[AsyncSession]) -> int:
    """Take turns until there is less than a batch; return the number of rows."""
    rows = 0
    while True:
        done = await turn(sessions)
        rows += done
        beat()
        if done < BATCH:
            return rows


async def make_audit_months(sessions: async_sessionmaker[AsyncSession]) -> int:
    """Make the partitions of this month and the next three that are missing; return how many."""
    async with sessions.begin() as session:
        return int(await session.scalar(_MAKE_MONTHS) or 0)
