"""Heartbeats, by hand: the service's statement, and the configuration's version in the response."""

import asyncio
from datetime import timedelta
from uuid import UUID

import asyncpg

from app.domains.bots.config_rows import UNDER_LOCKS
from app.domains.runtime.heartbeat.writer import BEAT
from app.kit.json_codec import dumps
from benchmarks.floor.calls import Answer, Call
from benchmarks.floor.config import document, version

_LEASE = timedelta(seconds=30)
_TRIES = 100
"""Attempts to store: a row locked by another connection's heartbeat of the same bot is skipped."""
_PAUSE = 0.001
"""Seconds between two attempts: the other heartbeat waits for its commit."""
BotRef = tuple[UUID, UUID]


class OneByOne:
    """Stores each heartbeat in a statement of its own."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def __call__(self, call: Call) -> Answer:
        await self.store((call.account_id, call.bot_id))
        rows = await self._pool.fetch(UNDER_LOCKS.text, call.account_id, call.bot_id)
        content = document(rows)
        response = {
            "config_version": version(content),
            "may_open_positions": content["may_open_positions"],
            "next_in": 10,
        }
        return Answer(dumps(response))

    async def store(self, name: BotRef) -> None:
        await self._beat([name])

    async def _beat(self, names: list[BotRef]) -> None:
        of_accounts: dict[UUID, list[UUID]] = {}
        for account_id, bot_id in names:
            of_accounts.setdefault(account_id, []).append(bot_id)
        many = [
            BEAT.arguments({"account": account_id, "bots": bots, "lease": _LEASE})
            for account_id, bots in of_accounts.items()
        ]
        for _ in range(_TRIES):
            async with self._pool.acquire() as connection:
                rows = await connection.fetchmany(BEAT.text, many)
            if len(rows) == len(names):
                return
            await asyncio.sleep(_PAUSE)
        raise RuntimeError("a bot was not there, or never free")


class Together(OneByOne):
    """Stores all heartbeats that arrive during a statement with the next one."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        super().__init__(pool)
        self._waiting: list[tuple[BotRef, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def store(self, name: BotRef) -> None:
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((name, stored))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        await stored

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            await self._beat(list({name for name, _ in batch}))
            for _, stored in batch:
                stored.set_result(None)
        self._writing = None
