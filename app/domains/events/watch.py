"""Looks for new events on behalf of all streams of a process: one small statement a turn."""

import asyncio
from collections.abc import Callable, Iterable
from uuid import UUID

import structlog
from sqlalchemy import ARRAY, Uuid, bindparam, func, select

from app.db.driver import Executor, Statement
from app.db.models import Account, EventHead

LOOK_SECONDS = 0.5
log = structlog.get_logger("botkeys.events")

_HEADS = Statement(
    select(
        Account.account_id,
        func.coalesce(EventHead.sequence, 0),
        Account.closing_at.is_not(None),
    )
    .select_from(Account)
    .outerjoin(EventHead, EventHead.account_id == Account.account_id)
    .where(Account.account_id == func.any(bindparam("accounts", type_=ARRAY(Uuid()))))
)


class Follower:
    """What a stream waits for: events of its account with a higher number than it has sent."""

    def __init__(self, account_id: UUID, forget: Callable[["Follower"], None]) -> None:
        self.account_id = account_id
        self.newest = 0
        self.closing = False
        """Whether the account is being closed, so that no event follows."""
        self.ended = False
        self._forget = forget
        self._wake = asyncio.Event()

    async def wait(self, number: int, seconds: float) -> bool:
        """Return whether there may be events after `number`, or the stream has to end; `False` if
        neither is so within `seconds`.
        """
        try:
            async with asyncio.timeout(seconds):
                while not (self.ended or self.closing or self.newest > number):
                    self._wake.clear()
                    await self._wake.wait()
        except TimeoutError:
            return False
        return True

    def notice(self, newest: int, *, closing: bool) -> None:
        self.newest, self.closing = newest, closing
        self._wake.set()

    def end(self) -> None:
        """End the stream: its client left, or the process stops."""
        if not self.ended:
            self.ended = True
            self._wake.set()
            self._forget(self)


class EventWatch:
    """The watch of a process. It looks only while there are streams."""

    def __init__(self, executor: Executor, seconds: float = LOOK_SECONDS) -> None:
        self._executor = executor
        self._seconds = seconds
        self._followers: dict[UUID, list[Follower]] = {}
        self._looking: asyncio.Task[None] | None = None

    def follow(self, account_id: UUID) -> Follower:
        """Return a follower of the account's events; it must be ended."""
        follower = Follower(account_id, self._forget)
        self._followers.setdefault(account_id, []).append(follower)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        return follower

    async def close(self) -> None:
        """End all streams."""
        looking = self._looking
        for follower in self._all():
            follower.end()
        self._stop()
        if looking is not None:
            await asyncio.wait([looking])

    def _stop(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None

    def _all(self) -> list[Follower]:
        return [follower for group in self._followers.values() for follower in group]

    def _forget(self, follower: Follower) -> None:
        group = self._followers[follower.account_id]
        group.remove(follower)
        if not group:
            del self._followers[follower.account_id]
        if not self._followers:
            self._stop()

    async def _look(self) -> None:
        while True:
            # A stream reads once by itself before it waits.
            await asyncio.sleep(self._seconds)
            try:
                await self._look_once(list(self._followers))
            except Exception as error:  # noqa: BLE001  # no failure may end all streams
                log.warning("events_not_looked_for", exception=type(error).__name__)

    async def _look_once(self, accounts: Iterable[UUID]) -> None:
        for account_id, newest, closing in await self._executor.fetch(_HEADS, accounts=accounts):
            for follower in self._followers.get(account_id, ()):
                follower.notice(newest, closing=closing)
