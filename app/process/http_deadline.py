"""The moment until which a connection may go on waiting for one thing."""

import asyncio
from collections.abc import Callable
from enum import Enum
from math import inf


class Awaited(Enum):
    """What a connection waits for until its deadline."""

    NOTHING = 0
    HEAD = 1
    BODY = 2
    REQUEST = 3
    END = 4


class Deadline:
    """What is awaited, and until when by the loop's clock; `lapsed` is called with it when due.

    There is one timer, which is moved only when it is due: most deadlines never come.
    """

    __slots__ = ("_lapsed", "_loop", "_timer", "_timer_at", "awaited", "moment")

    def __init__(self, loop: asyncio.AbstractEventLoop, lapsed: Callable[[Awaited], None]) -> None:
        self.awaited = Awaited.NOTHING
        self.moment = inf
        self._loop = loop
        self._lapsed = lapsed
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf

    def set(self, awaited: Awaited, seconds: float) -> None:
        self.awaited = awaited
        self.moment = self._loop.time() + seconds
        if self.moment < self._timer_at:
            self._set_timer()

    def clear(self) -> None:
        self.awaited, self.moment = Awaited.NOTHING, inf

    def close(self) -> None:
        """Let nothing lapse any more."""
        self.clear()
        self._lapsed = _nothing
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self.moment
        self._timer = self._loop.call_at(self.moment, self._on_time)

    def _on_time(self) -> None:
        self._timer, self._timer_at = None, inf
        if self.moment == inf:
            return
        if self._loop.time() < self.moment - 0.001:
            self._set_timer()
            return
        awaited = self.awaited
        self.clear()
        self._lapsed(awaited)


def _nothing(_: Awaited) -> None:
    """Take the place of a connection that is lost."""
