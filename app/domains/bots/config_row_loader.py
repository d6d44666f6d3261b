"""Reads the configurations of bots that ask at the same time in one round trip."""

from collections.abc import Coroutine, Sequence
from typing import Any
from uuid import UUID

from app.db.driver import BatchExecutor
from app.domains.bots.config_rows import BotRef, ConfigGlance, ConfigReader, ConfigRow
from app.kit.batching import Batch, Batcher

AT_ONCE = 2
"""Round trips in flight. Up to this many callers do not wait at all; later callers gather into the
next batch.
"""

BATCH = 50
"""Callers per round trip: few enough that nothing else in the process waits more than a few
milliseconds.
"""


class ConfigRowLoader:
    """The loader of a process. There is no cache: a caller gets what was committed before it
    called.
    """

    def __init__(self, executor: BatchExecutor) -> None:
        self._reader = ConfigReader(executor)
        self._rows = Batcher(self._read_batch, size=BATCH, at_once=AT_ONCE)
        self._glances = Batcher(self._glance_batch, size=BATCH, at_once=AT_ONCE)

    def read(self, account_id: UUID, bot_id: UUID) -> Coroutine[Any, Any, Sequence[ConfigRow]]:
        """Return the rows of one bot, by symbol; none if the bot or its token is gone.

        Raises what the driver raises.
        """
        return self._rows.get((account_id, bot_id))

    def glance(self, account_id: UUID, bot_id: UUID) -> Coroutine[Any, Any, ConfigGlance | None]:
        """Return what the rows come to, `None` if there are none. Raises as `read` does."""
        return self._glances.get((account_id, bot_id))

    async def close(self) -> None:
        await self._rows.close()
        await self._glances.close()

    async def _read_batch(self, batch: Batch[BotRef, Sequence[ConfigRow]]) -> None:
        found = await self._reader.read({bot for bot, _ in batch})
        for bot, reply in batch:
            if not reply.done():
                reply.set_result(found.get(bot, ()))

    async def _glance_batch(self, batch: Batch[BotRef, ConfigGlance | None]) -> None:
        found = await self._reader.glance({bot for bot, _ in batch})
        for bot, reply in batch:
            if not reply.done():
                reply.set_result(found.get(bot))
