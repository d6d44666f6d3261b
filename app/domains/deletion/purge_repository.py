"""The SQL of purging: what is counted, and what one batch deletes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Table,
    any_,
    delete,
    exists,
    func,
    insert,
    literal_column,
    null,
    select,
    text,
    true,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import (
    Account,
    Assignment,
    DeletionMark,
    IdempotencyRecord,
    Key,
    KeyLabel,
    Operation,
    PurgedPosition,
    StaleDay,
    TradeDay,
)
from app.domains.operations.claims import Claimed
from app.domains.trading.kinds import KINDS, DataKind, Slice, covered
from app.domains.trading.tombstones import removal
from botkeys.exchanges.model import Environment

# A batch need not be durable before the next one begins: after a crash of the server both its rows
# and their count are back. The commit that ends the operation is durable, and with it all before.
_SOON = func.set_config("synchronous_commit", "off", true())


class Planned(NamedTuple):
    """The number of rows of a slice, and the times, newest first, at which full batches end.

    What follows the last cut is not cut.
    """

    rows: int
    cuts: list[datetime]


class PurgeRepository:
    """The purge of one operation. Every statement names its account."""

    def __init__(self, *, session: AsyncSession, claimed: Claimed) -> None:
        self._session = session
        self._claimed = claimed
        self._account_id = claimed.account_id
        self._even_held = claimed.kind == "close_account"

    async def planned(self, kind: DataKind, part: Slice, most: int) -> Planned:
        """Return how many rows the slice has and where to cut it, in one walk along the index.

        Cutting stops where rows of the same time would end up on both sides.
        """
        table = kind.table
        at = table.c[kind.order]
        wanted = self._covered(kind, table, part)
        cuts: list[datetime] = []
        while True:
            rest = [*wanted, *([at < cuts[-1]] if cuts else [])]
            around = select(at).where(*rest).order_by(at.desc()).offset(most - 1).limit(2)
            last = (await self._session.scalars(around)).all()
            if len(last) < 2 or last[0] == last[1]:
                break
            cuts.append(last[0])
        rows = await self._session.scalar(select(func.count()).select_from(table).where(*rest))
        return Planned(len(cuts) * most + (rows or 0), cuts)

    async def purge_until(
        self, kind: DataKind, part: Slice, reached: datetime | None, cut: datetime
    ) -> int:
        """Delete the rows of the slice between `reached`, exclusive, and `cut`, inclusive."""
        at = kind.table.c[kind.order]
        wanted = [*self._covered(kind, kind.table, part), at >= cut]
        if reached is not None:
            wanted.append(at < reached)
        await self._session.execute(select(_SOON))
        return await self._delete(kind, wanted)

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
        row = (await self._session.execute(select(_SOON, end))).one()
        boundary: datetime | None = row[1]
        if boundary is not None and boundary == reached:
            return await self._purge_of_one_time(kind, wanted, most), reached
        if boundary is not None:
            wanted.append(at > boundary)
        return await self._delete(kind, wanted), boundary

    async def _purge_of_one_time(
        self, kind: DataKind, wanted: Sequence[ColumnElement[bool]], most: int
    ) -> int:
        """Delete from more rows of the same microsecond than fit into a batch."""
        table = kind.table
        at = table.c[kind.order]
        ctid: ColumnElement[Any] = literal_column(f"{table.name}.ctid")
        rows = (
            select(ctid)
            .select_from(table)
            .where(*wanted)
            .order_by(at.desc())
            .limit(most)
            .correlate(None)
            .scalar_subquery()
        )
        # The conditions are repeated for a row that changes while this statement waits for it.
        return await self._delete(kind, [ctid == any_(func.array(rows)), *wanted])

    async def _delete(self, kind: DataKind, conditions: Sequence[ColumnElement[bool]]) -> int:
        if kind.keeps_held and not self._even_held:
            return int((await self._session.execute(removal(conditions))).scalar_one())
        done: Any = await self._session.execute(delete(kind.table).where(*conditions))
        return int(done.rowcount)

    def _covered(self, kind: DataKind, rows: Any, part: Slice) -> list[ColumnElement[bool]]:
        return covered(kind, rows, self._account_id, part, even_held=self._even_held)

    async def forget_keys(self, key_ids: Sequence[UUID]) -> None:
        """Delete the labels of keys deleted with their data, and the days in which they traded.

        Such a day adds up all keys, so it is recomputed from what is left.
        """
        label = KeyLabel.account_id == self._account_id, KeyLabel.key_id.in_(key_ids)
        await self._session.execute(delete(KeyLabel).where(*label))
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

    async def forget_unnamed_keys(self) -> None:
        """Delete labels of deleted keys that nothing refers to and no bot can report for."""
        keys = _table(Key)
        tables = [*(kind.table for kind in KINDS), _table(Assignment)]
        named = [(keys, keys.c.id), *((table, table.c.key_id) for table in tables)]
        await self._session.execute(
            delete(KeyLabel).where(
                KeyLabel.account_id == self._account_id,
                *(
                    ~exists(literal_column("1")).where(
                        table.c.account_id == self._account_id, column == KeyLabel.key_id
                    )
                    for table, column in named
                ),
            )
        )

    async def forget_account(self) -> None:
        """Delete what is left of a closed account.

        Kept are its audit log, the row that records which tokens are invalid, and the operation of
        the closure.
        """
        await self._wait_for_recompute()
        operations = _table(Operation)
        for model in (
            TradeDay,
            StaleDay,
            KeyLabel,
            DeletionMark,
            IdempotencyRecord,
            PurgedPosition,
        ):
            table = _table(model)
            await self._session.execute(delete(table).where(table.c.account_id == self._account_id))
        others = operations.c.account_id == self._account_id, operations.c.id != self._claimed.id
        await self._session.execute(delete(operations).where(*others))
        await self._session.execute(
            update(Account)
            .where(Account.account_id == self._account_id)
            .values(
                closing_at=null(),
                created_at=func.clock_timestamp(),
                selected_environment=text("DEFAULT"),
                timezone=text("DEFAULT"),
                revision=Account.revision + 1,
            )
        )


def _table(model: Any) -> Table:
    table: Table = model.__table__
    return table
