"""Which refusals are events, so that a bot that is refused all the time adds few."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

SECONDS = 60.0
"""How long refusals that are like one that became an event do not."""

MOST = 10_000


class RefusalWindow:
    """The refusals of a process that became events shortly ago; the oldest make room."""

    def __init__(
        self,
        seconds: float = SECONDS,
        most: int = MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._until: OrderedDict[Hashable, float] = OrderedDict()

    def admit(self, refusal: Hashable) -> bool:
        """Return whether this refusal becomes an event."""
        now = self._clock()
        if self._until.get(refusal, now) > now:
            return False
        self._until[refusal] = now + self._seconds
        self._until.move_to_end(refusal)
        if len(self._until) > self._most:
            self._until.popitem(last=False)
        return True

    def forget(self, refusal: Hashable) -> None:
        """Begin again with the next one: this one could not be stored."""
        self._until.pop(refusal, None)
