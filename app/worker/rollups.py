"""Recomputation of stale days of trades (`app.domains.analytics.rollups`)."""

from datetime import date, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.db.models import StaleDay
from app.domains.analytics.rollups import WAIT, mark_cut_days, recompute

DAYS_AT_ONCE = 7
"""Days per transaction, which must end long before a statement's time limit."""

MARKED_AT_ONCE = 1000


class _Due(NamedTuple):
    account_id: UUID
    environment: str
    days: list[date]


async def recompute_due(
    sessions: async_sessionmaker[AsyncSession], *, wait: timedelta = WAIT
) -> int:
    """Recompute every day that has been stale for at least `wait`; return how many.

    Any number of workers may run: only one at a time recomputes an account's days, and the others
    skip that account. A failure is raised when the other accounts are done.
    """
    total = 0
    failures: list[SQLAlchemyError] = []
    left: set[tuple[UUID, str]] = set()
    while due := await _due(sessions, wait, left):
        for account_id, environment, days in due:
            try:
                async with sessions.begin() as session:
                    done = await recompute(session, account_id, environment, days)
            except SQLAlchemyError as failure:
                failures.append(failure)
                done = False
            if done:
                total += len(days)
            else:
                left.add((account_id, environment))
    if failures:
        raise failures[0]
    return total


async def _due(
    sessions: async_sessionmaker[AsyncSession], wait: timedelta, left: set[tuple[UUID, str]]
) -> list[_Due]:
    """Return the stale days of the accounts that have waited longest."""
    query = (
        select(StaleDay.account_id, StaleDay.environment, StaleDay.day)
        .where(StaleDay.marked_at <= func.clock_timestamp() - wait)
        .group_by(StaleDay.account_id, StaleDay.environment, StaleDay.day)
        .order_by(func.min(StaleDay.marked_at), StaleDay.day)
        .limit(MARKED_AT_ONCE)
    )
    async with sessions.begin() as session:
        rows = (await session.execute(query)).all()
    found: dict[tuple[UUID, str], list[date]] = {}
    for account_id, environment, day in rows:
        if (account_id, environment) not in left:
            found.setdefault((account_id, environment), []).append(day)
    return [_Due(*place, days[:DAYS_AT_ONCE]) for place, days in found.items()]


async def mark_cut(sessions: async_sessionmaker[AsyncSession]) -> int:
    """Mark all days with deleted trades for recomputation; return how many."""
    total = 0
    while True:
        async with sessions.begin() as session:
            done = await mark_cut_days(session, MARKED_AT_ONCE)
        total += done
        if done < MARKED_AT_ONCE:
            return total
