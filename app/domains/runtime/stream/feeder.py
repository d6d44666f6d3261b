"""Sends a subscription's configurations over a connection that has been handed over.

A stream has no task and no coroutine: it writes when there is news, when its alarm rings, and when
the connection accepts more again. So it takes a tenth of the memory that the request took which
opened it.
"""

import asyncio
import heapq
from itertools import count

import structlog
from fastapi.sse import KEEPALIVE_COMMENT

from app.api.streaming import Connection, Line, StreamLimits
from app.domains.runtime.config.cache import Configuration
from app.domains.runtime.stream.messages import config_event
from app.domains.runtime.stream.subscription import Subscription

RUNG_AT_ONCE = 100
"""Few enough that nothing else in the process waits more than a few milliseconds."""
_PAUSE = 0.005
log = structlog.get_logger("botkeys.streams")


class Feeder:
    """One stream, from its first event to its end."""

    __slots__ = ("_alarms", "_limits", "_line", "_stuck_at", "_subscription", "_wrote_at")

    def __init__(self, subscription: Subscription, limits: StreamLimits, alarms: "Alarms") -> None:
        self._subscription = subscription
        self._limits = limits
        self._alarms = alarms
        self._line: Line | None = None
        self._wrote_at = 0.0
        self._stuck_at: float | None = None

    def start(self, connection: Connection) -> None:
        """Take over a connection whose response has begun."""
        self._line = connection.hand_over(self)
        self._wrote_at = self._alarms.now
        self._subscription.follow(self.feed)
        self._alarms.set(self._next(), self)

    def feed(self) -> None:
        """Send the newest configuration, or the stream's end."""
        line = self._line
        if line is None:
            return
        if self._subscription.closed:
            self._line = None
            line.end()
        elif line.paused:
            self._stuck_at = self._stuck_at or self._alarms.now
        else:
            self._stuck_at = None
            config: Configuration | None = self._subscription.take()
            if config is not None:
                self._write(line, config_event(config))

    def gone(self) -> None:
        """Note that the client has left."""
        self._line = None
        self._subscription.close()

    def due(self, now: float) -> float | None:
        """Do what is due; return when the next thing will be, `None` after the end."""
        line = self._line
        if line is None:
            return None
        if self._subscription.ended:
            self._subscription.close()
            return None
        if line.paused:
            self._stuck_at = self._stuck_at or now
            if now - self._stuck_at >= self._limits.patience:
                log.warning("stream_not_read")
                line.cut()
                self.gone()
                return None
        else:
            self._stuck_at = None
            if now - self._wrote_at >= self._limits.keep_alive:
                self._write(line, KEEPALIVE_COMMENT)
        return self._next()

    def _write(self, line: Line, part: bytes) -> None:
        line.write(part)
        self._wrote_at = self._alarms.now

    def _next(self) -> float:
        if self._stuck_at is not None:
            again = self._alarms.now + self._limits.keep_alive
            return min(self._stuck_at + self._limits.patience, again)
        return min(self._wrote_at + self._limits.keep_alive, self._subscription.ends_at)


class Alarms:
    """When each stream of a process has something to do: one timer for all of them."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._numbers = count()
        self._due: list[tuple[float, int, Feeder]] = []
        self._timer: asyncio.TimerHandle | None = None

    @property
    def now(self) -> float:
        return self._loop.time()

    def set(self, when: float, feeder: Feeder) -> None:
        heapq.heappush(self._due, (when, next(self._numbers), feeder))
        if self._due[0][2] is feeder:
            self._start(when)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _start(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._ring)

    def _ring(self) -> None:
        now = self.now
        for _ in range(RUNG_AT_ONCE):
            if not self._due or self._due[0][0] > now:
                break
            _, _, feeder = heapq.heappop(self._due)
            following = feeder.due(now)
            if following is not None:
                # Later than now, even if the clock has not moved on.
                heapq.heappush(
                    self._due, (max(following, now + _PAUSE), next(self._numbers), feeder)
                )
        if self._due:
            self._start(max(self._due[0][0], now + _PAUSE))
