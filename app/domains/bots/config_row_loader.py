"""Reads the configurations of bots that ask at the same time in one statement."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from app.db.driver import Executor
from app.domains.bots.config_rows import ConfigRow, read_many

AT_ONCE = 2
"""Statements in flight. Up to this many callers do not wait at all; later callers gather into the
next batch.
"""

BATCH = 50
"""Bots per statement: few enough that nothing else in the process waits more than a few
milliseconds.
"""

BotRef = tuple[UUID, UUID]
_Waiter = tuple[BotRef, "asyncio.Future[Sequence[ConfigRow]]"]


class ConfigRowLoader:
    """The loader of a process. There is no timer and no cache: a caller gets what was committed
    before it called.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._waiting: list[_Waiter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._reading = 0

    async def read(self, account_id: UUID, bot_id: UUID) -> Sequence[ConfigRow]:
        """Return the rows of one bot, by symbol; none if the bot or its token is gone.

        Raises what the driver raises.
        """
        reply = asyncio.get_running_loop().create_future()
        self._waiting.append(((account_id, bot_id), reply))
        if self._reading < AT_ONCE:
            self._reading += 1
            task = asyncio.create_task(self._read())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        rows: Sequence[ConfigRow] = await reply
        return rows

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self) -> None:
        """Read batch after batch until nobody waits.

        The counter is decremented in the same step that finds nobody waiting. The task leaves the
        set a moment later; a caller that asked in between would otherwise wait for a read that
        never starts.
        """
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
                await self._read_batch(batch)
        finally:
            self._reading -= 1

    async def _read_batch(self, batch: list[_Waiter]) -> None:
        try:
            found = await read_many(self._executor, {bot for bot, _ in batch})
        except asyncio.CancelledError:
            for _, reply in batch:
                reply.cancel()
            raise
        except Exception as error:  # noqa: BLE001  # each caller raises it
            for _, reply in batch:
                if not reply.done():
                    reply.set_exception(error)
            return
        for bot, reply in batch:
            if not reply.done():
                reply.set_result(found.get(bot, ()))
