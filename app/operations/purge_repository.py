"""The SQL of purging: what is counted, and what goes in one batch."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Table,
    any_,
    delete,
    exists,
    func,
    literal,
    literal_column,
    null,
    select,
    text,
    true,
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
)
from app.operations.claims import Claimed, ClaimLost, progressed
from app.operations.kinds import KINDS, DataKind, Slice, covered, slices
from app.trading.marks import Mark

# A batch need not be lasting before the next begins: after a crash of the server both the rows and
# the count of them are back. The end of the operation is lasting, and with it all before it.
_SOON = select(func.set_config("synchronous_commit", "off", true()))

COUNTED_AT_MOST = 5_000_000
"""Of one slice. Whoever has more sees the total grow as the work goes on."""


class PurgeRepository:
    """For one operation. Each call names its account."""

    def __init__(self, session: AsyncSession, claimed: Claimed) -> None:
        self._session = session
        self._claimed = claimed
        self._account_id = claimed.account_id
        self._even_held = claimed.kind == "close_account"

    async def total(self, marks: Sequence[Mark]) -> int:
        """How many rows the marks cover."""
        total = 0
        for kind in KINDS:
            for part in slices(kind, marks):
                rows = kind.table.alias("covered")
                some = select(literal(1)).where(*self._covered(kind, rows, part))
                most = some.limit(COUNTED_AT_MOST).subquery()
                total += (
                    await self._session.execute(select(func.count()).select_from(most))
                ).scalar_one()
        return total

    async def purge(
        self, kind: DataKind, part: Slice, reached: datetime | None, most: int, seconds: float
    ) -> tuple[int, datetime | None]:
        """Delete some rows of the slice, newest first, from the time `reached` on; how many, and
        the time of the oldest. The operation's row tells of it in the same statement.

        Raises `ClaimLost`. Rows are found by an index from where the batch before ended, so that no
        batch walks over what others deleted.
        """
        await self._session.execute(_SOON)
        rows = kind.table.alias("doomed")
        order = rows.c[kind.order]
        wanted = self._covered(kind, rows, part)
        if reached is not None:
            wanted.append(order <= reached)
        doomed = (
            select(literal_column("doomed.ctid"))
            .where(*wanted)
            .order_by(order.desc())
            .limit(most)
            .scalar_subquery()
        )
        gone = (
            delete(kind.table)
            .where(
                literal_column(f"{kind.table.name}.ctid") == any_(func.array(doomed)),
                # Once more, for a row that changed while this waited for it.
                *self._covered(kind, kind.table, part),
            )
            .returning(kind.table.c[kind.order].label("at"))
            .cte("gone")
        )
        went = select(func.count()).select_from(gone).scalar_subquery()
        oldest = select(func.min(gone.c.at)).scalar_subquery()
        progress = (
            update(_table(Operation))
            .where(self._claimed.mine)
            .values(progressed(kind.name, went, seconds))
            .returning(went, oldest)
        )
        row = (await self._session.execute(progress)).one_or_none()
        if row is None:
            raise ClaimLost
        return row[0], row[1]

    def _covered(self, kind: DataKind, rows: Any, part: Slice) -> list[ColumnElement[bool]]:
        return covered(kind, rows, self._account_id, part, even_held=self._even_held)

    async def forget_keys(self, key_ids: Sequence[UUID]) -> None:
        """The labels of keys that went with their data."""
        label = KeyLabel.account_id == self._account_id, KeyLabel.key_id.in_(key_ids)
        await self._session.execute(delete(KeyLabel).where(*label))

    async def forget_unnamed_keys(self) -> None:
        """The labels of keys that are gone, that nothing names any more, and of which no bot can
        report anything.
        """
        named = [kind.table for kind in KINDS] + [_table(Assignment)]
        await self._session.execute(
            delete(KeyLabel).where(
                KeyLabel.account_id == self._account_id,
                ~exists().where(Key.account_id == self._account_id, Key.id == KeyLabel.key_id),
                *(
                    ~exists().where(
                        table.c.account_id == self._account_id, table.c.key_id == KeyLabel.key_id
                    )
                    for table in named
                ),
            )
        )

    async def forget_account(self) -> None:
        """What is left of a closed account, but for its audit log, the row that remembers which
        tokens are dead, and the operation that tells of the closure.
        """
        operations = _table(Operation)
        for table in (_table(KeyLabel), _table(DeletionMark), _table(IdempotencyRecord)):
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
