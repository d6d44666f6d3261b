"""Routes of operations: work that continues after the response."""

from uuid import UUID

from fastapi import APIRouter, Response

from app.api.access import for_users
from app.api.json_response import json_answer
from app.api.pagination import DEFAULT_LIMIT, Cursor, IdCursors, Limit
from app.api.problems import problems
from app.api.route import EdgeRoute
from app.api.streaming import event_stream
from app.auth.scopes import Scope
from app.domains.operations.deps import Operations, Progress
from app.domains.operations.errors import NotCancellable
from app.domains.operations.responses import operation_answer
from app.domains.operations.schemas import Operation, OperationPage
from app.domains.operations.serializers import operation_document

_EXAMPLE = """\
retry: 1000

event: operation
data: {"id":"01938a5e-0000-7000-8000-000000000000","status":"running","done":20000,…}
id: 0d5f1b0a9c…

"""
_STREAM = event_stream(
    "Events until the operation or the stream ends; in the latter case connect again.", _EXAMPLE
)
router = APIRouter(prefix="/v1/operations", tags=["operations"], route_class=EdgeRoute)


@router.get(
    "",
    operation_id="listOperations",
    summary="List operations",
    response_model=OperationPage,
)
@for_users(Scope.DATA_READ)
async def list_operations(
    service: Operations, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Response:
    """List the account's operations, newest first."""
    cursors = IdCursors("operations")
    page = await service.page(cursors.after(cursor), limit)
    return json_answer(page.envelope(cursors, operation_document))


@router.get(
    "/{operation_id}",
    operation_id="getOperation",
    summary="Get an operation",
    response_model=Operation,
)
@for_users(Scope.DATA_READ, while_closing=True)
async def get_operation(operation_id: UUID, service: Operations) -> Response:
    """Return one operation and its progress.

    While an account is being closed, its tokens can read the closing operation and nothing else.
    They still can for thirty days afterwards, so that its completion can be seen.
    """
    return operation_answer(await service.get(operation_id))


@router.get(
    "/{operation_id}/stream",
    operation_id="streamOperation",
    summary="Follow an operation",
    response_class=Response,
    responses=_STREAM,
)
@for_users(Scope.DATA_READ, while_closing=True)
async def stream_operation(operation_id: UUID, service: Operations, follow: Progress) -> Response:
    """Stream an operation's progress as server-sent events.

    Each `operation` event carries the document of `getOperation`: the first immediately, then one
    within a second of each change. The stream ends with the operation. An account may have ten
    streams per process of the service.

    Generated clients cannot read event streams as they arrive: poll `getOperation` instead.
    """
    return follow(await service.get(operation_id))


@router.post(
    "/{operation_id}/cancel",
    operation_id="cancelOperation",
    summary="Cancel an operation",
    response_model=Operation,
    responses=problems(NotCancellable),
)
@for_users(Scope.DATA_DELETE, action="operation.cancel")
async def cancel_operation(operation_id: UUID, service: Operations) -> Response:
    """Cancel an operation.

    An import is undone: a worker removes what it stored, then its status is `cancelled`, unless it
    had stored everything already. Deletions cannot be cancelled: their data are hidden from the
    start, and late reports of them are refused. An operation that has ended is returned unchanged.
    """
    return operation_answer(await service.cancel(operation_id))
