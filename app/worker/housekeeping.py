"""Housekeeping: removes expired rows in small batches that many workers may share."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, delete, func, null, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.db.base import Base
from app.db.models import IdempotencyRecord, Operation, Position, PurgedPosition, Release
from app.domains.trading.tombstones import REMEMBERED
from app.pipeline.idempotency import RETENTION

RELEASES_KEPT = timedelta(days=90)
"""Older releases are deleted: an address not seen for so long counts as new again."""

OPERATIONS_KEPT = timedelta(days=30)
"""How long the result of a finished operation can be looked up."""

OPENINGS_KEPT = timedelta(hours=1)
"""Lapsed openings are shown as closed at once; after this time they are stored as closed."""

BATCH = 1000


Turn = Callable[[async_sessionmaker[AsyncSession]], Awaitable[int]]


class _Aging(NamedTuple):
    """A table whose rows are deleted once they expire."""

    table: type[Base]
    identity: tuple[Any, ...]
    over: ColumnElement[bool]


_NOW = func.clock_timestamp()
AGING = (
    _Aging(
        IdempotencyRecord,
        (IdempotencyRecord.account_id, IdempotencyRecord.idempotency_key),
        IdempotencyRecord.created_at < _NOW - RETENTION,
    ),
    _Aging(Release, (Release.account_id, Release.id), Release.at < _NOW - RELEASES_KEPT),
    _Aging(
        Operation,
        (Operation.account_id, Operation.id),
        Operation.finished_at < _NOW - OPERATIONS_KEPT,
    ),
    _Aging(
        PurgedPosition,
        (PurgedPosition.account_id, PurgedPosition.bot_id, PurgedPosition.digest),
        PurgedPosition.purged_at < _NOW - REMEMBERED,
    ),
)


async def _sweep(sessions: async_sessionmaker[AsyncSession], aging: _Aging) -> int:
    """Delete one batch in one transaction; return the number of rows."""
    batch = select(*aging.identity).where(aging.over).limit(BATCH)
    async with sessions.begin() as session:
        done = await session.execute(delete(aging.table).where(tuple_(*aging.identity).in_(batch)))
    return int(done.rowcount)  # type: ignore[attr-defined]  # a DELETE counts its rows


async def lapse_openings(sessions: async_sessionmaker[AsyncSession]) -> int:
    """Close one batch of openings that lapsed long ago; they look closed already."""
    # The condition is repeated beside the batch, so that PostgreSQL evaluates it again for a row
    # that it waited for: the bot may have renewed it.
    over = (Position.status == "opening") & (
        Position.expires_at < func.clock_timestamp() - OPENINGS_KEPT
    )
    identity = (Position.account_id, Position.bot_id, Position.id)
    batch = select(*identity).where(over).limit(BATCH)
    async with sessions.begin() as session:
        done = await session.execute(
            update(Position)
            .where(tuple_(*identity).in_(batch), over)
            .values(
                status="closed",
                close_reason="lapsed",
                closed_at=Position.expires_at,
                expires_at=null(),
            )
            .execution_options(synchronize_session=False)
        )
    return int(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE counts its rows


async def sweep(sessions: async_sessionmaker[AsyncSession]) -> int:
    """Delete or close all expired rows; return how many."""
    total = 0
    turns: list[Turn] = [partial(_sweep, aging=aging) for aging in AGING]
    for turn in (*turns, lapse_openings):
        while True:
            done = await turn(sessions)
            total += done
            if done < BATCH:
                break
    return total
