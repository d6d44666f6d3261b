"""The SQL of purging: what is counted, and what one batch deletes.

Rows are deleted by functions of the database with its owner's rights, which delete nothing but what
a deletion mark covers: a worker alone can delete no row of an account.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Float,
    Table,
    Text,
    Uuid,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    true,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import (
    StaleDay,
    TradeDay,
)
from app.domains.operations.claims import Claimed, ClaimLost
from app.domains.trading.kinds import DataKind, Slice, covered
from app.domains.trading.marks import FOREVER
from botkeys.exchanges.model import Environment

# A batch need not be durable before the next one begins: after a crash of the server both its rows
# and their count are back. The commit that ends the operation is durable, and with it all before.
_SOON = func.set_config("synchronous_commit", "off", true())


class PurgeRepository:
    """The purge of one operation. Every statement names its account."""

    def __init__(self, *, session: AsyncSession, claimed: Claimed) -> None:
        self._session = session
        self._claimed = claimed
        self._account_id = claimed.account_id
        self._even_held = claimed.kind == "close_account"

    async def any_left(self, slices: Sequence[tuple[DataKind, Slice]]) -> list[bool]:
        """Return whether each of a few slices has a row. Of most operations, few have."""
        newest = [
            select(kind.table.c[kind.order])
            .where(*self._covered(kind, kind.table, part))
            # What is sorted is found by the index also where the planner expects rows everywhere.
            .order_by(kind.table.c[kind.order].desc())
            .limit(1)
            .scalar_subquery()
            for kind, part in slices
        ]
        found = (await self._session.execute(select(*newest))).one()
        return [at is not None for at in found]

    async def next_cut(
        self, kind: DataKind, part: Slice, after: datetime | None, most: int
    ) -> datetime | None:
        """Return the time at which a batch of exactly `most` rows ends that follows the cut
        `after`.

        There is none if fewer rows are left, or if rows of that time would end up on both sides.
        """
        at = kind.table.c[kind.order]
        rest = self._beyond(kind, part, after)
        around = select(at).where(*rest).order_by(at.desc()).offset(most - 1).limit(2)
        last = (await self._session.scalars(around)).all()
        return None if len(last) < 2 or last[0] == last[1] else last[0]

    async def count_beyond(self, kind: DataKind, part: Slice, cut: datetime | None) -> int:
        """Return how many rows of the slice are older than the last cut, or how many it has."""
        rest = self._beyond(kind, part, cut)
        count = select(func.count()).select_from(kind.table).where(*rest)
        return int(await self._session.scalar(count) or 0)

    def _beyond(
        self, kind: DataKind, part: Slice, cut: datetime | None
    ) -> list[ColumnElement[bool]]:
        wanted = self._covered(kind, kind.table, part)
        return wanted if cut is None else [*wanted, kind.table.c[kind.order] < cut]

    async def purge_until(
        self, kind: DataKind, part: Slice, reached: datetime | None, cut: datetime | None
    ) -> int:
        """Delete the rows of the slice between `reached`, exclusive, and `cut`, inclusive, or their
        beginning.
        """
        await self._session.execute(select(_SOON))
        return await self._delete(kind, part, below=reached, least=cut)

    async def purge(
        self, kind: DataKind, part: Slice, reached: datetime | None, most: int
    ) -> tuple[int, datetime | None]:
        """Delete a batch of the slice, newest first, from the time `reached` on.

        Returns how many rows were deleted, and from where to continue: `None` if nothing is left.
        The batch is a range of the index with at most `most` rows, determined by an index-only
        scan. That costs little more than deleting everything at once, and no batch scans what
        others deleted.
        """
        table = kind.table
        at = table.c[kind.order]
        wanted = self._covered(kind, table, part)
        if reached is not None:
            wanted.append(at <= reached)
        end = select(at).where(*wanted).order_by(at.desc()).offset(most).limit(1).scalar_subquery()
        await self._session.execute(select(_SOON))
        boundary: datetime | None = await self._session.scalar(select(end))
        deleted = 0
        if boundary is None or boundary != reached:
            deleted = await self._delete(kind, part, above=boundary, most=reached)
        if boundary is not None and not deleted:
            # More rows of the same microsecond than fit into a batch. They are cut here, also in
            # the first batch: a turn that starts from the top would find the same boundary again.
            deleted = await self._delete(kind, part, most=boundary, rows=most)
        return deleted, boundary

    async def _delete(self, kind: DataKind, part: Slice, **bounds: Any) -> int:
        """Delete rows of the slice, bounded by the column that its indexes end with, and count them
        in the operation.

        Raises `ClaimLost` if another worker holds the operation by now.
        """
        claimed = self._claimed
        done = await self._session.scalar(
            _PURGE,
            {
                "account": claimed.account_id,
                "operation": claimed.id,
                "claim": claimed.claim,
                "seconds": claimed.seconds,
                "kind": kind.name,
                "environment": part.environment,
                "key": part.key_id,
                "cutoff": None if part.mark.cutoff == FOREVER else part.mark.cutoff,
                "since": part.since,
                **{name: bounds.get(name) for name in ("above", "least", "below", "most", "rows")},
            },
        )
        if done is None:
            raise ClaimLost
        return int(done)

    def _covered(self, kind: DataKind, rows: Any, part: Slice) -> list[ColumnElement[bool]]:
        return covered(kind, rows, self._account_id, part, even_held=self._even_held)

    async def purge_events(self, after: int, most: int) -> int | None:
        """Look at the events that follow the number `after`, `most` of them, and delete what a mark
        covers. Returns the number of the last one; `None` if none is left.
        """
        claimed = self._claimed
        last: int | None = await self._session.scalar(
            _PURGE_EVENTS,
            {
                "account": claimed.account_id,
                "operation": claimed.id,
                "claim": claimed.claim,
                "seconds": claimed.seconds,
                "after": after,
                "rows": most,
            },
        )
        return last

    async def forget_keys(self, key_ids: Sequence[UUID]) -> None:
        """Delete the labels of keys deleted with their data, and the days in which they traded.

        Such a day adds up all keys, so it is recomputed from what is left.
        """
        await self.forget_labels()
        await self._wait_for_recompute()
        days, stale = _table(TradeDay), _table(StaleDay)
        place = days.c.account_id, days.c.environment, days.c.day
        theirs = (
            select(*place)
            .where(days.c.account_id == self._account_id, days.c.key_id.in_(key_ids))
            .distinct()
        )
        names = [column.name for column in place]
        await self._session.execute(insert(stale).from_select(names, theirs))
        await self._session.execute(
            delete(days).where(days.c.account_id == self._account_id, tuple_(*place).in_(theirs))
        )

    async def _wait_for_recompute(self) -> None:
        """Wait for recomputations of this account's days, which may have read deleted trades."""
        for environment in Environment:
            place = f"trade_days/{self._account_id}/{environment}"
            lock = func.pg_advisory_xact_lock(func.hashtextextended(place, 0))
            await self._session.execute(select(lock))

    async def forget_labels(self) -> None:
        """Delete labels of keys deleted with their data, and of deleted keys that nothing refers to
        and no bot can report for.
        """
        await self._session.execute(_FORGET_LABELS, {"account": self._account_id})

    async def forget_account(self) -> None:
        """Delete what is left of a closed account.

        Kept are its audit log, the row that records which tokens are invalid, and the operation of
        the closure. Raises `ClaimLost`.
        """
        await self._wait_for_recompute()
        of = {"account": self._account_id, "operation": self._claimed.id}
        if not await self._session.scalar(_FORGET_ACCOUNT, {**of, "claim": self._claimed.claim}):
            raise ClaimLost


