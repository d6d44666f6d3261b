"""The SQL by which workers share operations: a claim lapses unless its work makes progress.

Claiming and ending are functions of the database with its owner's rights, and so is the progress of
a purge (`app.domains.deletion.purge_repository`): a worker can do nothing else to an operation.
"""

from typing import Any, NamedTuple, cast
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
    Table,
    Text,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    null,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Operation
from app.db.models.deletion import IMPORT_TRADES

_OPERATIONS = cast("Table", Operation.__table__)


class Claimed(NamedTuple):
    """An operation that this worker holds until the claim lapses. `counted`: its total is known.

    Progress extends the claim by so many `seconds`.
    """

    account_id: UUID
    id: UUID
    kind: str
    scope: dict[str, Any]
    counted: bool
    claim: UUID
    seconds: float

    @property
    def mine(self) -> ColumnElement[bool]:
        """Return whether this worker still holds the claim."""
        return and_(
            _OPERATIONS.c.account_id == self.account_id,
            _OPERATIONS.c.id == self.id,
            _OPERATIONS.c.claim == self.claim,
        )


class ClaimLost(Exception):
    """Another worker holds the operation by now, or it has ended: this transaction is
    rolled back.
    """


_CLAIM = text("SELECT account_id, id, kind, scope, counted FROM claim_operation(:claim, :seconds)")
_END = text("SELECT end_operation(:account, :id, :claim, :error)").bindparams(
    bindparam("error", type_=Text())
)


async def claim_next(session: AsyncSession, seconds: float) -> Claimed | None:
    """Claim the operation with the oldest progress; return `None` if none waits."""
    claim = uuid4()
    row = (await session.execute(_CLAIM, {"claim": claim, "seconds": seconds})).one_or_none()
    return None if row is None else Claimed._make((*row, claim, seconds))


async def another_waits(session: AsyncSession) -> bool:
    """Return whether there is an operation that nobody works on."""
    table = _OPERATIONS
    waiting = exists(literal_column("1")).where(
        table.c.kind != IMPORT_TRADES,
        table.c.status.in_(("queued", "running")),
        or_(table.c.claimed_until.is_(None), table.c.claimed_until < func.clock_timestamp()),
    )
    return bool(await session.scalar(select(waiting)))


async def progress(session: AsyncSession, claimed: Claimed) -> tuple[int, int]:
    """Return how many rows were processed, and the total so far. Raises `ClaimLost`."""
    table = _OPERATIONS
    row = (await session.execute(select(table.c.done, table.c.total).where(claimed.mine))).first()
    if row is None:
        raise ClaimLost
    return row.done, row.total


async def set_total(session: AsyncSession, claimed: Claimed, total: int) -> None:
    """Record how many rows there are. The phase is that of counting if none was processed
    meanwhile.
    """
    columns = _OPERATIONS.c
    done = await _change(session, claimed, total=func.greatest(columns.total, total))
    if not done:
        await _change(session, claimed, phase="counted")


async def give_back(session: AsyncSession, claimed: Claimed) -> None:
    """Release the claim, so that another worker can continue at once."""
    await _change(session, claimed, claim=null(), claimed_until=null())


async def finish(session: AsyncSession, claimed: Claimed) -> None:
    """Record the success; `total` becomes the number of rows that there turned out to be."""
    await _end(session, claimed, None)


async def fail(session: AsyncSession, claimed: Claimed, sentence: str) -> None:
    await _end(session, claimed, sentence)


async def _end(session: AsyncSession, claimed: Claimed, error: str | None) -> None:
    of = {"account": claimed.account_id, "id": claimed.id, "claim": claimed.claim}
    if not await session.scalar(_END, {**of, "error": error}):
        raise ClaimLost


async def _change(session: AsyncSession, claimed: Claimed, **columns: Any) -> int:
    """Change the operation; return how many rows were processed so far."""
    change = update(_OPERATIONS).where(claimed.mine).values(columns)
    done = await session.scalar(change.returning(_OPERATIONS.c.done))
    if done is None:
        raise ClaimLost
    return int(done)
