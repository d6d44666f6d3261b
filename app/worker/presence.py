"""Announcement of bots that stopped sending heartbeats, even if no request asks about them."""

from itertools import groupby
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, bindparam, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.db.base import new_id
from app.db.driver import SessionExecutor, Statement
from app.db.models import Presence
from app.domains.runtime.heartbeat.writer import STOPPED
from app.worker.watch import beat

BATCH = 1000

_PRESENCE = Presence.__table__
_LAPSED = (
    select(_PRESENCE.c.account_id, _PRESENCE.c.bot_id)
    .where(_PRESENCE.c.announced_online, _PRESENCE.c.lease_until <= func.statement_timestamp())
    .limit(BATCH)
)
# Locked rows are left to their holders, so the time of the statement is right. The head of the
# account's events comes last, as everywhere.
_ANNOUNCE = Statement(
    text(
        """
        WITH gone AS MATERIALIZED (
            SELECT bot_id, lease_until, array_position(:bots, bot_id) AS place FROM presence
            WHERE account_id = :account AND bot_id = ANY(:bots)
              AND announced_online AND lease_until <= statement_timestamp()
            ORDER BY bot_id
            FOR UPDATE SKIP LOCKED
        ), announced AS (
            UPDATE presence SET announced_online = false
            FROM gone WHERE presence.account_id = :account AND presence.bot_id = gone.bot_id
            RETURNING presence.bot_id
        ), named AS MATERIALIZED (
            SELECT gone.bot_id, gone.lease_until, (:ids)[gone.place] AS id, bots.name,
                   keys.id AS key_id, keys.exchange, keys.environment, keys.contract_type,
                   row_number() OVER (ORDER BY gone.bot_id) AS number
            FROM gone
            JOIN bots ON bots.account_id = :account AND bots.id = gone.bot_id
            LEFT JOIN keys ON keys.account_id = :account AND keys.id = bots.key_id
        ), recorded AS (
            INSERT INTO bot_events
                (account_id, id, bot_id, key_id, exchange, environment, contract_type,
                 kind, level, message, at)
            SELECT :account, id, bot_id, key_id, exchange, environment, contract_type,
                'offline', 'warning', :message, lease_until
            FROM named
        ), head AS (
            INSERT INTO event_heads AS head (account_id, sequence)
            SELECT :account, count(*) FROM named HAVING count(*) > 0
            ON CONFLICT (account_id) DO UPDATE SET sequence = head.sequence + excluded.sequence
            RETURNING account_id, sequence, watched
        ), noted AS (
            INSERT INTO webhook_news (account_id)
            SELECT :account FROM head WHERE account_id = :account AND watched
        ), added AS (
            INSERT INTO events (account_id, id, type, at, environment, key_id, bot_id, data)
            SELECT :account, head.sequence - counted.number + named.number, 'bot.offline',
                named.lease_until, named.environment, named.key_id, named.bot_id,
                jsonb_build_object('name', named.name)
            FROM named
            CROSS JOIN (SELECT count(*) AS number FROM named) AS counted
            JOIN head ON head.account_id = :account
        )
        SELECT count(*) FROM announced
        """
    ).bindparams(
        bindparam("account", type_=Uuid()),
        *(bindparam(name, type_=ARRAY(Uuid())) for name in ("bots", "ids")),
        bindparam("message", type_=Text()),
    )
)


async def announce_offline(sessions: async_sessionmaker[AsyncSession]) -> int:
    """Announce every bot whose lease lapsed since it was announced online; return how many.

    Each is announced once, regardless of how many workers run and which heartbeats arrive: the
    transaction that changes `announced_online` holds the row's lock and writes the event. A locked
    row is left to its holder, or to the next turn.
    """
    total = 0
    while True:
        async with sessions() as session:
            lapsed = sorted((await session.execute(_LAPSED)).all())
        done = 0
        for account_id, bots in groupby(lapsed, lambda row: row[0]):
            done += await _announce(sessions, account_id, [bot_id for _, bot_id in bots])
            beat()
        total += done
        if not done or len(lapsed) < BATCH:
            return total


async def _announce(
    sessions: async_sessionmaker[AsyncSession], account_id: UUID, bots: list[UUID]
) -> int:
    """Announce those of an account's bots that are still gone and that nobody has locked."""
    async with sessions.begin() as session:
        ((announced,),) = await SessionExecutor(session).fetch(
            _ANNOUNCE,
            account=account_id,
            bots=bots,
            ids=[new_id() for _ in bots],
            message=STOPPED,
        )
    return int(announced)
