"""The SQL of deletions: what one would delete, and the marks that delete it."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Integer, Table, delete, func, literal, select, union, union_all
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import AnySelect, new_id
from app.db.models import DeletionMark, Freeze, IdempotencyRecord, Key, KeyLabel, TradingAsset
from app.domains.trading.counts import MOST_COUNTED
from app.domains.trading.kinds import (
    KINDS,
    POSITIONS,
    DataKind,
    Slice,
    covered,
    cutoff_of,
    held_in,
    in_scope,
    slices,
)
from app.domains.trading.marks import FOREVER, Mark, not_covered, read_marks

_MARKS = cast("Table", DeletionMark.__table__)
_INSTANT = timedelta(microseconds=1)
_TOGETHER = 16
"""How many slices one statement reads at most."""
_SHOWING_DATA = ("position.close", "account.change")
"""Actions whose stored responses show trading data or count them."""


class DeletionRepository:
    """The deletions of one account. Marks are set under the account's lock and read in a later
    statement.
    """

    def __init__(self, *, session: AsyncSession, account_id: UUID) -> None:
        self._session = session
        self._account_id = account_id

    async def known_keys(self, key_ids: Collection[UUID]) -> dict[UUID, str]:
        """Return the environments of the keys that exist, or that are deleted but have data
        left.
        """
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
        """Return by kind how many rows the marks would delete that are not deleted yet.

        Counting ends at `MOST_COUNTED`, which then stands for more.
        """
        known = await read_marks(self._session, self._account_id)
        return {kind.name: await self._count(kind, marks, known) for kind in KINDS}

    async def _count(self, kind: DataKind, marks: Sequence[Mark], known: Sequence[Mark]) -> int:
        rows = kind.table.alias()
        total = 0
        for part in slices(kind, marks):
            if total >= MOST_COUNTED:
                break
            left = not_covered(known, rows, cast(Any, kind.time(rows)), part.environment)
            found = (
                select(literal(1))
                .select_from(rows)
                .where(*covered(kind, rows, self._account_id, part), *left)
                .limit(MOST_COUNTED - total)
            )
            query = select(func.count()).select_from(found.subquery())
            total += (await self._session.execute(query)).scalar_one()
        return total

    async def positions_held(self, marks: Sequence[Mark]) -> int:
        """Return how many positions in the scope of the marks are open or being opened."""
        query = (
            select(func.count())
            .select_from(POSITIONS.table)
            .where(in_scope(POSITIONS.table, self._account_id, marks), held_in(POSITIONS.table))
        )
        return (await self._session.execute(query)).scalar_one()

    async def now(self) -> datetime:
        now: datetime = (await self._session.execute(select(func.clock_timestamp()))).scalar_one()
        return now

    async def up_to_now(self, marks: Sequence[Mark]) -> list[Mark]:
        """Return the marks with the current time as cut-off, extended to cover all data in their
        scope.

        A bot's clock may be ahead. A later time is covered by an additional mark of its key alone,
        so that other bots' reports of the next minutes are not rejected. Reports of this key are
        accepted again after its cut-off.
        """
        now = await self.now()
        ends = {(mark.environment, mark.key_id): now for mark in marks}
        for some in _groups([(kind, part) for kind in KINDS for part in slices(kind, marks)]):
            latest_times = (self._latest(number, *one, now) for number, one in enumerate(some))
            for number, key_id, latest in await self._session.execute(union_all(*latest_times)):
                _, part = some[number]
                place = part.environment, key_id
                # Rows without a key have the database's time, whose clock may be set back.
                if key_id is None or part.key_id is not None:
                    place = part.mark.environment, part.mark.key_id
                ends[place] = max(ends.get(place, now), latest + _INSTANT)
        return [Mark(*place, end) for place, end in ends.items()]

    def _latest(self, number: int, kind: DataKind, part: Slice, now: datetime) -> AnySelect:
        """Return, under this number, the latest time of each key that has one from now on."""
        rows = kind.table.alias()
        at = kind.time(rows)
        return (
            select(literal(number, Integer), rows.c.key_id, func.max(at))
            .where(*covered(kind, rows, self._account_id, part), at >= now)
            .group_by(rows.c.key_id)
        )

    async def mark(self, marks: Sequence[Mark]) -> None:
        """Delete what the marks cover for everyone who reads or reports from now on.

        Also deletes stored responses that would show it.
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
        """Return how many rows of other kinds are deleted with a key."""
        deleted = {}
        for name, model in (("trading_assets", TradingAsset), ("freezes", Freeze)):
            table = cast("Table", model.__table__)
            count = (
                select(func.count())
                .select_from(table)
                .where(table.c.account_id == self._account_id, table.c.key_id == key_id)
            )
            deleted[name] = (await self._session.execute(count)).scalar_one()
        return deleted


def whole_key(key_id: UUID) -> list[Mark]:
    """Return the mark that covers all data of a key, at any time."""
    return [Mark(None, key_id, FOREVER)]


def _groups(parts: Sequence[tuple[DataKind, Slice]]) -> Iterator[list[tuple[DataKind, Slice]]]:
    """Yield slices that one statement reads. Each text is kept prepared, so few shall differ: more
    than a few slices are read in groups of one kind and size, and what is left one by one.
    """
    if len(parts) <= _TOGETHER:
        yield list(parts)
        return
    for _, of_kind in groupby(parts, key=lambda one: one[0].name):
        some = list(of_kind)
        grouped = len(some) - len(some) % _TOGETHER
        for first in range(0, grouped, _TOGETHER):
            yield some[first : first + _TOGETHER]
        for one in some[grouped:]:
            yield [one]
