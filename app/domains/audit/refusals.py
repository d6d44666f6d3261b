"""Coalesces the audit entries of refusals, so that a caller that is refused all the time adds few.

The first refusal of a caller, action and code is recorded at once, in the transaction of its
request. Those that follow within the window are counted in memory, and recorded together at the
window's end as one entry with `count`, `first_at` and `last_at`. The window doubles while they go
on. A process that is killed loses what it counted since the last end of a window; one that is
stopped records it. Each process counts for itself.
"""

import asyncio
import heapq
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.auth.caller import Caller
from app.db.driver import SessionExecutor
from app.domains.audit.log import AuditLog
from botkeys.sealing.boxes import SecretBytes

FIRST_SECONDS = 60.0
LONGEST_SECONDS = 900.0
MOST = 10_000
"""How many callers, actions and codes are tracked at a time; the oldest window makes room."""

ADDRESSES = 8
_RETRY_SECONDS = 5.0
_CLOSING_SECONDS = 2.0
log = structlog.get_logger("botkeys.audit")


class Refusal(NamedTuple):
    """What is counted together: one caller's refusals of one action for one reason."""

    account_id: UUID
    actor: str
    actor_id: str
    action: str
    code: str
    details: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Window:
    """The time in which refusals are counted after one that was recorded."""

    caller: Caller
    seconds: float
    until: float
    count: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    addresses: set[str] = field(default_factory=set)

    def add(self, caller: Caller) -> None:
        self.caller = caller
        self.count += 1
        self.last_at = datetime.now(UTC)
        self.first_at = self.first_at or self.last_at
        if len(self.addresses) < ADDRESSES:
            self.addresses.add(caller.address)

    def join(self, earlier: "_Window") -> None:
        """Count what an earlier window did, too."""
        self.count += earlier.count
        self.first_at = earlier.first_at
        self.last_at = self.last_at or earlier.last_at
        self.addresses = set(sorted(self.addresses | earlier.addresses)[:ADDRESSES])


class RefusalLog:
    """The refusals that a process counts, and the entries that it writes about them."""

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        hmac_key: SecretBytes,
        *,
        first_seconds: float = FIRST_SECONDS,
        most: int = MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sessions = sessions
        self._key = hmac_key
        self._first_seconds = first_seconds
        self._most = most
        self._clock = clock
        self._windows: dict[Refusal, _Window] = {}
        self._ends: list[tuple[float, Refusal]] = []
        self._evicted: deque[tuple[Refusal, _Window]] = deque(maxlen=most)
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._recording = False

    def admit(self, refusal: Refusal, caller: Caller) -> bool:
        """Return whether to record this refusal now; if not, it was counted."""
        window = self._windows.get(refusal)
        if window is not None:
            window.add(caller)
            return False
        if len(self._windows) >= self._most:
            self._make_room()
        seconds = self._first_seconds
        self._open(refusal, _Window(caller, seconds, self._clock() + seconds))
        return True

    def forget(self, refusal: Refusal) -> None:
        """Begin again with the next refusal: this one could not be recorded."""
        self._windows.pop(refusal, None)

    async def record_due(self) -> None:
        """Record what was counted in windows that have ended."""
        self._recording = True
        try:
            while self._evicted:
                evicted = self._evicted.popleft()
                try:
                    await self._record(*evicted)
                except Exception as error:  # noqa: BLE001  # there is no room to keep it
                    log.error(  # noqa: TRY400  # as above
                        "refusals_lost", count=evicted[1].count, exception=type(error).__name__
                    )
            while self._ends and self._ends[0][0] <= self._clock():
                until, refusal = heapq.heappop(self._ends)
                window = self._windows.get(refusal)
                if window is None or window.until != until:
                    continue
                del self._windows[refusal]
                if window.count:
                    await self._end(refusal, window)
        finally:
            self._recording = False
        self._schedule()

    async def close(self) -> None:
        """Record everything that was counted."""
        try:
            async with asyncio.timeout(_CLOSING_SECONDS):
                if self._writing is not None:
                    await self._writing
                counted = [*self._evicted, *self._windows.items()]
                self._evicted.clear()
                self._windows.clear()
                self._ends.clear()
                for refusal, window in counted:
                    if window.count:
                        await self._record(refusal, window)
        except Exception as error:  # noqa: BLE001  # a process that stops must stop
            log.error("refusals_lost", exception=type(error).__name__)  # noqa: TRY400  # as above
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def _open(self, refusal: Refusal, window: _Window) -> None:
        self._windows[refusal] = window
        heapq.heappush(self._ends, (window.until, refusal))
        self._schedule()

    def _make_room(self) -> None:
        """End the window that would end first, now."""
        while self._ends:
            until, refusal = heapq.heappop(self._ends)
            window = self._windows.get(refusal)
            if window is None or window.until != until:
                continue
            del self._windows[refusal]
            if window.count:
                if len(self._evicted) == self._most:
                    log.error("refusals_lost", count=self._evicted[0][1].count)
                self._evicted.append((refusal, window))
            return

    async def _end(self, refusal: Refusal, window: _Window) -> None:
        """Record what a window counted, and go on with a longer one."""
        seconds = min(2 * window.seconds, LONGEST_SECONDS)
        following = _Window(window.caller, seconds, self._clock() + seconds)
        self._open(refusal, following)
        try:
            await self._record(refusal, window)
        except Exception as error:  # noqa: BLE001  # whatever it is, the count must not be lost
            log.warning("refusals_not_recorded", exception=type(error).__name__)
            following.join(window)
            following.until = self._clock() + _RETRY_SECONDS
            heapq.heappush(self._ends, (following.until, refusal))

    async def _record(self, refusal: Refusal, window: _Window) -> None:
        async with self._sessions.begin() as session:
            await AuditLog(SessionExecutor(session), self._key, window.caller).record(
                refusal.action,
                outcome="refused",
                code=refusal.code,
                **dict(refusal.details),
                count=window.count,
                first_at=window.first_at,
                last_at=window.last_at,
                addresses=sorted(window.addresses),
            )

    def _schedule(self) -> None:
        if self._recording:
            return
        if self._timer is not None:
            self._timer.cancel()
        if self._ends:
            wait = 0.0 if self._evicted else max(0.0, self._ends[0][0] - self._clock())
            self._timer = asyncio.get_running_loop().call_later(wait, self._begin)

    def _begin(self) -> None:
        self._writing = asyncio.create_task(self.record_due())
