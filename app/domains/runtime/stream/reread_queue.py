"""The bots whose configurations a process must read for its streams, and in what order."""

import asyncio
from collections.abc import Callable, Iterable, Iterator

from app.domains.bots.config_rows import BotRef

BOTS_AT_ONCE = 50
_ROWS_AT_ONCE = 400
"""Few enough that nothing else in the process waits more than a few milliseconds."""


class RereadQueue:
    """The bots to read: first those with a notified change, then those that are due."""

    def __init__(self) -> None:
        self._changed: dict[BotRef, None] = {}
        self._due: dict[BotRef, None] = {}
        self._any = asyncio.Event()

    def changed(self, name: BotRef) -> None:
        self._changed[name] = None
        self._any.set()

    def due(self, names: Iterable[BotRef]) -> None:
        self._due.update(dict.fromkeys(names))
        self._any.set()

    @property
    def urgent(self) -> bool:
        """Return whether a bot with a notified change is waiting."""
        return bool(self._changed)

    async def wait(self) -> None:
        """Wait until there are bots to read."""
        await self._any.wait()
        self._any.clear()

    def take(self, rows_of: Callable[[BotRef], int]) -> list[BotRef]:
        """Return the next batch of bots that still have streams, each once; empty if none
        are left.
        """
        return list(self._few(rows_of))

    def _few(self, rows_of: Callable[[BotRef], int]) -> Iterator[BotRef]:
        bots = rows = 0
        while bots < BOTS_AT_ONCE and rows < _ROWS_AT_ONCE:
            waiting = self._changed or self._due
            if not waiting:
                return
            name = next(iter(waiting))
            self._changed.pop(name, None)
            self._due.pop(name, None)
            expected = rows_of(name)
            if expected:
                bots += 1
                rows += expected
                yield name
