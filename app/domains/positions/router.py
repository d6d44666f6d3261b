"""Routes of positions for their owner (role `api`)."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app.api.access import for_users
from app.api.json_response import json_answer
from app.api.responses import writing
from app.api.route import CurrentWork, EdgeRoute
from app.api.schemas import Symbol
from app.auth.scopes import Scope
from app.domains.history.deps import Positions
from app.domains.history.listing import IN_EVERY_FORM, Listing
from app.domains.history.lists import POSITIONS
from app.domains.positions.schemas import Position, PositionId, PositionPage, PositionStatus
from app.domains.positions.serializers import position_document
from app.domains.trading.errors import PositionAmbiguous
from app.errors import NotFound

router = APIRouter(prefix="/v1/positions", tags=["positions"], route_class=EdgeRoute)


@router.get(
    "",
    operation_id="listPositions",
    summary="List positions",
    response_model=PositionPage,
    responses=IN_EVERY_FORM,
)
@for_users(Scope.DATA_READ)
async def list_positions(
    listing: Listing,
    symbol: Symbol | None = None,
    status: Annotated[
        PositionStatus | None, Query(description="An opening whose time is over is `closed`.")
    ] = None,
) -> Response:
    """Of one environment, those that were reported last first. `from` and `to` bound the time of
    their first report. Whole as CSV or NDJSON, as `listTrades`.
    """
    return await listing.answer(POSITIONS, state=status, symbol=symbol)


@router.post(
    "/{position_id}/close",
    operation_id="closePosition",
    summary="Close a position by hand",
    response_model=Position,
    responses=writing(NotFound, PositionAmbiguous),
)
@for_users(Scope.BOTS_WRITE, action="position.close")
async def close_position(
    position_id: PositionId,
    service: Positions,
    work: CurrentWork,
    bot_id: Annotated[
        UUID | None, Query(description="Whose, where several bots hold one of this id.")
    ] = None,
) -> Response:
    """For a bot that is dead: no order is sent to the exchange. If the bot lives and reports the
    position as open, it is open again.
    """
    return json_answer(
        position_document(await service.close(work.caller.user, position_id, bot_id))
    )
