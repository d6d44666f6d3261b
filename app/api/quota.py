"""How many long answers of a kind a process gives at once, and how many of them to one account."""

import asyncio
from collections import Counter
from uuid import UUID

from app.errors import RateLimited, Unavailable

WAIT_SECONDS = 5
"""When those who found no place are told to come again."""


class ConcurrencyQuota:
    """One for a process. `too_many` is told to an account that has its share, `busy` to all where
    none is left.
    """

    def __init__(self, in_all: int, of_one_account: int, *, too_many: str, busy: str) -> None:
        self._in_all = in_all
        self._of_one_account = of_one_account
        self._too_many = too_many
        self._busy = busy
        self._taken: Counter[UUID] = Counter()
        self.closed = asyncio.Event()
        """Set when the process stops: answers that would go on for long end now."""

    @property
    def count(self) -> int:
        return self._taken.total()

    def take(self, account_id: UUID) -> None:
        """Raises `RateLimited` for an account that has its share, `Unavailable` if all are taken.

        Give back each that was taken.
        """
        if self._taken[account_id] >= self._of_one_account:
            raise RateLimited(WAIT_SECONDS, self._too_many)
        if self.closed.is_set() or self.count >= self._in_all:
            raise Unavailable(self._busy, retry_after=WAIT_SECONDS)
        self._taken[account_id] += 1

    def give_back(self, account_id: UUID) -> None:
        self._taken[account_id] -= 1
        if not self._taken[account_id]:
            del self._taken[account_id]

    def close(self) -> None:
        """Take no more, and end what waits for `closed`."""
        self.closed.set()
