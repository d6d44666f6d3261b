"""Tells in which accounts something has happened, in one small statement for many accounts."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, func, select

from app.db.driver import Executor, Statement
from app.db.models import EventHead

ACCOUNTS_AT_ONCE = 1_000
"""Few enough that nothing else in the process waits more than a few milliseconds."""

_NUMBERS = Statement(
    select(EventHead.account_id, EventHead.sequence).where(
        EventHead.account_id == func.any(bindparam("accounts", type_=ARRAY(Uuid())))
    )
)


class EventNumbers:
    """The numbers of accounts' newest events as they were last seen.

    Each change that a user makes adds an event in its own transaction (rule R75): an account whose
    number has not moved has no such change.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._seen: dict[UUID, int] = {}

    async def moved(self, accounts: Sequence[UUID]) -> list[UUID]:
        """Return those accounts whose number is another than when it was last seen, if it was."""
        rows = await self._executor.fetch(_NUMBERS, accounts=accounts)
        numbers: dict[UUID, int] = dict(map(tuple, rows))
        moved = []
        for account_id in accounts:
            number = numbers.get(account_id, 0)
            if self._seen.get(account_id) != number:
                moved.append(account_id)
            self._seen[account_id] = number
        return moved

    def keep(self, accounts: Collection[UUID]) -> None:
        """Forget all other accounts."""
        for account_id in self._seen.keys() - accounts:
            del self._seen[account_id]
