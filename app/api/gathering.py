"""Lets calls that have time wait for one another, so that they share statements."""

import asyncio

from app.kit.flag import Flag

SECONDS = 0.2
"""How long the first of a group waits. A heartbeat that comes when it is due has most of a lease
left.
"""
LEAST = 8
"""How many others must be expected within that time; else nobody waits."""
_SPAN = 4.0


class Gathering:
    """The groups of a process.

    A caller that comes back within seconds has not waited to be asked: it does not wait here
    either, for it may call again and again, each time once it is answered.
    """

    def __init__(self, seconds: float = SECONDS, span: float = _SPAN) -> None:
        self._seconds = seconds
        self._span = span
        self._began = 0.0
        self._lately: set[int] = set()
        self._before: set[int] = set()
        self._expected = 0.0
        self._group: Flag | None = None

    async def join(self, name: int) -> None:
        """Return with the others of a group, or at once if there is nothing to wait for."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now - self._began >= self._span:
            self._expected = len(self._lately) * self._seconds / (now - self._began)
            self._began, self._before, self._lately = now, self._lately, set()
        if name in self._lately or name in self._before:
            return
        self._lately.add(name)
        if self._expected < LEAST:
            return
        if self._group is None:
            self._group = Flag()
            loop.call_later(self._seconds, self._go)
        await self._group.wait()

    def _go(self) -> None:
        group, self._group = self._group, None
        if group is not None:
            group.set()
