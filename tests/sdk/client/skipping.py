"""An event loop that never waits: whenever it is idle, its clock jumps to the next timer.

Hours of heartbeats and outages pass in milliseconds, in their proper order.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any


class _Selector(selectors.DefaultSelector):
    skipped = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise AssertionError("everything waits, and nothing will ever happen")
        self.skipped += timeout
        return []


class _SkippingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._skipping = _Selector()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.skipped


def skipping(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run to the end, then cancel whatever is still running."""
    loop = _SkippingLoop()
    try:
        loop.run_until_complete(work())
    finally:
        loop.run_until_complete(_end_the_rest())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _end_the_rest() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


def now() -> float:
    """Return the seconds since the loop began."""
    return asyncio.get_running_loop().time()
