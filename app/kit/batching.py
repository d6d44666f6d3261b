"""A batcher: concurrent callers share one statement."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, TypeAlias, TypeVar

Key = TypeVar("Key")
Result = TypeVar("Result")
Batch: TypeAlias = list[tuple[Key, asyncio.Future[Result]]]
"""The key that each caller requests, and the future it awaits. Keys may repeat; a caller
that gave up has cancelled its future.
"""


class Batcher(Generic[Key, Result]):
    """Collects requests into batches; while `at_once` batches are in flight, the next one grows.

    There is no timer. `work` gets up to `size` requests and sets all their results, at once or
    later. An exception that it raises is raised in each caller of the batch that has no result yet,
    and in no other.
    """

    def __init__(
        self,
        work: Callable[[Batch[Key, Result]], Awaitable[None]],
        *,
        size: int,
        at_once: int,
    ) -> None:
        self._work = work
        self._size = size
        self._at_once = at_once
        self._working = 0
        self._waiting: Batch[Key, Result] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def get(self, key: Key) -> Result:
        """Return the result for the key; the work on it begins after this call."""
        reply: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, reply))
        if self._working < self._at_once:
            self._working += 1
            self.start(self._work_off())
        return await reply

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run other work beside the batches; `close` cancels it too."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Stop and cancel all waiting callers; work in flight may or may not have been done."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _, reply in self._waiting:
            reply.cancel()
        self._waiting.clear()

    async def _work_off(self) -> None:
        """Process batch after batch until nobody is waiting.

        The counter is decremented in the same step that finds nobody waiting. The task leaves the
        set a moment later; otherwise a caller that arrives in between would wait for a batch that
        never starts.
        """
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._size], self._waiting[self._size :]
                try:
                    await self._work(batch)
                except BaseException as error:
                    for _, reply in batch:
                        fail(reply, error)
                    if not isinstance(error, Exception):
                        raise
        finally:
            self._working -= 1


def fail(reply: asyncio.Future[Any], error: BaseException) -> None:
    """Raise the error in the waiting caller, unless it has a result or has given up."""
    if reply.done():
        return
    if isinstance(error, asyncio.CancelledError):
        reply.cancel()
    else:
        reply.set_exception(error)
