"""The routes by which bots report what they did, in batches (role `runtime`)."""

from typing import Any

from fastapi import APIRouter, Response

from app.api.access import for_bots
from app.api.json_response import json_answer
from app.api.problems import problems
from app.api.route import EdgeRoute
from app.domains.bots.errors import NoKey
from app.domains.ingest.deps import Ingest
from app.domains.ingest.errors import DailyRowsExceeded
from app.domains.ingest.schemas import (
    BatchVerdicts,
    EquitySnapshotBatch,
    EventBatch,
    FundingBatch,
    SignalBatch,
    TradeBatch,
)
from app.domains.ingest.screening import Verdict
from app.domains.trading.errors import KeyNotAssigned

_NOTES = """\
Store the items, each with a verdict of its own: a bad item does not prevent others from being
stored.

If no response arrives, send the batch again, whole or in part: an item that was stored is then
reported as a `duplicate`. A body above the limit (4 MiB by default) is rejected as a whole with
413, one of more than 100,000 values with 422: send fewer items at a time.
"""

router = APIRouter(prefix="/v1/runtime", tags=["runtime"], route_class=EdgeRoute)
_ROUTE: dict[str, Any] = {
    "response_model": BatchVerdicts,
    "responses": problems(NoKey, KeyNotAssigned, DailyRowsExceeded),
    "description": _NOTES,
}


@router.post("/trades", operation_id="reportTrades", summary="Report completed trades", **_ROUTE)
@for_bots(hot=True, batches=True)
async def report_trades(batch: TradeBatch, service: Ingest) -> Response:
    return _answer(await service.trades(batch))


@router.post("/funding", operation_id="reportFunding", summary="Report funding payments", **_ROUTE)
@for_bots(hot=True, batches=True)
async def report_funding(batch: FundingBatch, service: Ingest) -> Response:
    return _answer(await service.funding(batch))


@router.post(
    "/equity-snapshots",
    operation_id="reportEquitySnapshots",
    summary="Report equity snapshots",
    **_ROUTE,
)
@for_bots(hot=True, batches=True)
async def report_equity_snapshots(batch: EquitySnapshotBatch, service: Ingest) -> Response:
    return _answer(await service.equity_snapshots(batch))


@router.post("/signals", operation_id="reportSignals", summary="Report signals", **_ROUTE)
@for_bots(hot=True, batches=True)
async def report_signals(batch: SignalBatch, service: Ingest) -> Response:
    return _answer(await service.signals(batch))


@router.post("/events", operation_id="reportEvents", summary="Report events", **_ROUTE)
@for_bots(hot=True, batches=True)
async def report_events(batch: EventBatch, service: Ingest) -> Response:
    return _answer(await service.events(batch))


def _answer(results: list[Verdict]) -> Response:
    return json_answer({"results": results})
