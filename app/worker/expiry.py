"""Announcement of expiring keys: 30, 7 and 1 days before, and once they have expired."""

from datetime import timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import case, insert, or_, select, union_all, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.db.base import AnyRow, new_id
from app.db.clock import NOW
from app.db.driver import SessionExecutor
from app.db.models import Bot, BotEvent, Key
from app.db.models.key import MAY_EXPIRE
from app.domains.events.log import NewEvent, add_events
from app.domains.events.types import EventType
from app.worker.watch import beat

DAYS = (1, 7, 30)
"""Days before expiry. If several have passed at once, only the nearest is announced."""

BATCH = 500

_DESCENDING = sorted(DAYS, reverse=True)

_KEYS = Key.__table__


# The time of the statement, which an index can be searched by; clock_timestamp() cannot.
_NEAREST = case(
    (_KEYS.c.expires_at <= NOW, 0),
    *((_KEYS.c.expires_at <= NOW + timedelta(days=days), days) for days in DAYS),
)
# One range of the index for each announcement, so that keys which wait for their next one are not
# looked at.
_RANGES = [
    (_KEYS.c.expiry_announced == last) & (_KEYS.c.expires_at <= NOW + timedelta(days=following))
    for last, following in zip((None, *_DESCENDING), (*_DESCENDING, 0), strict=True)
]
_DUE = (MAY_EXPIRE, or_(*_RANGES))
# Each range in its order: PostgreSQL expects many keys in it, since most are neither announced nor
# close to their end, and would look for the first few of them in the whole table.
_CANDIDATES = union_all(
    *(
        select(_KEYS.c.account_id, _KEYS.c.id)
        .where(MAY_EXPIRE, one)
        .order_by(_KEYS.c.expires_at)
        .limit(BATCH)
        .subquery()
        .select()
        for one in _RANGES
    )
).limit(BATCH)


async def announce_expiry(sessions: async_sessionmaker[AsyncSession]) -> int:
    """Write the events that are due, each once with any number of workers; return how many."""
    total = 0
    while True:
        async with sessions() as session:
            due = sorted((await session.execute(_CANDIDATES)).all())
        done = 0
        for account_id, keys in groupby(due, lambda row: row[0]):
            done += await _announce(sessions, account_id, [key_id for _, key_id in keys])
            beat()
        total += done
        if not done or len(due) < BATCH:
            return total


async def _announce(
    sessions: async_sessionmaker[AsyncSession], account_id: UUID, keys: list[UUID]
) -> int:
    """Announce those of an account's keys that are still due and that nobody has locked."""
    bot_id = select(Bot.id).where(Bot.account_id == account_id, Bot.key_id == _KEYS.c.id)
    lock = (
        select(
            _KEYS.c.account_id,
            _KEYS.c.id,
            _KEYS.c.label,
            _KEYS.c.exchange,
            _KEYS.c.environment,
            _KEYS.c.contract_type,
            _KEYS.c.expires_at,
            _NEAREST.label("days"),
            bot_id.scalar_subquery().label("bot_id"),
        )
        .where(_KEYS.c.account_id == account_id, _KEYS.c.id.in_(keys), *_DUE)
        .order_by(_KEYS.c.id)
        .with_for_update(of=_KEYS, skip_locked=True)
    )
    async with sessions.begin() as session:
        rows = (await session.execute(lock)).all()
        for days in {row.days for row in rows}:
            announced = [row.id for row in rows if row.days == days]
            await session.execute(
                update(Key)
                .where(_KEYS.c.account_id == account_id, _KEYS.c.id.in_(announced))
                .values(expiry_announced=days)
                .execution_options(synchronize_session=False)
            )
        if rows:
            await session.execute(insert(BotEvent), [_event(row) for row in rows])
            await add_events(SessionExecutor(session), [_news(row) for row in rows])
    return len(rows)


def _news(row: AnyRow) -> NewEvent:
    data = {"label": row.label, "exchange": row.exchange, "expires_at": row.expires_at}
    type_ = EventType.KEY_EXPIRED
    if row.days:
        type_, data["days"] = EventType.KEY_EXPIRING, row.days
    return NewEvent(row.account_id, type_, data, row.environment, row.id, row.bot_id)


def _event(row: AnyRow) -> dict[str, Any]:
    until = f"{row.expires_at:%Y-%m-%d %H:%M} UTC"
    expired = row.days == 0
    sentence = f"expired on {until}" if expired else f"expires on {until}"
    return {
        "account_id": row.account_id,
        "id": new_id(),
        "bot_id": row.bot_id,
        "key_id": row.id,
        "exchange": row.exchange,
        "environment": row.environment,
        "contract_type": row.contract_type,
        "kind": "key_expired" if expired else "key_expires",
        "level": "error" if row.days <= min(DAYS) else "warning",
        "message": f"The key “{row.label}” {sentence}. Create a new one at the exchange "
        "and replace the credentials.",
        "data": {"label": row.label, "expires_at": row.expires_at, "days": row.days},
    }
