"""The route that deletes trading data (role `api`)."""

from fastapi import APIRouter, Request, Response

from app.api.access import for_users
from app.api.json_response import json_answer
from app.api.problems import problems
from app.api.route import EdgeRoute
from app.api.shares import dear_place
from app.auth.scopes import Scope
from app.domains.deletion.deps import Deletions
from app.domains.deletion.errors import UnknownKeys
from app.domains.deletion.schemas import DataDeletion, DeletionPreview
from app.domains.operations.responses import operation_answer
from app.domains.operations.schemas import Operation
from app.domains.trading.counts import all_counted
from app.errors import NotFound

router = APIRouter(prefix="/v1/data-deletions", tags=["operations"], route_class=EdgeRoute)


@router.post(
    "",
    operation_id="deleteData",
    summary="Delete trading data",
    status_code=202,
    response_model=Operation,
    responses={
        200: {"description": "A dry run: what would be deleted.", "model": DeletionPreview},
        **problems(NotFound, UnknownKeys),
    },
)
@for_users(Scope.DATA_DELETE, action="data.delete")
async def delete_data(wanted: DataDeletion, service: Deletions, request: Request) -> Response:
    """Delete trades, positions, equity snapshots, signals and bot events.

    The scope is everything, one environment, some keys, or what happened before a time. Open
    positions, keys and bots are kept. Once the response arrives, the data are hidden and late
    reports of them are refused; the operation removes the rows.
    """
    if wanted.dry_run:
        async with dear_place(request):
            preview = await service.preview(wanted)
        return json_answer(
            {
                "counts": preview.counts,
                "exact": all_counted(preview.counts),
                "kept": {"positions": preview.held},
            }
        )
    return operation_answer(await service.delete(wanted), status=202)
