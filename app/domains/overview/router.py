"""The route of the dashboard's totals (role `api`)."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api.access import for_users
from app.api.json_response import json_answer
from app.api.route import EdgeRoute
from app.auth.scopes import Scope
from app.domains.analytics.deps import Service as Analytics
from app.domains.overview.deps import Totals
from app.domains.overview.schemas import Dashboard
from app.domains.overview.serializers import totals_members
from botkeys.exchanges.model import Environment

router = APIRouter(prefix="/v1", tags=["analytics"], route_class=EdgeRoute)


@router.get(
    "/dashboard",
    operation_id="getDashboard",
    summary="Get the dashboard's totals",
    response_model=Dashboard,
)
@for_users(Scope.DATA_READ, dear=True)
async def get_dashboard(
    analytics: Analytics,
    totals: Totals,
    environment: Annotated[
        Environment | None,
        Query(
            description="Defaults to the account's selected environment. Live and testnet data are "
            "never combined."
        ),
    ] = None,
) -> Response:
    """Return counts of bots, keys and open positions, in this environment and in each, and today's
    P&L per settle asset.
    """
    today = await analytics.today(environment)
    found = await totals.read()
    return json_answer({**today, **totals_members(found, today["environment"])})
