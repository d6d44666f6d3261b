"""The routes by which bots report their positions and read what they hold (role `runtime`)."""

from fastapi import APIRouter, Response

from app.api.access import for_bots
from app.api.json_response import json_answer
from app.api.pagination import DEFAULT_LIMIT, Cursor, Limit, TextCursors
from app.api.problems import problems
from app.api.route import CurrentWork, EdgeRoute
from app.domains.assets.errors import LeverageNotSettable, MarginModeNotSupported
from app.domains.positions.deps import HeldPositions, PositionReports
from app.domains.positions.errors import REFUSALS, OpeningRefused, PositionConflict
from app.domains.positions.schemas import Position, PositionId, PositionPage, PositionReport
from app.domains.positions.serializers import position_document
from app.domains.trading import errors

router = APIRouter(prefix="/v1/runtime/positions", tags=["runtime"], route_class=EdgeRoute)


@router.get(
    "",
    operation_id="listHeldPositions",
    summary="List the positions that the bot holds",
    response_model=PositionPage,
)
@for_bots()
async def list_held_positions(
    service: HeldPositions, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Response:
    """List the bot's open positions and its reservations that have not lapsed, ordered by id.

    This is what a bot that was restarted continues with: under the same ids, and with higher
    revisions. Positions with a key that the bot has since lost are included.
    """
    cursors = TextCursors("held_positions")
    page = await service.held(cursors.after(cursor), limit)
    return json_answer(page.envelope(cursors, position_document))


@router.put(
    "/{position_id}",
    operation_id="reportPosition",
    summary="Report a position, or ask to open one",
    response_model=Position,
    responses=problems(
        *REFUSALS.values(),
        errors.KeyNotAssigned,
        PositionConflict,
        errors.DataDeleted,
        errors.ClockAhead,
        errors.AmbiguousSymbol,
        LeverageNotSettable,
        MarginModeNotSupported,
    ),
)
@for_bots(confirms=True, hot=True)
async def report_position(
    position_id: PositionId, report: PositionReport, service: PositionReports, work: CurrentWork
) -> Response:
    """Report a position, or ask for permission to open one.

    `opening` asks for permission. It is refused with every reason in `blocked_by`, or recorded, and
    then reserves key and margin mode until `expires_at`; repeat it for as long as the order rests.
    `open` and `closed` are facts and always recorded.

    A report may be repeated and may arrive late: the response is the position as stored. Only a
    response with the status `opening` and an `expires_at` in the future permits the order; for a
    position that is already open or closed, the stored state is returned.
    """
    try:
        row = await service.report(position_id, report)
    except OpeningRefused as refusal:
        await work.rollback()
        await service.add_refusal(position_id, report, refusal)
        await work.commit_own()
        raise
    return json_answer(position_document(row))
