"""The events of operations: that one was queued, goes on, or has ended."""

from typing import Any, cast
from uuid import UUID

from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.driver import SessionExecutor
from app.db.models import Operation
from app.domains.events.log import EventLog
from app.domains.events.types import EventType
from app.domains.operations.repository import FINISHED, OperationRow

PROGRESS_SECONDS = 5.0
"""How often a running operation adds an event, at most: its own stream has each step."""

_CLOSURE = "close_account"
_OPERATIONS = cast("Table", Operation.__table__)
_SHOWN = [_OPERATIONS.c[name] for name in ("kind", "status", "environment", "done", "total")]


def progress_of(row: OperationRow) -> dict[str, Any]:
    """Return the environment and the data of the event that an operation is queued or goes on."""
    return {
        "environment": row.environment,
        "operation_id": row.id,
        "kind": row.kind,
        "status": row.status,
        "done": row.done,
        "total": row.total,
    }


async def add_progress(session: AsyncSession, account_id: UUID, operation_id: UUID) -> None:
    """Add the event of an operation that this worker holds; call this after its last step.

    An account that is being closed has no events any more.
    """
    of_operation = _OPERATIONS.c.account_id == account_id, _OPERATIONS.c.id == operation_id
    row = (await session.execute(select(*_SHOWN).where(*of_operation))).one_or_none()
    if row is None or row.kind == _CLOSURE:
        return
    log = EventLog(SessionExecutor(session), account_id)
    named = {"environment": row.environment, "operation_id": operation_id, "kind": row.kind}
    if row.status in FINISHED:
        await log.add(EventType.OPERATION_FINISHED, **named, status=row.status)
    else:
        counts = {"status": row.status, "done": row.done, "total": row.total}
        await log.add(EventType.OPERATION_PROGRESS, **named, **counts)
