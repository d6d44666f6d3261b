"""How often bots are asked to send heartbeats: every 10 seconds, or less often if they are many.

A lease below 30 seconds has them asked more often, so that three intervals fit into it.
"""

from collections import deque
from collections.abc import Callable
from datetime import timedelta
from math import ceil
from time import monotonic
from typing import Final

SHORTEST = 10
LONGEST = 60
"""Seconds between two heartbeats of a bot, at least and at most, unless the lease is short."""
_PER_LEASE = 3
"""How many intervals fit into a lease, at least: two heartbeats in a row may be lost or late."""

_COVERED = 0.7
"""How much of a lease an interval may take up when it grows: it is jittered, and takes its way."""
_LEAST_GROWTH, _MOST_GROWTH = 1.1, 2.0
_SPAN = 10.0
_SPANS = 6


class HeartbeatPace:
    """The pace of one process, which takes about `per_second` heartbeats.

    Every heartbeat stands for as much of a bot as the interval that its bot was asked for is of a
    minute. Added up over the last minute, that is how many bots there are, at whatever pace each of
    them sends: so the pace does not swing when it changes. `lease` is the lease
    at the shortest interval, and grows with the interval. The shortest interval is a third of it,
    in whole seconds, or `SHORTEST` if that is less, and a second at least.

    The interval grows in steps, at most to the double in ten seconds. So the lease that a heartbeat
    was written with, by the interval before, covers the one that its answer asks for.

    Spans without a single heartbeat are left out of the minute: where there are many bots, the
    database was away, and all of them come back.
    """

    def __init__(
        self, per_second: float, lease: timedelta, clock: Callable[[], float] = monotonic
    ) -> None:
        self._per_second: Final = per_second
        self._shortest_lease: Final = lease
        self._shortest: Final = max(1, min(SHORTEST, int(lease.total_seconds() / _PER_LEASE)))
        covered = lease.total_seconds() / self._shortest * _COVERED
        self._growth: Final = min(max(covered, _LEAST_GROWTH), _MOST_GROWTH)
        self._clock = clock
        self._began = self._span_began = clock()
        self._past: deque[float] = deque(maxlen=_SPANS)
        self._present = 0.0
        self.next_in = self._shortest
        self.lease = self._lease()

    def resume(self, lease: float) -> None:
        """Begin with the interval that bots were last asked for, by the lease that they have.

        A process that has just started counts few bots, and would ask those who come first to come
        back much too soon.
        """
        asked = round(lease / self._shortest_lease.total_seconds() * self._shortest)
        self.next_in = min(max(asked, self._shortest), LONGEST)
        self.lease = self._lease()

    def beat(self) -> int:
        """Count a heartbeat; return in how many seconds its bot is to send the next one."""
        now = self._clock()
        if now - self._span_began >= _SPAN:
            self._set(now)
        self._present += self.next_in
        return self.next_in

    @property
    def bots(self) -> float:
        """Return about how many bots send heartbeats to this process."""
        seconds = min(self._clock() - self._began, _SPAN * _SPANS)
        return (sum(self._past) + self._present) / max(seconds, _SPAN)

    def _set(self, now: float) -> None:
        """Begin a new span, and with it set the pace."""
        silent = (now - self._span_began) // _SPAN
        if self._present:
            silent -= 1
            self._past.append(self._present)
            self._present = 0.0
        self._began += silent * _SPAN
        self._span_began = now
        if not self._past:
            return
        seconds = min(now - self._began, _SPAN * _SPANS)
        bots = sum(self._past) / max(seconds, _SPAN)
        longest = min(ceil(self._growth * self.next_in), LONGEST)
        self.next_in = min(max(ceil(bots / self._per_second), self._shortest), longest)
        self.lease = self._lease()

    def _lease(self) -> timedelta:
        return self._shortest_lease * (self.next_in / self._shortest)
