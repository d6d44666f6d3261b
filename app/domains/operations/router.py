"""Routes of deletions of trading data, and of operations."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from app.api.access import for_users
from app.api.json_response import json_answer
from app.api.pagination import DEFAULT_LIMIT, Cursor, IdCursors, Limit
from app.api.responses import changing, reading, reading_one
from app.api.route import CurrentWork, EdgeRoute
from app.auth.scopes import Scope
from app.domains.operations.deps import Deletions, Operations
from app.domains.operations.errors import NotCancellable, UnknownKeys
from app.domains.operations.progress_stream import OperationEvents
from app.domains.operations.responses import operation_answer
from app.domains.operations.schemas import DataDeletion, DeletionPreview, Operation, OperationPage
from app.domains.operations.serializers import operation_document

_EXAMPLE = """\
retry: 1000

event: operation
data: {"id":"01938a5e-0000-7000-8000-000000000000","status":"running","done":20000,…}
id: 0d5f1b0a9c…

"""
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events until the operation has ended, or the stream ends: connect again",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
    }
}
router = APIRouter(prefix="/v1/operations", tags=["operations"], route_class=EdgeRoute)
deletions_router = APIRouter(
    prefix="/v1/data-deletions", tags=["operations"], route_class=EdgeRoute
)


@router.get(
    "",
    operation_id="listOperations",
    summary="List operations",
    response_model=OperationPage,
    responses=reading(),
)
@for_users(Scope.DATA_READ)
async def list_operations(
    service: Operations, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Response:
    """Newest first."""
    cursors = IdCursors("operations")
    page = await service.page(cursors.after(cursor), limit)
    return json_answer(
        {
            "items": [operation_document(row) for row in page.items],
            "next_cursor": cursors.following(page.next_after),
        }
    )


@router.get(
    "/{operation_id}",
    operation_id="getOperation",
    summary="Get an operation",
    response_model=Operation,
    responses=reading_one(),
)
@for_users(Scope.DATA_READ, while_closing=True)
async def get_operation(operation_id: UUID, service: Operations) -> Response:
    """While an account is being closed its tokens read that operation and nothing else. They may
    do so afterwards too, for thirty days: else nobody could see that it is done.
    """
    return operation_answer(await service.get(operation_id))


@router.get(
    "/{operation_id}/stream",
    operation_id="streamOperation",
    summary="Follow an operation",
    response_class=Response,
    responses={**_STREAM, **reading_one()},
)
@for_users(Scope.DATA_READ, while_closing=True)
async def stream_operation(operation_id: UUID, service: Operations, work: CurrentWork) -> Response:
    """Server-sent events. `operation` carries the document of `getOperation`: at once, and then
    within a second of each change. The stream ends when the operation has. An account may have ten
    at each process of the service.
    """
    row = await service.get(operation_id)
    context = work.context
    return OperationEvents(
        context.operations,
        context.database.autocommit,
        work.caller.account_id,
        row,
        context.config_publisher.limits,
    )


@router.post(
    "/{operation_id}/cancel",
    operation_id="cancelOperation",
    summary="Cancel an operation",
    response_model=Operation,
    responses=changing(NotCancellable),
)
@for_users(Scope.DATA_DELETE, action="operation.cancel")
async def cancel_operation(operation_id: UUID, service: Operations) -> Response:
    """Deletions cannot be cancelled: what they delete is hidden when they begin, and bots are
    refused its like. An operation that has ended is answered as it ended.
    """
    return operation_answer(await service.cancel(operation_id))


@deletions_router.post(
    "",
    operation_id="deleteData",
    summary="Delete trading data",
    status_code=202,
    response_model=Operation,
    responses={
        200: {"description": "Of a dry run: what would be deleted", "model": DeletionPreview},
        **changing(UnknownKeys),
    },
)
@for_users(Scope.DATA_DELETE, action="data.delete")
async def delete_data(wanted: DataDeletion, service: Deletions, work: CurrentWork) -> Response:
    """Trades, positions, equity snapshots, signals and bot events: of everything, of one
    environment, of some keys, or before a time. Open positions are kept, and so are keys and bots.

    Nothing shows the data when the answer arrives, and late reports of them are refused. Their rows
    are removed by the operation.
    """
    if wanted.dry_run:
        preview = await service.preview(wanted)
        return json_answer({"counts": preview.counts, "kept": {"positions": preview.held}})
    return operation_answer(await service.delete(work.caller.user, wanted), status=202)
