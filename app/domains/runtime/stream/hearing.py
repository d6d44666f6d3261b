"""What a process has heard of late, and so what may have changed since a reading began."""

from math import inf
from uuid import UUID

MOST = 5_000
"""As many bots and accounts are remembered: half a megabyte."""


class Hearing:
    """When each bot or account was last named by a notification. All times by one clock.

    A notification of a change that a reading did not contain arrives after the reading began.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._heard: dict[int, float] = {}
        self._missed = -inf

    def note(self, account_id: UUID, bot_id: UUID | None, now: float) -> None:
        """Take note of a notification."""
        if len(self._heard) >= self._most:
            self.missed(now)
        self._heard[(account_id if bot_id is None else bot_id).int] = now

    def missed(self, now: float) -> None:
        """Take note that notifications may have been missed until now, of whatever bot."""
        self._heard.clear()
        self._missed = now

    def heard(self, name: tuple[UUID, UUID], *, since: float) -> bool:
        """Return whether the bot may have been changed since then, as far as was heard."""
        last = max(self._missed, *(self._heard.get(each.int, -inf) for each in name))
        return last >= since
