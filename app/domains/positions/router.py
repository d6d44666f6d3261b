"""Routes of positions for their owner (role `api`)."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app.api.access import for_users
from app.api.json_response import json_answer
from app.api.problems import problems
from app.api.route import EdgeRoute
from app.auth.scopes import Scope
from app.domains.positions.deps import Positions
from app.domains.positions.errors import PositionAmbiguous
from app.domains.positions.schemas import Position, PositionId
from app.domains.positions.serializers import position_document

router = APIRouter(prefix="/v1/positions", tags=["positions"], route_class=EdgeRoute)


@router.post(
    "/{position_id}/close",
    operation_id="closePosition",
    summary="Close a position by hand",
    response_model=Position,
    responses=problems(PositionAmbiguous),
)
@for_users(Scope.BOTS_WRITE, action="position.close")
async def close_position(
    position_id: PositionId,
    service: Positions,
    bot_id: Annotated[
        UUID | None,
        Query(
            description="The bot that reported the position; required if several bots hold one "
            "with this id."
        ),
    ] = None,
) -> Response:
    """Mark a position as closed whose bot no longer runs. No order is sent to the exchange.

    If the bot does run and reports the position as open, it is open again.
    """
    return json_answer(position_document(await service.close(position_id, bot_id)))
