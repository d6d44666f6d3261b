"""Routes of positions for their owner (role `api`)."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app.auth.scopes import Scope
from app.edge.access import for_users
from app.edge.answers import json_answer
from app.edge.responses import reading, writing
from app.edge.route import CurrentUnit, EdgeRoute
from app.errors import NotFound
from app.exchanges.model import Environment
from app.pagination import DEFAULT_LIMIT, Limit
from app.schemas import Symbol
from app.trading import cursor as cursors
from app.trading.cursor import Cursor
from app.trading.deps import Positions
from app.trading.errors import PositionAmbiguous
from app.trading.fields import Moment
from app.trading.position_documents import position_document
from app.trading.position_repository import PositionFilter
from app.trading.position_schemas import Position, PositionId, PositionPage

router = APIRouter(prefix="/v1/positions", tags=["positions"], route_class=EdgeRoute)


@router.get(
    "",
    operation_id="listPositions",
    summary="List positions",
    response_model=PositionPage,
    responses=reading(),
)
@for_users(Scope.DATA_READ)
async def list_positions(
    service: Positions,
    environment: Environment = Environment.LIVE,
    key_id: Annotated[UUID | None, Query(description="Of this key, deleted or not.")] = None,
    bot_id: Annotated[UUID | None, Query(description="Of this bot, deleted or not.")] = None,
    symbol: Symbol | None = None,
    since: Annotated[
        Moment | None, Query(alias="from", description="First reported at this time or later.")
    ] = None,
    until: Annotated[
        Moment | None, Query(alias="to", description="First reported before this time.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Of one environment, the newest first: the two never mix."""
    wanted = PositionFilter(environment, key_id, bot_id, symbol, since, until)
    page = await service.page(wanted, cursors.decode(cursor), limit)
    return json_answer(
        {
            "items": [position_document(row) for row in page.items],
            "next_cursor": page.next_after and cursors.encode(page.next_after),
        }
    )


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
    unit: CurrentUnit,
    bot_id: Annotated[
        UUID | None, Query(description="Whose, where several bots have one of this id.")
    ] = None,
) -> Response:
    """For a bot that is dead: no order is sent to the exchange. If the bot lives and reports the
    position as open, it is open again.
    """
    return json_answer(
        position_document(await service.close(unit.caller.user, position_id, bot_id))
    )
