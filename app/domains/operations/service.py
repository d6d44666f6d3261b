"""The rules of operations."""

from operator import attrgetter
from uuid import UUID

from app.api.pagination import Page
from app.db.models.deletion import IMPORT_TRADES
from app.domains.audit.log import AuditLog
from app.domains.events.log import EventLog
from app.domains.events.types import EventType
from app.domains.operations.errors import NotCancellable
from app.domains.operations.events import progress_of
from app.domains.operations.repository import FINISHED, OperationRepository, OperationRow
from app.errors import NotFound


class OperationService:
    def __init__(
        self, *, operations: OperationRepository, audit: AuditLog, events: EventLog
    ) -> None:
        self._operations = operations
        self._audit = audit
        self._events = events

    async def page(self, after: UUID | None, limit: int) -> Page[OperationRow, UUID]:
        rows = await self._operations.page(after, limit + 1)
        return Page.cut(rows, limit, attrgetter("id"))

    async def get(self, operation_id: UUID) -> OperationRow:
        row = await self._operations.get(operation_id)
        if row is None:
            raise NotFound
        return row

    async def cancel(self, operation_id: UUID) -> OperationRow:
        """Return the operation if it has ended, or is an import, which a worker then undoes.

        Raises `NotCancellable` for a deletion: its marks were set when it was created, and nothing
        can be undone.
        """
        row = await self.get(operation_id)
        if row.status not in FINISHED:
            if row.kind != IMPORT_TRADES:
                raise NotCancellable(row.status)
            await self._operations.request_cancellation(operation_id)
        await self._audit.record(
            "operation.cancel",
            target="operation",
            target_id=operation_id,
            environment=row.environment,
            status=row.status,
        )
        if row.status not in FINISHED:
            await self._events.add(EventType.OPERATION_PROGRESS, **progress_of(row))
        return row
