"""The SQL by which workers share operations: a claim lapses unless its work makes progress."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple, cast
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
    Table,
    and_,
    case,
    exists,
    func,
    literal_column,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Operation

_OPERATIONS = cast("Table", Operation.__table__)


class Claimed(NamedTuple):
    """An operation that this worker holds until the claim lapses. `counted`: its total is known."""

    account_id: UUID
    id: UUID
    kind: str
    scope: dict[str, Any]
    counted: bool
    claim: UUID

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


async def claim_next(session: AsyncSession, seconds: float) -> Claimed | None:
    """Claim the operation with the oldest progress; return `None` if none waits."""
    table = _OPERATIONS
    now = func.clock_timestamp()
    waiting = (
        select(table.c.account_id, table.c.id)
        .where(*_waiting())
        .order_by(func.coalesce(table.c.last_progress_at, table.c.created_at))
        .limit(1)
        .with_for_update(skip_locked=True)
        .cte("waiting")
    )
    taken = (
        update(table)
        .where(table.c.account_id == waiting.c.account_id, table.c.id == waiting.c.id)
        .values(
            status="running",
            claim=uuid4(),
            claimed_until=now + timedelta(seconds=seconds),
            started_at=func.coalesce(table.c.started_at, now),
            last_progress_at=now,
        )
        .returning(
            table.c.account_id,
            table.c.id,
            table.c.kind,
            table.c.scope,
            table.c.phase.is_not(None).label("counted"),
            table.c.claim,
        )
    )
    row = (await session.execute(taken)).one_or_none()
    return None if row is None else Claimed._make(row)


def _waiting() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    table = _OPERATIONS
    return (
        table.c.status.in_(("queued", "running")),
        or_(table.c.claimed_until.is_(None), table.c.claimed_until < func.clock_timestamp()),
    )


async def another_waits(session: AsyncSession) -> bool:
    """Return whether there is an operation that nobody works on."""
    return bool(await session.scalar(select(exists(literal_column("1")).where(*_waiting()))))


async def set_total(session: AsyncSession, claimed: Claimed, total: int) -> None:
    await _change(session, claimed, total=total, phase="counted")


async def progress(
    session: AsyncSession, claimed: Claimed, name: str, rows: int, seconds: float
) -> None:
    """Record rows of this kind as deleted, in the same transaction, and extend the claim.

    Raises `ClaimLost`.
    """
    table = _OPERATIONS
    done = table.c.done + rows
    before = func.coalesce(table.c.receipt["deleted"][name].as_integer(), 0)
    deleted = func.jsonb_build_object(name, before + rows)
    await _change(
        session,
        claimed,
        phase=name,
        done=done,
        total=case((table.c.total < done, done), else_=table.c.total),
        receipt=table.c.receipt.op("||")(
            func.jsonb_build_object(
                "deleted", table.c.receipt["deleted"].op("||", return_type=JSONB())(deleted)
            )
        ),
        last_progress_at=func.clock_timestamp(),
        claimed_until=func.clock_timestamp() + timedelta(seconds=seconds),
    )


async def give_back(session: AsyncSession, claimed: Claimed) -> None:
    """Release the claim, so that another worker can continue at once."""
    await _change(session, claimed, claim=null(), claimed_until=null())


async def finish(session: AsyncSession, claimed: Claimed) -> None:
    """Record the success; `total` becomes the number of rows that there turned out to be."""
    await _change(
        session,
        claimed,
        status="succeeded",
        phase=null(),
        total=_OPERATIONS.c.done,
        **_ended(),
    )


async def fail(session: AsyncSession, claimed: Claimed, sentence: str) -> None:
    await _change(session, claimed, status="failed", error=sentence, **_ended())


def _ended() -> dict[str, Any]:
    now = func.clock_timestamp()
    return {"claim": null(), "claimed_until": null(), "last_progress_at": now, "finished_at": now}


async def _change(session: AsyncSession, claimed: Claimed, **columns: Any) -> None:
    done = update(_OPERATIONS).where(claimed.mine).values(columns).returning(_OPERATIONS.c.id)
    found: Sequence[Any] = (await session.execute(done)).all()
    if not found:
        raise ClaimLost
