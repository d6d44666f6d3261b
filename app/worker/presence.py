"""Announcement of bots that stopped sending heartbeats, even if no request asks about them.

No index is in the order in which leases end: each heartbeat would have to change it, and would
leave an entry behind that the next look reads. So all bots that are online are looked at: in each
turn while they are few, else once in half a lease. Whose lease ends before the next look is
remembered, and announced when it ends. Leases are longer the more bots there are, so that a bot is
looked at about as often as it sends a heartbeat, for a thousandth of what that costs.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from itertools import groupby
from time import monotonic
from uuid import UUID

from sqlalchemy import ARRAY, Interval, Text, Uuid, bindparam, func, literal, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.db.base import new_id
from app.db.driver import SessionExecutor, Statement
from app.db.models import Presence
from app.domains.runtime.heartbeat.writer import STOPPED
from app.worker.watch import beat

BATCH = 1000
FEW = 2_000
"""How many bots online are looked at in each turn."""

AHEAD, MOST_AHEAD = 20.0, 60.0
"""How many seconds of leases to come a look remembers: half the shortest lease, within these. Bots
that beat in time have more left.
"""

_MARGIN = 4.0
"""How many seconds before they are over the next look is due: a turn may be late by as much."""

_PRESENCE = Presence.__table__
_LAPSED = (
    select(_PRESENCE.c.account_id, _PRESENCE.c.bot_id)
    .where(_PRESENCE.c.announced_online, _PRESENCE.c.lease_until <= func.statement_timestamp())
    .limit(BATCH)
)
_ONLINE = text(
    """
    SELECT extract(epoch FROM min(lease_until - last_heartbeat_at)) AS shortest,
        array_agg(account_id) FILTER (WHERE ends) AS accounts,
        array_agg(bot_id) FILTER (WHERE ends) AS bots,
        array_agg(seconds) FILTER (WHERE ends) AS seconds
    FROM (
        SELECT account_id, bot_id, lease_until, last_heartbeat_at,
            extract(epoch FROM lease_until - statement_timestamp()) AS seconds,
            lease_until <= statement_timestamp() + :ahead AS ends
        FROM presence WHERE announced_online
    ) AS online
    """
).bindparams(bindparam("ahead", type_=Interval()))
"""The shortest lease of the bots online, and those whose leases end soon. All are read once."""

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
            lapsed = sorted((row[0], row[1]) for row in await session.execute(_LAPSED))
        done = await _announce_all(sessions, lapsed)
        total += done
        if not done or len(lapsed) < BATCH:
            return total


class PresenceSweep:
    """The looking of one worker for bots that have gone."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._sessions = sessions
        self._few = True
        self._ahead = AHEAD
        self._next_look = monotonic()
        self._ending: dict[tuple[UUID, UUID], float] = {}

    async def turn(self) -> int:
        """Announce the bots that have gone; return how many."""
        done = await announce_offline(self._sessions) if self._few else 0
        if monotonic() >= self._next_look:
            await self._look()
        return done + await self._announce_ended()

    async def _look(self) -> None:
        """Find out whether bots are few, or else whose leases end before the next look."""
        began, covered = monotonic(), AHEAD
        self._few = await _are_few(self._sessions)
        if not self._few:
            covered = await self._remember()
        self._next_look = began + covered - _MARGIN

    async def _remember(self) -> float:
        """Remember the bots whose leases end soon; return within how many seconds.

        How far the next look reaches follows from the leases that this one finds.
        """
        asked = self._ahead
        async with self._sessions() as session:
            row = (await session.execute(_ONLINE, {"ahead": timedelta(seconds=asked)})).one()
        now = monotonic()
        bots = zip(row.accounts or (), row.bots or (), row.seconds or (), strict=True)
        self._ending = {(account_id, bot): now + float(left) for account_id, bot, left in bots}
        shortest = 0.0 if row.shortest is None else float(row.shortest)
        self._ahead = min(max(shortest / 2, AHEAD), MOST_AHEAD)
        return min(asked, self._ahead)

    async def _announce_ended(self) -> int:
        now = monotonic()
        ended = sorted(bot for bot, end in self._ending.items() if end <= now)
        for bot in ended:
            del self._ending[bot]
        return await _announce_all(self._sessions, ended)


async def _are_few(sessions: async_sessionmaker[AsyncSession]) -> bool:
    online = select(literal(1)).where(_PRESENCE.c.announced_online).limit(FEW + 1).subquery()
    async with sessions() as session:
        return int(await session.scalar(select(func.count()).select_from(online)) or 0) <= FEW


async def _announce_all(
    sessions: async_sessionmaker[AsyncSession], bots: Sequence[tuple[UUID, UUID]]
) -> int:
    """Announce those of the bots, given in the order of their accounts, that are gone."""
    done = 0
    for account_id, of_account in groupby(bots, lambda bot: bot[0]):
        done += await _announce(sessions, account_id, [bot_id for _, bot_id in of_account])
        beat()
    return done


async def _announce(
    sessions: async_sessionmaker[AsyncSession], account_id: UUID, bots: Collection[UUID]
) -> int:
    """Announce those of an account's bots that are still gone and that nobody has locked."""
    async with sessions.begin() as session:
        ((announced,),) = await SessionExecutor(session).fetch(
            _ANNOUNCE,
            account=account_id,
            bots=list(bots),
            ids=[new_id() for _ in bots],
            message=STOPPED,
        )
    return int(announced)
