"""The SQL of operations for the account that owns them."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    bindparam,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.driver import Executor, Statement
from app.db.models import Operation

_OPERATIONS = Operation.__table__


MARKS = "marks"
"""The member of an operation's scope that is for the worker, not for the user."""

FINISHED = frozenset({"succeeded", "failed", "cancelled"})
"""The statuses in which an operation has ended."""


class OperationRow(NamedTuple):
    """An operation, with fields named like the table's columns. `stalled`: nobody seems to work on
    it.
    """

    id: UUID
    kind: str
    status: str
    phase: str | None
    environment: str | None
    done: int
    total: int
    scope: dict[str, Any]
    receipt: dict[str, Any] | None
    error: str | None
    created_at: datetime
    started_at: datetime | None
    last_progress_at: datetime | None
    finished_at: datetime | None
    stalled: bool


# Written as text, so that it has no bound parameters.
_STALLED: ColumnElement[bool] = literal_column(
    "(status = 'running' AND coalesce(claimed_until < clock_timestamp()"
    " OR last_progress_at < clock_timestamp() - interval '60 seconds', false))"
)
_OF_ACCOUNT = select(
    *(_OPERATIONS.c[name] for name in OperationRow._fields if name != "stalled"),
    _STALLED.label("stalled"),
).where(_OPERATIONS.c.account_id == bindparam("account"))
_ONE = Statement(_OF_ACCOUNT.where(_OPERATIONS.c.id == bindparam("operation")))


async def read_operation(
    executor: Executor, account_id: UUID, operation_id: UUID
) -> OperationRow | None:
    """Read an operation outside any transaction, for callers that poll."""
    rows = await executor.fetch(_ONE, account=account_id, operation=operation_id)
    return next((OperationRow._make(row) for row in rows), None)


class OperationRepository:
    def __init__(self, *, session: AsyncSession, account_id: UUID) -> None:
        self._session = session
        self._account_id = account_id

    async def page(self, after: UUID | None, limit: int) -> list[OperationRow]:
        """Return a page, newest first. Closures are left out: they concern the account as it was
        before it closed.
        """
        query = _OF_ACCOUNT.where(_OPERATIONS.c.kind != "close_account")
        if after is not None:
            query = query.where(_OPERATIONS.c.id < after)
        query = query.order_by(_OPERATIONS.c.id.desc()).limit(limit)
        rows = await self._session.execute(query, {"account": self._account_id})
        return [OperationRow._make(row) for row in rows.all()]

    async def get(self, operation_id: UUID) -> OperationRow | None:
        query = _OF_ACCOUNT.where(_OPERATIONS.c.id == operation_id)
        rows = await self._session.execute(query, {"account": self._account_id})
        row = rows.one_or_none()
        return None if row is None else OperationRow._make(row)

    async def request_cancellation(self, operation_id: UUID) -> None:
        """Have the worker undo an operation; one that has ended meanwhile stays as it is."""
        await self._session.execute(
            update(Operation)
            .where(
                Operation.account_id == self._account_id,
                Operation.id == operation_id,
                Operation.status.in_(("queued", "running")),
            )
            .values(cancel_requested=True)
            .execution_options(synchronize_session=False)
        )

    async def add(
        self,
        operation_id: UUID,
        *,
        kind: str,
        scope: dict[str, Any],
        receipt: dict[str, Any],
        environment: str | None = None,
    ) -> OperationRow:
        """Add an operation that waits for a worker."""
        await self._session.execute(
            insert(Operation).values(
                account_id=self._account_id,
                id=operation_id,
                kind=kind,
                scope=scope,
                receipt=receipt,
                environment=environment,
            )
        )
        row = await self.get(operation_id)
        if row is None:
            raise LookupError(operation_id)
        return row
