"""A lookup whose answer is shared: by all who ask at once, and for a moment afterwards."""

import asyncio
from collections.abc import Awaitable, Callable
from math import inf
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """The answer of `look`, at most `seconds` old."""

    def __init__(self, look: Callable[[], Awaitable[T]], seconds: float) -> None:
        self._look = look
        self._seconds = seconds
        self._task: asyncio.Task[T] | None = None
        self._since = -inf

    async def get(self) -> T:
        """Return the answer, or raise what the lookup raised; a caller that leaves stops nobody."""
        loop = asyncio.get_running_loop()
        task = self._task
        if task is None or (task.done() and loop.time() - self._since >= self._seconds):
            task = self._task = loop.create_task(self._looked())
        return await asyncio.shield(task)

    async def _looked(self) -> T:
        try:
            return await self._look()
        finally:
            self._since = asyncio.get_running_loop().time()
