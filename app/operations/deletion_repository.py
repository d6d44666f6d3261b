"""The SQL of deletions: what one would delete, and the marks that delete it."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Table, delete, func, select, union
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import new_id
from app.db.models import DeletionMark, Freeze, IdempotencyRecord, Key, KeyLabel, TradingAsset
from app.operations.kinds import (
    KINDS,
    POSITIONS,
    DataKind,
    covered,
    cutoff_of,
    held_in,
    in_scope,
    slices,
)
from app.trading.marks import FOREVER, Mark, not_covered, read_marks

_MARKS = cast("Table", DeletionMark.__table__)
_INSTANT = timedelta(microseconds=1)
_SHOWING_DATA = ("position.close", "account.change")
"""The actions whose answers, kept to be given again, show trading data or how many there are."""


class DeletionRepository:
    """Of one account. Marks are made under the account's lock, and read in a later statement."""

    def __init__(self, session: AsyncSession, account_id: UUID) -> None:
        self._session = session
        self._account_id = account_id

    async def known_keys(self, key_ids: Collection[UUID]) -> dict[UUID, str]:
        """The environments of those that are there, or were deleted and have data left."""
        of_account = (
            select(table.c[name], table.c.environment).where(
                table.c.account_id == self._account_id, table.c[name].in_(key_ids)
            )
            for table, name in (
                (cast("Table", Key.__table__), "id"),
                (cast("Table", KeyLabel.__table__), "key_id"),
            )
        )
        found = (await self._session.execute(union(*of_account))).all()
        return {row[0]: row[1] for row in found}

    async def counts(self, marks: Sequence[Mark]) -> dict[str, int]:
        """By kind, what the marks would delete that no mark of the account has deleted yet."""
        known = await read_marks(self._session, self._account_id)
        return {kind.name: await self._count(kind, marks, known) for kind in KINDS}

    async def _count(self, kind: DataKind, marks: Sequence[Mark], known: Sequence[Mark]) -> int:
        rows = kind.table.alias()
        total = 0
        for part in slices(kind, marks):
            left = not_covered(known, rows, cast(Any, kind.time(rows)), part.environment)
            query = (
                select(func.count())
                .select_from(rows)
                .where(*covered(kind, rows, self._account_id, part), *left)
            )
            total += (await self._session.execute(query)).scalar_one()
        return total

    async def positions_held(self, marks: Sequence[Mark]) -> int:
        """How many positions in the scope of the marks are open or being opened."""
        query = (
            select(func.count())
            .select_from(POSITIONS)
            .where(in_scope(POSITIONS, self._account_id, marks), held_in(POSITIONS))
        )
        return (await self._session.execute(query)).scalar_one()

    async def now(self) -> datetime:
        now: datetime = (await self._session.execute(select(func.clock_timestamp()))).scalar_one()
        return now

    async def end_of(self, marks: Sequence[Mark]) -> datetime:
        """A cut-off that covers all that is stored in the scope: the clocks of bots may be ahead.

        Whoever stores something later does so after it, unless its time is older.
        """
        now = await self.now()
        ahead = []
        for kind in KINDS:
            for part in slices(kind, marks):
                rows = kind.table.alias()
                latest = select(func.max(kind.time(rows))).where(
                    *covered(kind, rows, self._account_id, part), kind.time(rows) >= now
                )
                ahead.append(latest.scalar_subquery())
        latest_of_all = (await self._session.execute(select(func.greatest(*ahead)))).scalar_one()
        return now if latest_of_all is None else cast("datetime", latest_of_all) + _INSTANT

    async def mark(self, marks: Sequence[Mark]) -> None:
        """Delete what they cover, for all who read or report from now on, and kept answers that
        would show it.
        """
        of_account = IdempotencyRecord.account_id == self._account_id
        await self._session.execute(
            delete(IdempotencyRecord).where(
                of_account,
                IdempotencyRecord.action.in_(_SHOWING_DATA),
                IdempotencyRecord.status.is_not(None),
            )
        )
        for mark in marks:
            new = insert(DeletionMark).values(
                account_id=self._account_id,
                id=new_id(),
                environment=mark.environment,
                key_id=mark.key_id,
                cutoff=cutoff_of(mark),
            )
            await self._session.execute(
                new.on_conflict_do_update(
                    index_elements=[_MARKS.c.account_id, _MARKS.c.environment, _MARKS.c.key_id],
                    set_={"cutoff": func.greatest(_MARKS.c.cutoff, new.excluded.cutoff)},
                )
            )

    async def what_goes_with(self, key_id: UUID) -> dict[str, int]:
        """How many rows of other kinds go with a key."""
        gone = {}
        for name, model in (("trading_assets", TradingAsset), ("freezes", Freeze)):
            table = cast("Table", model.__table__)
            count = (
                select(func.count())
                .select_from(table)
                .where(table.c.account_id == self._account_id, table.c.key_id == key_id)
            )
            gone[name] = (await self._session.execute(count)).scalar_one()
        return gone


def whole_key(key_id: UUID) -> list[Mark]:
    """All data of a key, of whatever time."""
    return [Mark(None, key_id, FOREVER)]
