"""The route by which bots count their resting orders (role `runtime`)."""

from fastapi import APIRouter, Response

from app.api.access import for_bots
from app.api.json_response import json_answer
from app.api.problems import problems
from app.api.route import EdgeRoute
from app.domains.orders.deps import Orders
from app.domains.orders.schemas import OrderReport, RestingOrders
from app.domains.trading.errors import AmbiguousSymbol, KeyNotAssigned

router = APIRouter(prefix="/v1/runtime/orders", tags=["runtime"], route_class=EdgeRoute)


@router.put(
    "",
    operation_id="reportOrders",
    summary="Report resting orders",
    response_model=RestingOrders,
    responses=problems(KeyNotAssigned, AmbiguousSymbol),
)
@for_bots(confirms=True, hot=True)
async def report_orders(report: OrderReport, service: Orders) -> Response:
    """Report how many orders rest at the exchange, by symbol.

    While orders rest, the bot keeps its key, the key its contract type, and a symbol its margin
    mode and its place among the assets, as exchanges demand. The report replaces the former one
    as a whole and counts for 5 minutes: repeat it while orders rest, and when the counts change.
    """
    resting = await service.report(report)
    return json_answer(
        {
            "key_id": resting.key_id,
            "orders": [{"symbol": name, "count": n} for name, n in resting.counts.items()],
            "expires_at": resting.expires_at,
        }
    )
