"""Routes of analytics and of the dashboard (role `api`)."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app.api.access import for_users
from app.api.json_response import json_answer
from app.api.pagination import DEFAULT_LIMIT, Cursor, Limit, TextCursors
from app.api.responses import reading
from app.api.route import EdgeRoute
from app.api.schemas import Symbol
from app.auth.scopes import Scope
from app.domains.analytics.deps import Service
from app.domains.analytics.grouping import GroupBy
from app.domains.analytics.schemas import Dashboard, EquityCurve, Summary
from app.domains.analytics.selection import Selection
from app.domains.analytics.serializers import curve_documents, figures_document
from app.domains.trading.period import AskedPeriod
from botkeys.exchanges.model import Environment

MAX_POINTS = 2000

router = APIRouter(prefix="/v1", tags=["analytics"], route_class=EdgeRoute)

Selected = Annotated[
    Environment | None, Query(description="The selected one if left out. The two never mix.")
]
KeyId = Annotated[UUID | None, Query(description="Of this key, deleted or not.")]
BotId = Annotated[UUID | None, Query(description="Of this bot, deleted or not.")]


@router.get(
    "/analytics/summary",
    operation_id="getSummary",
    summary="Sum up trading",
    response_model=Summary,
    responses=reading(),
)
@for_users(Scope.DATA_READ)
async def get_summary(
    service: Service,
    period: AskedPeriod,
    environment: Selected = None,
    key_id: KeyId = None,
    bot_id: BotId = None,
    symbol: Symbol | None = None,
    group_by: Annotated[
        GroupBy | None,
        Query(description="An item for each; periods in the account's time zone, newest first."),
    ] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Of trades that closed in the period, all time if left out; nothing is added across settle
    assets. With `group_by`, a page holds up to `limit` groups.
    """
    resolved, zone = await service.settings(environment, group_by)
    selection = Selection(resolved, key_id, bot_id, symbol, *period)
    cursors = TextCursors("summary", selection=selection, group_by=group_by, zone=zone)
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
            "items": [figures_document(figures, page.names) for figures in page.figures],
            "next_cursor": cursors.following(page.next_after),
        }
    )


@router.get(
    "/analytics/equity-curve",
    operation_id="getEquityCurve",
    summary="Get the equity curve",
    response_model=EquityCurve,
    responses=reading(),
)
@for_users(Scope.DATA_READ)
async def get_equity_curve(
    service: Service,
    period: AskedPeriod,
    environment: Selected = None,
    key_id: KeyId = None,
    bot_id: BotId = None,
    points: Annotated[
        int, Query(ge=1, le=MAX_POINTS, description="How many at most, of each curve.")
    ] = 500,
) -> Response:
    """A curve for each settle asset, in buckets of equal width; one without news has no point.

    The realised P&L is counted from the beginning of the period.
    """
    resolved = await service.environment(environment)
    selection = Selection(resolved, key_id, bot_id, None, *period)
    found = await service.curve(selection, points)
    return json_answer(
        {
            "environment": selection.environment,
            "from": period.since,
            "to": period.until,
            "items": curve_documents(found),
            "next_cursor": None,
        }
    )


@router.get(
    "/dashboard",
    operation_id="getDashboard",
    summary="Get the dashboard's totals",
    response_model=Dashboard,
    responses=reading(),
)
@for_users(Scope.DATA_READ)
async def get_dashboard(service: Service, environment: Selected = None) -> Response:
    return json_answer(await service.dashboard(environment))
