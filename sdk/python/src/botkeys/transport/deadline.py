"""How long a group of calls may take, set once and read anywhere."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Deadline:
    """A moment on the monotonic clock by which a whole group of calls must be done.

    Up to `patience` seconds of waiting in our own queue do not count: they postpone the moment.
    """

    __slots__ = ("_at", "_patience")

    def __init__(self, seconds: float, patience: float = 0.0) -> None:
        self._at = _now() + seconds
        self._patience = patience

    def left(self) -> float:
        """Return the seconds left, never negative."""
        return max(0.0, self._at - _now())

    def left_in_line(self) -> float:
        """Return the seconds left for a call that waits in our own queue."""
        return self.left() + self._patience

    @contextmanager
    def in_line(self) -> Iterator[None]:
        """Count the block as waiting in our own queue."""
        begun = _now()
        try:
            yield
        finally:
            waited = min(_now() - begun, self._patience)
            self._patience -= waited
            self._at += waited

    def earlier(self, seconds: float) -> "Deadline":
        """Return the earlier of this deadline and `seconds` from now, without patience."""
        return Deadline(min(self.left(), seconds))


def _now() -> float:
    return asyncio.get_running_loop().time()
