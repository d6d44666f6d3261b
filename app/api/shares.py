"""Gives each account a share of a process's connections to the database, and no more.

Without one, a few dozen requests that each count half a million rows take every connection, and
other accounts wait for as long as that takes. What an account sends beyond its share waits, without
a connection, and is then refused: that account alone notices.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Self
from uuid import UUID

from fastapi import Request

from app.api.access import Access
from app.errors import RateLimited

RETRY_SECONDS = 5
"""Seconds after which a caller whose turn did not come is asked to retry."""

_TOO_MANY = "Too many requests of this account are already waiting"


@dataclass(slots=True)
class _Line:
    taken: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class Share:
    """The places that each account has for one kind of work, in one process.

    `at_once` requests of an account work at a time, and up to `in_line` wait for `patience` seconds
    each, in order.
    """

    def __init__(self, at_once: int, *, patience: float = 5, in_line: int = 200) -> None:
        self._at_once = at_once
        self._patience = patience
        self._in_line = in_line
        self._lines: dict[UUID, _Line] = {}

    def take_now(self, account_id: UUID) -> bool:
        """Take a place if one is free, which it nearly always is."""
        line = self._lines.get(account_id)
        if line is None:
            line = self._lines[account_id] = _Line()
        elif line.taken >= self._at_once:
            return False
        line.taken += 1
        return True

    async def take(self, account_id: UUID) -> None:
        """Take a place; raise `RateLimited` if none is free in time, or too many are waiting."""
        if self.take_now(account_id):
            return
        line = self._lines[account_id]
        if len(line.waiting) >= self._in_line:
            raise RateLimited(RETRY_SECONDS, _TOO_MANY)
        turn = asyncio.get_running_loop().create_future()
        line.waiting.append(turn)
        try:
            async with asyncio.timeout(self._patience):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.give_back(account_id)  # it came at the same moment
            else:
                # A place that was given back meanwhile took it out already.
                with suppress(ValueError):
                    line.waiting.remove(turn)
            if isinstance(error, TimeoutError):
                raise RateLimited(RETRY_SECONDS, _TOO_MANY) from None
            raise

    def give_back(self, account_id: UUID) -> None:
        """Hand the place to the first who waits, or free it."""
        line = self._lines[account_id]
        while line.waiting:
            turn = line.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        line.taken -= 1
        if not line.taken:
            del self._lines[account_id]

    @asynccontextmanager
    async def place(self, account_id: UUID) -> AsyncIterator[None]:
        """Hold a place; raise as `take` does."""
        await self.take(account_id)
        try:
            yield
        finally:
            self.give_back(account_id)


@dataclass(frozen=True, slots=True)
class Shares:
    """The shares of a process: of users' `reads`, of `dear` ones, and of what bots send.

    Users' writes have one of their own, `app.api.write_limiter`. `dear_seconds` is how long a dear
    read may take in all.
    """

    reads: Share
    dear: Share
    bots: Share
    dear_seconds: float

    @classmethod
    def of_pool(cls, size: int, dear_seconds: float) -> Self:
        """Return a quarter of the connections for reads, a tenth for dear ones, half for bots."""
        return cls(
            Share(max(1, size // 4)),
            Share(max(1, size // 10)),
            Share(max(1, size // 2)),
            dear_seconds,
        )

    def for_route(self, access: Access) -> Share | None:
        """Return the share that a request of this route takes a place of.

        What reads a bot's configuration needs none: those reads share one statement.
        """
        if access.dear:
            return self.dear
        if access.for_bots:
            return None if access.reads_config or access.glances else self.bots
        return self.reads if access.action is None else None

    def dear_for(self, account_id: UUID) -> Callable[[], AbstractAsyncContextManager[None]]:
        return partial(self.dear.place, account_id)


def dear_place(request: Request) -> AbstractAsyncContextManager[None]:
    """Hold a place of the account's share of dear reads within a write, which counts first."""
    place: Callable[[], AbstractAsyncContextManager[None]] = request.scope["state"]["dear_place"]
    return place()
