"""Limits how many long responses of a kind a process sends at once, in all and per account."""

import asyncio
from collections import Counter
from uuid import UUID

from app.errors import AppError, RateLimited, Unavailable

WAIT_SECONDS = 5
"""Seconds after which a caller without a place is asked to retry."""


class ConcurrencyQuota:
    """The quota of one kind of response in a process.

    The last quarter of the places goes to accounts that have none, so that a few accounts which use
    up their shares leave places to others.

    `too_many` is the refusal of an account that has used up its share, or the sentence of a 429;
    `busy` is the sentence for everyone if no place is left.
    """

    def __init__(
        self, in_all: int, of_one_account: int, *, too_many: str | type[AppError], busy: str
    ) -> None:
        self._in_all = in_all
        self._of_one_account = of_one_account
        self._kept = in_all // 4
        self._too_many = too_many
        self._busy = busy
        self._taken: Counter[UUID] = Counter()
        self.closed = asyncio.Event()
        """Set when the process stops: long-running responses then end."""

    @property
    def count(self) -> int:
        return self._taken.total()

    def take(self, account_id: UUID) -> None:
        """Take a place; the caller must give it back.

        Raises `RateLimited` or the quota's own refusal for an account that has used up its share,
        `Unavailable` if no place is left for it.
        """
        has = self._taken[account_id]
        if has >= self._of_one_account:
            refusal = self._too_many
            raise RateLimited(WAIT_SECONDS, refusal) if isinstance(refusal, str) else refusal()
        if self.closed.is_set() or self.count >= self._in_all - (self._kept if has else 0):
            raise Unavailable(self._busy, retry_after=WAIT_SECONDS)
        self._taken[account_id] += 1

    def give_back(self, account_id: UUID) -> None:
        self._taken[account_id] -= 1
        if not self._taken[account_id]:
            del self._taken[account_id]

    def close(self) -> None:
        """Refuse further places, and end everything that waits for `closed`."""
        self.closed.set()
