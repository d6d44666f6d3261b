"""Announcement of bots that stopped sending heartbeats, even if no request asks about them."""

from sqlalchemy import ARRAY, DateTime, Uuid, bindparam, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.db.base import new_id
from app.db.driver import SessionExecutor
from app.db.models import Presence
from app.domains.events.log import NewEvent, add_events
from app.domains.events.types import EventType
from app.domains.runtime.heartbeat.writer import STOPPED
from app.worker.watch import beat

BATCH = 1000

_PRESENCE = Presence.__table__
_BOT = (_PRESENCE.c.account_id, _PRESENCE.c.bot_id)
_ADD_EVENTS = text(
    """
    INSERT INTO bot_events
        (account_id, id, bot_id, key_id, exchange, environment, contract_type,
         kind, level, message, at)
    SELECT gone.account_id, gone.id, gone.bot_id,
           keys.id, keys.exchange, keys.environment, keys.contract_type,
           'offline', 'warning', :message, gone.at
    FROM unnest(:accounts, :bots, :ids, :times) AS gone (account_id, bot_id, id, at)
    JOIN bots ON bots.account_id = gone.account_id AND bots.id = gone.bot_id
    LEFT JOIN keys ON keys.account_id = bots.account_id AND keys.id = bots.key_id
    """
).bindparams(
    *(bindparam(name, type_=ARRAY(Uuid())) for name in ("accounts", "bots", "ids")),
    bindparam("times", type_=ARRAY(DateTime(timezone=True))),
)
_NAMED = text(
    """
    SELECT bots.account_id, bots.id, bots.name, bots.key_id, keys.environment, gone.at
    FROM unnest(:accounts, :bots, :times) AS gone (account_id, bot_id, at)
    JOIN bots ON bots.account_id = gone.account_id AND bots.id = gone.bot_id
    LEFT JOIN keys ON keys.account_id = bots.account_id AND keys.id = bots.key_id
    """
).bindparams(
    *(bindparam(name, type_=ARRAY(Uuid())) for name in ("accounts", "bots")),
    bindparam("times", type_=ARRAY(DateTime(timezone=True))),
)


async def announce_offline(sessions: async_sessionmaker[AsyncSession]) -> int:
    """Announce every bot whose lease lapsed since it was announced online; return how many.

    Each is announced once, regardless of how many workers run and which heartbeats arrive: the
    transaction that changes `announced_online` holds the row's lock and writes the event. A locked
    row is left to its holder, or to the next turn.
    """
    total = 0
    while True:
        done = await _announce(sessions)
        total += done
        beat()
        if done < BATCH:
            return total


async def _announce(sessions: async_sessionmaker[AsyncSession]) -> int:
    lapsed = (
        select(*_BOT)
        .where(_PRESENCE.c.announced_online, _PRESENCE.c.lease_until <= func.clock_timestamp())
        .limit(BATCH)
        .with_for_update(skip_locked=True)
        .cte("lapsed")
    )
    announce = (
        update(Presence)
        .where(_BOT[0] == lapsed.c.account_id, _BOT[1] == lapsed.c.bot_id)
        .values(announced_online=False)
        .returning(*_BOT, _PRESENCE.c.lease_until)
    )
    async with sessions.begin() as session:
        rows = (await session.execute(announce)).all()
        if rows:
            gone = {
                "accounts": [row.account_id for row in rows],
                "bots": [row.bot_id for row in rows],
                "times": [row.lease_until for row in rows],
            }
            ids = [new_id() for _ in rows]
            await session.execute(_ADD_EVENTS, {**gone, "message": STOPPED, "ids": ids})
            offline = [
                NewEvent(
                    row.account_id,
                    EventType.BOT_OFFLINE,
                    {"name": row.name},
                    row.environment,
                    row.key_id,
                    row.id,
                    row.at,
                )
                for row in await session.execute(_NAMED, gone)
            ]
            await add_events(SessionExecutor(session), offline)
    return len(rows)
