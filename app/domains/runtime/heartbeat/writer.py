"""Writes heartbeats: many bots in one round trip, each acknowledged once it is stored."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import asyncpg
from sqlalchemy import ARRAY, Interval, Uuid, bindparam, text

from app.api.telemetry import Metrics
from app.db import outcome
from app.db.base import new_id
from app.db.driver import SessionExecutor, Statement
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

Waiting: TypeAlias = dict[UUID, dict[UUID, list[asyncio.Future[bool]]]]
"""Who waits for the heartbeats of bots, by account and bot."""


# A locked row is never waited for, so the time of the statement is right.
BEAT = Statement(
    text(
        """
        WITH free AS (
            SELECT bot_id FROM presence
            WHERE account_id = :account AND bot_id = ANY(:bots)
              AND announced_online AND lease_until > statement_timestamp()
            FOR UPDATE SKIP LOCKED
        )
        UPDATE presence SET last_heartbeat_at = statement_timestamp(),
            lease_until = statement_timestamp() + :lease
        FROM free
        WHERE presence.account_id = :account AND presence.bot_id = free.bot_id
        RETURNING presence.account_id, presence.bot_id
        """
    ).bindparams(
        bindparam("account", type_=Uuid()),
        bindparam("bots", type_=ARRAY(Uuid())),
        bindparam("lease", type_=Interval()),
    ),
    writes=True,
)
"""Renews the leases of bots of one account that are online; returns those that it renewed.

Bots that are offline or have no row are left out, and so are those whose rows others have locked.
"""

# The events' foreign keys take accounts FOR KEY SHARE after presence, against the usual order: a
# transaction that holds an account while it waits for presence must lock the account FOR NO KEY
# UPDATE at most.
_APPEAR = Statement(
    text(
        f"""
        WITH locked AS MATERIALIZED (
            SELECT bot_id, announced_online, lease_until, statement_timestamp() AS now,
                   statement_timestamp() + :lease AS until, array_position(:bots, bot_id) AS place
            FROM presence WHERE account_id = :account AND bot_id = ANY(:bots)
            ORDER BY bot_id
            FOR UPDATE SKIP LOCKED
        ), head AS MATERIALIZED (
            SELECT account_id FROM event_heads
            WHERE account_id = :account AND EXISTS (
                SELECT FROM locked WHERE NOT announced_online OR lease_until <= now
            )
            FOR UPDATE SKIP LOCKED
        ), beaten AS (
            UPDATE presence SET last_heartbeat_at = locked.now,
                lease_until = locked.until, announced_online = true
            FROM locked
            WHERE presence.account_id = :account AND presence.bot_id = locked.bot_id
              AND (locked.announced_online AND locked.lease_until > locked.now
                OR EXISTS (SELECT FROM head))
            RETURNING presence.account_id, presence.bot_id
        ), changed AS MATERIALIZED (
            SELECT locked.bot_id, bots.name,
                   keys.id AS key_id, keys.exchange, keys.environment, keys.contract_type,
                   change.id, change.kind, change.level, change.message, change.at,
                   row_number() OVER (ORDER BY locked.bot_id, change.number) AS number
            FROM locked
            JOIN head ON head.account_id = :account
            JOIN bots ON bots.account_id = :account AND bots.id = locked.bot_id
            LEFT JOIN keys ON keys.account_id = :account AND keys.id = bots.key_id
            CROSS JOIN LATERAL (VALUES
                (1, (:offline_ids)[place], 'offline', 'warning', '{STOPPED}', lease_until),
                (2, (:online_ids)[place], 'online', 'info', 'The bot sends heartbeats.', now)
            ) AS change (number, id, kind, level, message, at)
            WHERE (NOT locked.announced_online OR locked.lease_until <= locked.now)
              AND (change.kind = 'online' OR locked.announced_online)
        ), recorded AS (
            INSERT INTO bot_events
                (account_id, id, bot_id, key_id, exchange, environment, contract_type,
                 kind, level, message, at)
            SELECT :account, id, bot_id, key_id, exchange, environment, contract_type,
                kind, level, message, at
            FROM changed
        ), counted AS (
            SELECT count(*) AS number FROM changed
        ), moved AS (
            UPDATE event_heads SET sequence = event_heads.sequence + counted.number
            FROM counted WHERE event_heads.account_id = :account AND counted.number > 0
            RETURNING event_heads.sequence - counted.number AS before, event_heads.watched
        ), noted AS (
            INSERT INTO webhook_news (account_id) SELECT :account FROM moved WHERE moved.watched
        ), added AS (
            INSERT INTO events (account_id, id, type, at, environment, key_id, bot_id, data)
            SELECT :account, moved.before + changed.number, 'bot.' || changed.kind,
                changed.at, changed.environment, changed.key_id, changed.bot_id,
                jsonb_build_object('name', changed.name)
            FROM changed CROSS JOIN moved
        )
        SELECT account_id, bot_id FROM beaten
        """  # noqa: S608  # built from constants only
    ).bindparams(
        bindparam("account", type_=Uuid()),
        *(bindparam(name, type_=ARRAY(Uuid())) for name in ("bots", "offline_ids", "online_ids")),
        bindparam("lease", type_=Interval()),
    ),
    writes=True,
)
"""Renews leases, records which bots of one account came online, and returns those written.

