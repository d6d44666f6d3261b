"""The routes by which bots report what they did, in batches (role `runtime`)."""

from typing import Any

from fastapi import APIRouter, Response

from app.api.access import for_bots
from app.api.json_response import json_answer
from app.api.responses import reading
from app.api.route import EdgeRoute
from app.domains.bots.errors import NoKey
from app.domains.ingest.deps import Ingest
from app.domains.ingest.schemas import (
    BatchVerdicts,
    EquitySnapshotBatch,
    EventBatch,
    SignalBatch,
    TradeBatch,
)
from app.domains.ingest.screening import Verdict
from app.domains.trading.errors import KeyNotAssigned

_NOTES = """Each item gets a verdict of its own, so that one bad item keeps no other from being
stored. A batch may be sent again, whole or in part, when no answer came: what was stored is a
`duplicate` then. A body above the limit (4 MiB unless set otherwise) is refused as a whole (413):
send fewer items at once.
"""

router = APIRouter(prefix="/v1/runtime", tags=["runtime"], route_class=EdgeRoute)
_ROUTE: dict[str, Any] = {
    "response_model": BatchVerdicts,
    "responses": reading(NoKey, KeyNotAssigned),
    "description": _NOTES,
}


@router.post("/trades", operation_id="reportTrades", summary="Report completed trades", **_ROUTE)
@for_bots()
async def report_trades(batch: TradeBatch, service: Ingest) -> Response:
    return _answer(await service.trades(batch))


@router.post(
    "/equity-snapshots",
    operation_id="reportEquitySnapshots",
    summary="Report what the exchange account is worth",
    **_ROUTE,
)
@for_bots()
async def report_equity_snapshots(batch: EquitySnapshotBatch, service: Ingest) -> Response:
    return _answer(await service.equity_snapshots(batch))


@router.post("/signals", operation_id="reportSignals", summary="Report signals", **_ROUTE)
@for_bots()
async def report_signals(batch: SignalBatch, service: Ingest) -> Response:
    return _answer(await service.signals(batch))


@router.post("/events", operation_id="reportEvents", summary="Report events", **_ROUTE)
@for_bots()
async def report_events(batch: EventBatch, service: Ingest) -> Response:
    return _answer(await service.events(batch))


def _answer(results: list[Verdict]) -> Response:
    return json_answer({"results": results})
