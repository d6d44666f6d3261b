"""Announcement of expiring keys: 30, 7 and 1 days before, and once they have expired."""

from datetime import timedelta
from typing import Any

from sqlalchemy import case, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.db.base import AnyRow, new_id
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


async def announce_expiry(sessions: async_sessionmaker[AsyncSession]) -> int:
    """Write the events that are due, each once with any number of workers; return how many."""
    total = 0
    while True:
        done = await _announce(sessions)
        total += done
        beat()
        if done < BATCH:
            return total


async def _announce(sessions: async_sessionmaker[AsyncSession]) -> int:
    # The time of the statement, which an index can be searched by; clock_timestamp() cannot.
    now = func.statement_timestamp()
    nearest = case(
        (_KEYS.c.expires_at <= now, 0),
        *((_KEYS.c.expires_at <= now + timedelta(days=days), days) for days in DAYS),
    )
    due = (
        select(_KEYS.c.account_id, _KEYS.c.id, nearest.label("days"))
        .where(
            MAY_EXPIRE,
            # One range of the index for each announcement, so that keys which wait for their next
            # one are not looked at.
            or_(
                *(
                    (_KEYS.c.expiry_announced == last)
                    & (_KEYS.c.expires_at <= now + timedelta(days=following))
                    for last, following in zip((None, *_DESCENDING), (*_DESCENDING, 0), strict=True)
                )
            ),
        )
        .limit(BATCH)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    bot_id = (
        select(Bot.id)
        .where(Bot.account_id == _KEYS.c.account_id, Bot.key_id == _KEYS.c.id)
        .scalar_subquery()
    )
    announce = (
        update(Key)
        .where(_KEYS.c.account_id == due.c.account_id, _KEYS.c.id == due.c.id)
        .values(expiry_announced=due.c.days)
        .returning(
            _KEYS.c.account_id,
            _KEYS.c.id,
            _KEYS.c.label,
            _KEYS.c.exchange,
            _KEYS.c.environment,
            _KEYS.c.contract_type,
            _KEYS.c.expires_at,
            _KEYS.c.expiry_announced.label("days"),
            bot_id.label("bot_id"),
        )
    )
    async with sessions.begin() as session:
        rows = (await session.execute(announce)).all()
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
