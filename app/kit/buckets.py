"""Token buckets: a steady rate of requests for each name, and some at once.

Kept by the generic cell rate algorithm (GCRA): of each name only the time at which its bucket will
be full again. A look costs a fraction of a microsecond; the libraries that were measured need three
to six, and hold every request or every name for the length of a window.
"""

import time
from collections.abc import Callable, Hashable

CAPACITY = 50_000
"""Names in one of the two generations that a process holds for each kind of bucket."""


class Buckets:
    """The buckets of one kind: `rate` requests a second each, and `seconds` worth of them at once.

    Names are kept in two generations, of which the older one is dropped as a whole: once it is so
    old that all its buckets are full again, or early if `capacity` names arrived since. Any number
    of names therefore takes a bounded amount of memory, and no name is searched for.
    """

    def __init__(
        self,
        rate: float,
        seconds: float,
        *,
        capacity: int = CAPACITY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.interval = 1 / rate
        self.seconds = max(seconds, self.interval)
        self.quota = max(1, round(rate * self.seconds))
        # Half an interval of room, so that rounding refuses no request of the quota.
        self._latest = self.seconds - self.interval / 2
        self._capacity = capacity
        self._clock = clock
        self._recent: dict[Hashable, float] = {}
        self._older: dict[Hashable, float] = {}
        self._rotated_at = clock()

    def __len__(self) -> int:
        return len(self._recent) + len(self._older)

    def wait(self, name: Hashable) -> float:
        """Return the seconds until the bucket has a request to give; 0 if it has one now."""
        full_at = self._full_at(name)
        if full_at is None:
            return 0.0
        return max(0.0, full_at - self._clock() - self._latest)

    def take(self, name: Hashable) -> float:
        """Take one request and return 0, or take none and return the seconds until there is one."""
        now = self._clock()
        full_at = self._full_at(name)
        if full_at is None or full_at < now:
            full_at = now
        elif full_at - now > self._latest:
            return full_at - now - self._latest
        self._keep(name, full_at + self.interval, now)
        return 0.0

    def fill(self, name: Hashable, seconds: float) -> None:
        """Note what others took too: the bucket will be full in so many seconds."""
        now = self._clock()
        self._keep(name, now + seconds, now)

    def _full_at(self, name: Hashable) -> float | None:
        full_at = self._recent.get(name)
        return self._older.get(name) if full_at is None else full_at

    def _keep(self, name: Hashable, full_at: float, now: float) -> None:
        recent = self._recent
        if name not in recent and (
            now - self._rotated_at >= self.seconds or len(recent) >= self._capacity
        ):
            self._older, self._recent = recent, {}
            self._rotated_at = now
            recent = self._recent
        recent[name] = full_at
