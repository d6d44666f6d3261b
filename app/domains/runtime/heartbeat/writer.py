"""Writes heartbeats: many bots in one statement, each acknowledged once it is stored."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

from sqlalchemy import ARRAY, Interval, TextClause, Uuid, bindparam, text

from app.api.telemetry import Metrics
from app.db import outcome
from app.db.base import new_id
from app.db.driver import Statement
from app.db.engine import Database
from app.db.failures import CommitLost, is_outage
from app.domains.runtime.heartbeat.pace import HeartbeatPace
from app.kit.batching import Batch, Batcher, fail

Written = TypeVar("Written")
BATCH = 1000
_AT_ONCE = 4
"""The number of single writes in flight, so that they never take all connections."""

STOPPED = "The bot stopped sending heartbeats."
"""The message of the event that a bot went offline."""

BotRef: TypeAlias = tuple[UUID, UUID]
"""The ids of account and bot."""


def _beat(which: str, locking: str) -> TextClause:
    """Return the statement that renews leases, records who came online and returns the bots
    written.

    Bots without a presence row are not returned, nor are, with `locking`, those whose rows others
    have locked. A bot that comes back after its lease ended, before a worker noticed, first goes
    offline, at the time its lease ended. The clock is read row by row, after the lock. The events'
    foreign keys take accounts FOR KEY SHARE after presence, against the usual order: a transaction
    that holds an account while it waits for presence must lock the account FOR NO KEY UPDATE at
    most. Heads of events are locked for bots that come online alone, in the order of accounts.
    """
    return text(
        f"""
        WITH locked AS (
            SELECT presence.account_id, presence.bot_id, presence.announced_online,
                   presence.lease_until, wanted.offline_id, wanted.online_id
            FROM unnest(:accounts, :bots, :offline_ids, :online_ids)
                AS wanted (account_id, bot_id, offline_id, online_id)
            JOIN presence ON presence.account_id = wanted.account_id
                AND presence.bot_id = wanted.bot_id
            {which}
            ORDER BY presence.account_id, presence.bot_id
            FOR UPDATE OF presence {locking}
        ), clocked AS MATERIALIZED (
            SELECT locked.*, clock_timestamp() AS now FROM locked
        ), changing AS MATERIALIZED (
            SELECT * FROM clocked WHERE NOT announced_online OR lease_until <= now
        ), heads AS MATERIALIZED (
            SELECT account_id FROM event_heads
            WHERE account_id IN (SELECT account_id FROM changing)
            ORDER BY account_id
            FOR UPDATE {locking}
        ), beaten AS (
            UPDATE presence SET last_heartbeat_at = clocked.now,
                lease_until = clocked.now + :lease, announced_online = true
            FROM clocked
            WHERE presence.account_id = clocked.account_id AND presence.bot_id = clocked.bot_id
              AND (clocked.announced_online AND clocked.lease_until > clocked.now
                OR clocked.account_id IN (SELECT account_id FROM heads))
            RETURNING clocked.account_id, clocked.bot_id
        ), changed AS MATERIALIZED (
            SELECT changing.account_id, changing.bot_id, bots.name,
                   keys.id AS key_id, keys.exchange, keys.environment, keys.contract_type,
                   change.id, change.kind, change.level, change.message, change.at,
                   row_number() OVER (
                       PARTITION BY changing.account_id ORDER BY changing.bot_id, change.place
                   ) AS number
            FROM changing
            JOIN heads ON heads.account_id = changing.account_id
            JOIN bots ON bots.account_id = changing.account_id AND bots.id = changing.bot_id
            LEFT JOIN keys ON keys.account_id = bots.account_id AND keys.id = bots.key_id
            CROSS JOIN LATERAL (VALUES
                (1, offline_id, 'offline', 'warning', '{STOPPED}', lease_until),
                (2, online_id, 'online', 'info', 'The bot sends heartbeats.', now)
            ) AS change (place, id, kind, level, message, at)
            WHERE change.kind = 'online' OR announced_online
        ), recorded AS (
            INSERT INTO bot_events
                (account_id, id, bot_id, key_id, exchange, environment, contract_type,
                 kind, level, message, at)
            SELECT account_id, id, bot_id, key_id, exchange, environment, contract_type,
                kind, level, message, at
            FROM changed
        ), counted AS (
            SELECT account_id, count(*) AS number FROM changed GROUP BY account_id
        ), moved AS (
            UPDATE event_heads SET sequence = event_heads.sequence + counted.number
            FROM counted WHERE event_heads.account_id = counted.account_id
            RETURNING event_heads.account_id, event_heads.sequence - counted.number AS before
        ), added AS (
            INSERT INTO events (account_id, id, type, at, environment, key_id, bot_id, data)
            SELECT changed.account_id, moved.before + changed.number, 'bot.' || changed.kind,
                changed.at, changed.environment, changed.key_id, changed.bot_id,
                jsonb_build_object('name', changed.name)
            FROM changed JOIN moved ON moved.account_id = changed.account_id
        )
        SELECT account_id, bot_id FROM beaten
        """  # noqa: S608  # built from constants only
    ).bindparams(
        *(
            bindparam(name, type_=ARRAY(Uuid()))
            for name in ("accounts", "bots", "offline_ids", "online_ids")
        ),
        bindparam("lease", type_=Interval()),
    )


BEAT_FREE = Statement(_beat("", "SKIP LOCKED"), writes=True)
_BEAT_ONE = _beat("WHERE presence.account_id = :account", "")
_MAKE_ROWS = Statement(
    text(
        """
        INSERT INTO presence (account_id, bot_id)
        SELECT bots.account_id, bots.id
        FROM unnest(:accounts, :bots) AS wanted (account_id, bot_id)
        JOIN bots ON bots.account_id = wanted.account_id AND bots.id = wanted.bot_id
        ORDER BY bots.account_id, bots.id
        FOR KEY SHARE OF bots SKIP LOCKED
        ON CONFLICT DO NOTHING RETURNING account_id, bot_id
        """
    ).bindparams(*(bindparam(name, type_=ARRAY(Uuid())) for name in ("accounts", "bots"))),
    writes=True,
)
_MAKE_ROW = text(
    "INSERT INTO presence (account_id, bot_id) SELECT account_id, id FROM bots"
    " WHERE account_id = :account AND id = :bot FOR KEY SHARE ON CONFLICT DO NOTHING"
)
_MAKE_HEAD = text(
    "INSERT INTO event_heads (account_id, sequence) SELECT account_id, 0 FROM accounts"
    " WHERE account_id = :account FOR KEY SHARE ON CONFLICT DO NOTHING"
)


class HeartbeatWriter:
    """The writer of a process. While one batch is written the next one gathers."""

    def __init__(self, database: Database, metrics: Metrics, pace: HeartbeatPace) -> None:
        self._database = database
        self._metrics = metrics
        self.pace = pace
        self._alone = asyncio.Semaphore(_AT_ONCE)
        self._batcher = Batcher(self._write_batch, size=BATCH, at_once=1)

    def beat(self, account_id: UUID, bot_id: UUID) -> Coroutine[Any, Any, bool]:
        """Store a heartbeat; return after the commit, `False` if the bot is gone.

        Raises what the driver raises, and `CommitLost`. Cancelling one caller does not affect the
        others.
        """
        return self._batcher.get((account_id, bot_id))

    async def close(self) -> None:
        """Stop. A heartbeat that was not acknowledged may or may not be stored."""
        await self._batcher.close()

    async def _write_batch(self, batch: Batch[BotRef, bool]) -> None:
        waiting: dict[BotRef, list[asyncio.Future[bool]]] = {}
        for bot, reply in batch:
            waiting.setdefault(bot, []).append(reply)
        self._metrics.heartbeat_batches.observe(len(waiting))
        await self._write_free(waiting)
        if waiting and await self._make_rows(waiting):
            await self._write_free(waiting)
        # Gone, or locked by a change of the bot: no other bot waits for that.
        for bot, replies in waiting.items():
            self._batcher.start(self._write_alone(bot, replies))

    async def _write_free(self, waiting: dict[BotRef, list[asyncio.Future[bool]]]) -> None:
        """Write the bots whose row exists and is not locked, and remove them from those waiting.

        A statement sent through the executor is a transaction of its own: rows that it returns are
        committed.
        """
        parameters = self._parameters(waiting)
        for account_id, bot_id in await _twice(
            lambda: self._database.autocommit.fetch(BEAT_FREE, **parameters)
        ):
            _reply(waiting.pop((account_id, bot_id)), there=True)

    async def _make_rows(self, names: Collection[BotRef]) -> bool:
        """Insert the rows of bots that never sent a heartbeat; return whether there were any."""
        accounts = [account_id for account_id, _ in names]
        bots = [bot_id for _, bot_id in names]
        return bool(
            await _twice(
                lambda: self._database.autocommit.fetch(_MAKE_ROWS, accounts=accounts, bots=bots)
            )
        )

    async def _write_alone(self, bot: BotRef, replies: list[asyncio.Future[bool]]) -> None:
        try:
            async with self._alone:
                there = await _twice(lambda: self._beat_one(*bot))
        except BaseException as error:
            for reply in replies:
                fail(reply, error)
            if not isinstance(error, Exception):
                raise
            return
        _reply(replies, there=there)

    async def _beat_one(self, account_id: UUID, bot_id: UUID) -> bool:
        async with self._database.sessions() as session:
            await session.execute(_MAKE_ROW, {"account": account_id, "bot": bot_id})
            await session.execute(_MAKE_HEAD, {"account": account_id})
            named = {**self._parameters([(account_id, bot_id)]), "account": account_id}
            there = (await session.execute(_BEAT_ONE, named)).first() is not None
            await outcome.commit(session)
        return there

    def _parameters(self, names: Collection[BotRef]) -> dict[str, Any]:
        """Return the statement's parameters, with ids for the events that each bot may cause."""
        return {
            "accounts": [account_id for account_id, _ in names],
            "bots": [bot_id for _, bot_id in names],
            "offline_ids": [new_id() for _ in names],
            "online_ids": [new_id() for _ in names],
            "lease": self.pace.lease,
        }


async def _twice(write: Callable[[], Awaitable[Written]]) -> Written:
    """Write once more if no answer came: it makes no difference whether the first was stored."""
    try:
        return await write()
    except CommitLost as lost:
        try:
            return await write()
        except Exception as error:
            if is_outage(error):
                raise lost from error
            raise


def _reply(replies: Iterable[asyncio.Future[bool]], *, there: bool) -> None:
    for reply in replies:
        if not reply.done():
            reply.set_result(there)
