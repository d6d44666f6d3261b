"""How long a group of calls may take, told once and asked anywhere."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Deadline:
    """A moment on the monotonic clock until which a whole group of calls must be done.

    Up to `patience` seconds that they wait in a line of our own do not count: so long the moment
    is put off.
    """

    __slots__ = ("_at", "_patience")

    def __init__(self, seconds: float, patience: float = 0.0) -> None:
        self._at = _now() + seconds
        self._patience = patience

    def left(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._at - _now())

    def left_in_line(self) -> float:
        """Seconds left for who waits in line."""
        return self.left() + self._patience

    @contextmanager
    def in_line(self) -> Iterator[None]:
        """For as long as this lasts our own line is waited in."""
        begun = _now()
        try:
            yield
        finally:
            waited = min(_now() - begun, self._patience)
            self._patience -= waited
            self._at += waited

    def earlier(self, seconds: float) -> "Deadline":
        """The deadline that comes first: this one, or `seconds` from now. It has no patience."""
        return Deadline(min(self.left(), seconds))


def _now() -> float:
    return asyncio.get_running_loop().time()