def _table(model: Any) -> Table:
    table: Table = model.__table__
    return table


_PURGE = text(
    """
    SELECT purge_rows(
        :account, :operation, :claim, :seconds, :kind, :environment, :key,
        coalesce(:cutoff, 'infinity'), :since, :above, :least, :below, :most, :rows
    )
    """
).bindparams(
    *(bindparam(name, type_=Uuid()) for name in ("account", "operation", "claim", "key")),
    *(bindparam(name, type_=Text()) for name in ("kind", "environment")),
    *(
        bindparam(name, type_=DateTime(timezone=True))
        for name in ("cutoff", "since", "above", "least", "below", "most")
    ),
    bindparam("seconds", type_=Float()),
    bindparam("rows", type_=BigInteger()),
)
_PURGE_EVENTS = text(
    "SELECT purge_events(:account, :operation, :claim, :seconds, :after, :rows)"
).bindparams(
    *(bindparam(name, type_=Uuid()) for name in ("account", "operation", "claim")),
    *(bindparam(name, type_=BigInteger()) for name in ("after", "rows")),
    bindparam("seconds", type_=Float()),
)
_FORGET_LABELS = text("SELECT forget_labels(:account)").bindparams(
    bindparam("account", type_=Uuid())
)
_FORGET_ACCOUNT = text("SELECT forget_account(:account, :operation, :claim)").bindparams(
    *(bindparam(name, type_=Uuid()) for name in ("account", "operation", "claim"))
)
