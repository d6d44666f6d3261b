"""Routes of freezes."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from app.api.access import for_users
from app.api.json_response import json_answer
from app.api.pagination import DEFAULT_LIMIT, Cursor, IdCursors, Limit
from app.api.problems import problems
from app.api.route import EdgeRoute
from app.auth.scopes import Scope
from app.db.base import AnyRow
from app.domains.freezes.deps import Service
from app.domains.freezes.schemas import Freeze, FreezeCreate, FreezePage
from app.errors import NotFound

router = APIRouter(prefix="/v1/freezes", tags=["freezes"], route_class=EdgeRoute)


def _document(row: AnyRow) -> dict[str, Any]:
    return row._asdict()


@router.get(
    "",
    operation_id="listFreezes",
    summary="List freezes",
    response_model=FreezePage,
)
@for_users(Scope.KEYS_READ)
async def list_freezes(
    service: Service, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Response:
    """List the freezes in force, newest first."""
    cursors = IdCursors("freezes")
    page = await service.page(cursors.after(cursor), limit)
    return json_answer(page.envelope(cursors, _document))


@router.post(
    "",
    operation_id="addFreeze",
    summary="Stop new positions",
    status_code=201,
    response_model=Freeze,
    responses={
        200: {"description": "The freeze was already in force.", "model": Freeze},
        **problems(NotFound),
    },
)
@for_users(Scope.KEYS_WRITE, action="freeze.add")
async def add_freeze(new: FreezeCreate, service: Service) -> Response:
    """Freeze the whole account, one exchange or one key.

    Once the response arrives, no new position is permitted. Open positions are left to their bots.
    """
    row, is_new = await service.add(new)
    if not is_new:
        return json_answer(_document(row))
    return json_answer(_document(row), status=201, headers={"Location": f"/v1/freezes/{row.id}"})


@router.get(
    "/{freeze_id}",
    operation_id="getFreeze",
    summary="Get a freeze",
    response_model=Freeze,
)
@for_users(Scope.KEYS_READ)
async def get_freeze(freeze_id: UUID, service: Service) -> Response:
    """Return one freeze that is in force."""
    return json_answer(_document(await service.get(freeze_id)))


@router.delete(
    "/{freeze_id}",
    operation_id="liftFreeze",
    summary="Lift a freeze",
    status_code=204,
)
@for_users(Scope.ACCOUNT_ADMIN, action="freeze.lift")
async def lift_freeze(freeze_id: UUID, service: Service) -> Response:
    """Allow new positions again, unless another freeze still stops them."""
    await service.lift(freeze_id)
    return Response(status_code=204)
