"""Routes of analytics (role `api`)."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app.api.access import for_users
from app.api.json_response import json_answer
from app.api.pagination import (
    DEFAULT_LIMIT,
    PLAIN_DIGITS,
    Cursor,
    Limit,
    TextCursors,
    list_envelope,
)
from app.api.problems import problems
from app.api.route import EdgeRoute
from app.api.schemas import UNDERSTOOD, Symbol
from app.auth.scopes import Scope
from app.domains.analytics.deps import Service
from app.domains.analytics.grouping import GroupBy
from app.domains.analytics.schemas import EquityCurve, Summary
from app.domains.analytics.selection import Selection
from app.domains.analytics.serializers import curve_documents, figures_document
from app.domains.trading.errors import AmbiguousSymbol
from app.domains.trading.period import RequestedPeriod
from botkeys.exchanges.model import Environment

MAX_POINTS = 2000

router = APIRouter(prefix="/v1", tags=["analytics"], route_class=EdgeRoute)

Selected = Annotated[
    Environment | None,
    Query(
        description="Defaults to the account's selected environment. Live and testnet data are "
        "never combined."
    ),
]
KeyId = Annotated[UUID | None, Query(description="Only data of this key, which may be deleted.")]
BotId = Annotated[UUID | None, Query(description="Only data of this bot, which may be deleted.")]


@router.get(
    "/analytics/summary",
    operation_id="getSummary",
    summary="Summarise trading",
    response_model=Summary,
    responses=problems(AmbiguousSymbol),
)
@for_users(Scope.DATA_READ, hot=True, dear=True)
async def get_summary(
    service: Service,
    period: RequestedPeriod,
    environment: Selected = None,
    key_id: KeyId = None,
    bot_id: BotId = None,
    symbol: Annotated[
        Symbol | None, Query(description=f"Only trades of this symbol. {UNDERSTOOD}")
    ] = None,
    group_by: Annotated[
        GroupBy | None,
        Query(
            description="Return one item per group. Days, weeks and months are those of the "
            "account's time zone, newest first."
        ),
    ] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Summarise trades that closed in the period, which defaults to all time.

    Amounts in different settle assets are never added up. With `group_by`, a page holds up to
    `limit` groups.
    """
    resolved, zone = await service.settings(environment, group_by)
    selection = Selection(resolved, key_id, bot_id, () if symbol is None else (symbol,), *period)
    cursors = TextCursors("summary", selection=selection, group_by=group_by, zone=zone)
    selection = await service.understood(selection)
    after = cursors.after(cursor)
    if group_by is None:
        page = await service.summary(selection, after)
    else:
        page = await service.grouped(selection, group_by, zone, after, limit)
    return json_answer(
        {
            "environment": selection.environment,
            "from": period.since,
            "to": period.until,
            "group_by": group_by,
            "trades_without_pnl": page.trades_without_pnl,
            **list_envelope(
                [figures_document(figures, page.names) for figures in page.figures],
                cursors.following(page.next_after),
            ),
        }
    )


@router.get(
    "/analytics/equity-curve",
    operation_id="getEquityCurve",
    summary="Get the equity curve",
    response_model=EquityCurve,
)
@for_users(Scope.DATA_READ, dear=True)
async def get_equity_curve(
    service: Service,
    period: RequestedPeriod,
    environment: Selected = None,
    key_id: KeyId = None,
    bot_id: BotId = None,
    points: Annotated[
        int,
        Query(ge=1, le=MAX_POINTS, description="The maximum number of points per curve."),
        PLAIN_DIGITS,
    ] = 500,
) -> Response:
    """Return one curve per settle asset, in buckets of equal width.

    A bucket without new data has no point. Realised P&L accumulates from the start of the period.
    """
    resolved = await service.environment(environment)
    selection = Selection(resolved, key_id, bot_id, (), *period)
    found = await service.curve(selection, points)
    return json_answer(
        {
            "environment": selection.environment,
            "from": period.since,
            "to": period.until,
            **list_envelope(curve_documents(found), None),
        }
    )
