"""Keeps one account from taking all connections of a process, or all calls to an exchange.

The writes of one account wait for its lock, each on a connection of its own, and checks of its keys
wait for the gate of the exchange; without a limit, a burst of them would leave no room for others.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from fastapi import Request

from app.errors import RateLimited

WAIT_SECONDS = 5
"""Seconds after which a caller whose turn did not come is asked to retry."""

_TOO_MANY = "Too many changes of this account are already waiting"


class WriteSlot:
    """One write's place among those of its account."""

    def __init__(self, places: asyncio.Semaphore, patience: float) -> None:
        self._places = places
        self._patience = patience
        self._taken = False

    async def take(self) -> None:
        """Wait for a place; raise `RateLimited` if there is none in time."""
        try:
            async with asyncio.timeout(self._patience):
                await self._places.acquire()
        except TimeoutError:
            raise RateLimited(WAIT_SECONDS, _TOO_MANY) from None
        self._taken = True

    def give_back(self) -> None:
        if self._taken:
            self._taken = False
            self._places.release()

    @asynccontextmanager
    async def released(self) -> AsyncIterator[None]:
        """Let others proceed while an exchange is called; raise as `take` does."""
        self.give_back()
        yield
        await self.take()


@dataclass(slots=True)
class _Line:
    places: asyncio.Semaphore
    present: int = 0


class AccountWriteLimiter:
    """The limiter of a process: only `at_once` writes of an account run at a time.

    The rest wait in order and without a connection, for up to `patience` seconds.
    """

    def __init__(self, at_once: int, patience: float = 20) -> None:
        self._at_once = at_once
        self._patience = patience
        self._lines: dict[UUID, _Line] = {}

    @asynccontextmanager
    async def slot(self, account_id: UUID) -> AsyncIterator[WriteSlot]:
        """Hold a slot; raise `RateLimited` if it is not free in time."""
        line = self._lines.setdefault(account_id, _Line(asyncio.Semaphore(self._at_once)))
        line.present += 1
        slot = WriteSlot(line.places, self._patience)
        try:
            await slot.take()
            yield slot
        finally:
            slot.give_back()
            line.present -= 1
            if not line.present:
                del self._lines[account_id]


def released(request: Request) -> AbstractAsyncContextManager[None]:
    """Give up this write's slot for a while; raise as `WriteSlot.take` does."""
    slot: WriteSlot = request.scope["state"]["write_slot"]
    return slot.released()
