"""Deletes rows whose time is over, in small batches that many workers may share."""

from datetime import timedelta

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.db.models import IdempotencyRecord, Release
from app.idempotency import RETENTION

RELEASES_KEPT = timedelta(days=90)
"""Older releases are forgotten: an address not seen for so long counts as new again."""

BATCH = 1000


async def _sweep(sessions: async_sessionmaker[AsyncSession], *, releases: bool) -> int:
    """One batch in one transaction; how many rows went."""
    table = Release if releases else IdempotencyRecord
    aged = (
        Release.at < func.clock_timestamp() - RELEASES_KEPT
        if releases
        else IdempotencyRecord.created_at < func.clock_timestamp() - RETENTION
    )
    identity = (
        (Release.account_id, Release.id)
        if releases
        else (IdempotencyRecord.account_id, IdempotencyRecord.idempotency_key)
    )
    batch = select(*identity).where(aged).limit(BATCH)
    async with sessions.begin() as session:
        done = await session.execute(delete(table).where(tuple_(*identity).in_(batch)))
    return int(done.rowcount)  # type: ignore[attr-defined]  # a DELETE counts its rows


async def sweep(sessions: async_sessionmaker[AsyncSession]) -> int:
    """Everything whose time is over; how many rows went."""
    total = 0
    for releases in (False, True):
        while True:
            done = await _sweep(sessions, releases=releases)
            total += done
            if done < BATCH:
                break
    return total
