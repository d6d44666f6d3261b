"""Tidies up rows whose time is over, in small batches that many workers may share."""

from datetime import timedelta
from functools import partial

from sqlalchemy import delete, func, null, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.db.models import IdempotencyRecord, Position, Release
from app.idempotency import RETENTION

RELEASES_KEPT = timedelta(days=90)
"""Older releases are forgotten: an address not seen for so long counts as new again."""

OPENINGS_KEPT = timedelta(hours=1)
"""Openings that lapsed show as closed at once; this long after, they are marked as such."""

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


async def lapse_openings(sessions: async_sessionmaker[AsyncSession]) -> int:
    """Close one batch of openings that lapsed long ago; how many. What they show stays the same."""
    # Beside the choice of the batch, so that PostgreSQL asks again of a row that it waited for:
    # the bot may have renewed it.
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
    """Everything whose time is over; how many rows went or were closed."""
    total = 0
    for turn in (
        partial(_sweep, releases=False),
        partial(_sweep, releases=True),
        lapse_openings,
    ):
        while True:
            done = await turn(sessions)
            total += done
            if done < BATCH:
                break
    return total
