"""Reads the situations of bots that ask at the same time in one statement."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from app.db.driver import Executor
from app.domains.bots.config_rows import ConfigRow, read_many

AT_ONCE = 2
"""Statements under way. So many askers do not wait at all; more of them gather for the next."""

BATCH = 50
"""Few enough that nothing else in the process waits for more than some milliseconds."""

BotRef = tuple[UUID, UUID]
_Asker = tuple[BotRef, "asyncio.Future[Sequence[ConfigRow]]"]


class ConfigRowLoader:
    """One for a process. There is no timer, and nothing is kept: whoever asks is told of what was
    committed before.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._waiting: list[_Asker] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._reading = 0

    async def read(self, account_id: UUID, bot_id: UUID) -> Sequence[ConfigRow]:
        """The rows of one bot, by symbol; none if the bot or its token is gone.

        Raises what the driver raises.
        """
        told = asyncio.get_running_loop().create_future()
        self._waiting.append(((account_id, bot_id), told))
        if self._reading < AT_ONCE:
            self._reading += 1
            task = asyncio.create_task(self._read())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        rows: Sequence[ConfigRow] = await told
        return rows

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self) -> None:
        """Batch after batch, until nobody waits.

        It counts itself out in the step in which it finds nobody: a task is taken from the set a
        moment later, and who asked in between would have waited for a reading that never comes.
        """
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
                await self._read_batch(batch)
        finally:
            self._reading -= 1

    async def _read_batch(self, batch: list[_Asker]) -> None:
        try:
            found = await read_many(self._executor, {name for name, _ in batch})
        except asyncio.CancelledError:
            for _, told in batch:
                told.cancel()
            raise
        except Exception as error:  # noqa: BLE001  # each asker raises it
            for _, told in batch:
                if not told.done():
                    told.set_exception(error)
            return
        for name, told in batch:
            if not told.done():
                told.set_result(found.get(name, ()))
