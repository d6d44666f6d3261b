"""Recomputation of stale days of trades (`app.domains.analytics.rollups`)."""

import asyncio
from datetime import date, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Date, Exists, and_, cast, exists, func, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import aliased

from app.db.clock import NOW
from app.db.models import Operation, StaleDay
from app.db.models.deletion import DELETIONS, UNFINISHED
from app.domains.analytics.rollups import QUIET, WAIT, mark_cut_days, recompute
from app.domains.deletion.scopes import marks_of
from app.domains.operations.repository import MARKS
from app.worker.watch import beat

DAYS_AT_ONCE = 7
"""Days per transaction, which must end long before a statement's time limit."""

MARKED_AT_ONCE = 1000

BUSY_SECONDS = 0.2
"""How long to wait for another worker that recomputes days of the same account."""


class _Due(NamedTuple):
    account_id: UUID
    environment: str
    days: list[date]


_PLACE = (StaleDay.account_id, StaleDay.environment, StaleDay.day)
_PAST = StaleDay.day < cast(func.timezone("UTC", NOW), Date)


async def recompute_due(
    sessions: async_sessionmaker[AsyncSession], *, wait: timedelta = WAIT
) -> int:
    """Recompute every day that has been stale for at least `wait`, and every past day that nothing
    has changed for `QUIET`; return how many.

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
            beat()
    if failures:
        raise failures[0]
    return total


async def _due(
    sessions: async_sessionmaker[AsyncSession], wait: timedelta, left: set[tuple[UUID, str]]
) -> list[_Due]:
    """Return the stale days of the accounts that have waited longest.

    Days are found by the marks that are due, not among all that wait.
    """
    found: dict[tuple[UUID, str], list[date]] = {}
    async with sessions.begin() as session:
        for due in (
            StaleDay.marked_at <= NOW - wait,
            and_(_PAST, StaleDay.marked_at <= NOW - QUIET, ~_marked_within(QUIET)),
        ):
            query = (
                select(*_PLACE)
                .where(due)
                .group_by(*_PLACE)
                .order_by(func.min(StaleDay.marked_at), StaleDay.day)
                .limit(MARKED_AT_ONCE)
            )
            for account_id, environment, day in await session.execute(query):
                days = found.setdefault((account_id, environment), [])
                if day not in days:
                    days.append(day)
    for place in left:
        found.pop(place, None)
    return [_Due(*place, days[:DAYS_AT_ONCE]) for place, days in found.items()]


def _marked_within(time: timedelta) -> Exists:
    newer = aliased(StaleDay)
    return exists().where(
        newer.account_id == StaleDay.account_id,
        newer.environment == StaleDay.environment,
        newer.day == StaleDay.day,
        newer.marked_at > NOW - time,
    )


async def recompute_past(
    sessions: async_sessionmaker[AsyncSession],
    account_id: UUID,
    seconds: float,
    *,
    but_newest: bool = False,
) -> bool:
    """Recompute the stale days of an account that are over, for `seconds` at most; return whether
    none is left. Days that another worker recomputes are waited for.

    With `but_newest`, the newest is left: more of it is to come.
    """
    clock = asyncio.get_running_loop()
    until = clock.time() + seconds
    while due := await _past_days(sessions, account_id, but_newest=but_newest):
        async with sessions.begin() as session:
            done = await recompute(session, due.account_id, due.environment, due.days)
        beat()
        if not done:
            await asyncio.sleep(BUSY_SECONDS)
        if clock.time() >= until:
            return False
    return True


async def _past_days(
    sessions: async_sessionmaker[AsyncSession], account_id: UUID, *, but_newest: bool
) -> _Due | None:
    query = (
        select(StaleDay.environment, StaleDay.day)
        .where(StaleDay.account_id == account_id, _PAST)
        .group_by(StaleDay.environment, StaleDay.day)
        .order_by(StaleDay.environment, StaleDay.day)
        .limit(DAYS_AT_ONCE + 1)
    )
    async with sessions.begin() as session:
        rows = (await session.execute(query)).all()
    found = rows[: len(rows) - 1 if but_newest else DAYS_AT_ONCE]
    if not found:
        return None
    environment = found[0][0]
    return _Due(account_id, environment, [day for place, day in found if place == environment])


LATELY = timedelta(hours=1)
"""For how long after a deletion its days are looked for: the sweep that marks them comes round in
minutes, in the worker that deletes.
"""

_CUT_LATELY = select(Operation.account_id, Operation.scope).where(
    Operation.kind.in_(DELETIONS),
    or_(UNFINISHED, Operation.finished_at > NOW - LATELY),
)
"""The deletions that alone can have cut a day lately, with the marks that they set."""


async def mark_cut(sessions: async_sessionmaker[AsyncSession]) -> int:
    """Mark all days with deleted trades for recomputation; return how many."""
    total = 0
    async with sessions() as session:
        deletions = (await session.execute(_CUT_LATELY)).all()
    for account_id, scope in deletions:
        for mark in marks_of(scope) if MARKS in scope else ():
            done = MARKED_AT_ONCE
            while done == MARKED_AT_ONCE:
                async with sessions.begin() as session:
                    done = await mark_cut_days(session, account_id, mark, MARKED_AT_ONCE)
                total += done
                beat()
    return total