Bots without a row are not returned, nor are those whose rows, or whose account's head of events,
others have locked. A bot that comes back after its lease ended, before a worker noticed, first goes
offline, at the time its lease ended. The head is locked only if a bot comes online.
"""

_MAKE_ROWS = Statement(
    text(
        """
        INSERT INTO presence (account_id, bot_id)
        SELECT account_id, id FROM bots WHERE account_id = :account AND id = ANY(:bots)
        ORDER BY id
        FOR KEY SHARE SKIP LOCKED
        ON CONFLICT DO NOTHING RETURNING account_id, bot_id
        """
    ).bindparams(bindparam("account", type_=Uuid()), bindparam("bots", type_=ARRAY(Uuid()))),
    writes=True,
)
_MAKE_ROW = Statement(
    text(
        "INSERT INTO presence (account_id, bot_id) SELECT account_id, id FROM bots"
        " WHERE account_id = :account AND id = :bot FOR KEY SHARE ON CONFLICT DO NOTHING"
    )
)
_MAKE_HEAD = Statement(
    text(
        "INSERT INTO event_heads (account_id, sequence) SELECT account_id, 0 FROM accounts"
        " WHERE account_id = :account FOR KEY SHARE ON CONFLICT DO NOTHING"
    )
)
_LOCK = Statement(
    text("SELECT FROM presence WHERE account_id = :account AND bot_id = :bot FOR UPDATE")
)
_LOCK_HEAD = Statement(text("SELECT FROM event_heads WHERE account_id = :account FOR UPDATE"))

_LAST_LEASE = Statement(
    text(
        """
        SELECT avg(extract(epoch FROM lease_until - last_heartbeat_at))
        FROM (
            SELECT lease_until, last_heartbeat_at FROM presence
            WHERE last_heartbeat_at > now() - interval '1 day'
            LIMIT 1000
        ) AS asked
        """
    )
)
"""The average lease of up to 1,000 bots of any accounts: how long it was when they last got one."""


class HeartbeatWriter:
    """The writer of a process. While one batch is written the next one gathers."""

    def __init__(self, database: Database, metrics: Metrics, pace: HeartbeatPace) -> None:
        self._database = database
        self._metrics = metrics
        self.pace = pace
        self._resumed = False
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
        if not self._resumed:
            await self._resume()
        waiting: Waiting = {}
        for (account_id, bot_id), reply in batch:
            waiting.setdefault(account_id, {}).setdefault(bot_id, []).append(reply)
        self._metrics.heartbeat_batches.observe(sum(map(len, waiting.values())))
        try:
            await self._write_free(waiting)
        except asyncpg.PostgresError:
            if len(waiting) < 2:
                raise
            # Of one account's rows, or of the server that has them: no other account fails for it.
            for account_id, bots in waiting.items():
                self._batcher.start(self._write_apart({account_id: bots}))
            return
        # Gone, or locked by a change of the bot: no other bot waits for that.
        for account_id, bots in waiting.items():
            for bot_id, replies in bots.items():
                self._batcher.start(self._write_alone((account_id, bot_id), replies))

    async def _resume(self) -> None:
        """Take over the pace that other processes, or this one before its start, have set."""
        ((lease,),) = await self._database.autocommit.fetch(_LAST_LEASE)
        if lease is not None:
            self.pace.resume(float(lease))
        self._resumed = True

    async def _write_free(self, waiting: Waiting) -> None:
        """Write the bots that exist and are not locked, and remove them from those waiting."""
        await self._write(BEAT, waiting)
        if waiting:
            await self._write(_APPEAR, waiting)
        if waiting and await self._make_rows(waiting):
            await self._write(_APPEAR, waiting)

    async def _write(self, statement: Statement, waiting: Waiting) -> None:
        """Send a statement for each account, all in one round trip, and answer what it wrote.

        What is sent through the executor is a transaction of its own: rows that it returns are
        committed.
        """
        many = [self._parameters(statement, *of_account) for of_account in waiting.items()]
        for account_id, bot_id in await _twice(
            lambda: self._database.autocommit.fetch_many(statement, many)
        ):
            bots = waiting[account_id]
            _reply(bots.pop(bot_id), there=True)
            if not bots:
                del waiting[account_id]

    async def _make_rows(self, waiting: Waiting) -> bool:
        """Insert the rows of bots that never sent a heartbeat; return whether there were any."""
        many = [{"account": account_id, "bots": list(bots)} for account_id, bots in waiting.items()]
        return bool(await _twice(lambda: self._database.autocommit.fetch_many(_MAKE_ROWS, many)))

    async def _write_apart(self, of_account: Waiting) -> None:
        """Write the bots of one account in a batch of their own."""
        replies = [
            reply for bots in of_account.values() for each in bots.values() for reply in each
        ]
        async with self._failing(replies), self._alone:
            await self._write_free(of_account)
        for account_id, bots in of_account.items():
            for bot_id, waiting in bots.items():
                self._batcher.start(self._write_alone((account_id, bot_id), waiting))

    async def _write_alone(self, bot: BotRef, replies: list[asyncio.Future[bool]]) -> None:
        async with self._failing(replies), self._alone:
            _reply(replies, there=await _twice(lambda: self._beat_one(*bot)))

    @asynccontextmanager
    async def _failing(self, replies: Iterable[asyncio.Future[bool]]) -> AsyncIterator[None]:
        """Raise what goes wrong in those that wait, and only there unless it ends the process."""
        try:
            yield
        except BaseException as error:
            for reply in replies:
                fail(reply, error)
            if not isinstance(error, Exception):
                raise

    async def _beat_one(self, account_id: UUID, bot_id: UUID) -> bool:
        """Write a bot whose row has to be waited for: the statement that writes begins after."""
        async with self._database.sessions() as session:
            executor = SessionExecutor(session)
            await executor.fetch(_MAKE_ROW, account=account_id, bot=bot_id)
            await executor.fetch(_MAKE_HEAD, account=account_id)
            await executor.fetch(_LOCK, account=account_id, bot=bot_id)
            there = await executor.fetch(BEAT, **self._parameters(BEAT, account_id, [bot_id]))
            if not there:
                await executor.fetch(_LOCK_HEAD, account=account_id)
                appearing = self._parameters(_APPEAR, account_id, [bot_id])
                there = await executor.fetch(_APPEAR, **appearing)
            await outcome.commit(session)
        return bool(there)

    def _parameters(
        self, statement: Statement, account_id: UUID, bots: Collection[UUID]
    ) -> dict[str, Any]:
        """Return a statement's parameters, with ids for the events that a bot may cause there."""
        parameters = {"account": account_id, "bots": list(bots), "lease": self.pace.lease}
        if statement is _APPEAR:
            parameters["offline_ids"] = [new_id() for _ in bots]
            parameters["online_ids"] = [new_id() for _ in bots]
        return parameters


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
