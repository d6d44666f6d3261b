"""Lets a few pass at a time where thousands come at once."""

import asyncio
from collections import deque
from collections.abc import Callable

SECONDS = 0.005


class Turnstile:
    """Calls what is given to it: at once for the first `few` in a turn, and for the others in the
    turns that follow, in order. A turn takes `seconds`.

    What is called returns whether it had anything left to do: if not, it takes nobody's place.
    """

    def __init__(self, few: int, seconds: float = SECONDS) -> None:
        self._few = few
        self._seconds = seconds
        self._passed = 0
        self._waiting: deque[Callable[[], bool]] = deque()
        self._turns = False

    @property
    def waiting(self) -> int:
        """Return how many wait for their turn."""
        return len(self._waiting)

    def enter(self, do: Callable[[], bool]) -> None:
        if not self._turns:
            self._begin_turn()
        if self._passed < self._few and not self._waiting:
            self._passed += do()
        else:
            self._waiting.append(do)

    def _begin_turn(self) -> None:
        self._turns = True
        self._passed = 0
        asyncio.get_running_loop().call_later(self._seconds, self._end_turn)

    def _end_turn(self) -> None:
        self._turns = False
        if not self._waiting:
            return
        self._begin_turn()
        while self._waiting and self._passed < self._few:
            self._passed += self._waiting.popleft()()
