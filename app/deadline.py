"""How long a group of calls may take, told once and asked anywhere."""

import asyncio


class Deadline:
    """A moment on the monotonic clock until which a whole group of calls must be done."""

    __slots__ = ("_at",)

    def __init__(self, seconds: float) -> None:
        self._at = asyncio.get_running_loop().time() + seconds

    def left(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._at - asyncio.get_running_loop().time())

    def earlier(self, seconds: float) -> "Deadline":
        """The deadline that comes first: this one or `seconds` from now."""
        return Deadline(min(self.left(), seconds))
