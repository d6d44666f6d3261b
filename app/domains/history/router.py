"""Routes of what bots reported, for its owner (role `api`)."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api.access import for_users
from app.api.route import EdgeRoute
from app.api.schemas import Label, Symbol
from app.auth.scopes import Scope
from app.domains.history.listing import IN_EVERY_FORM, Listing
from app.domains.history.lists import BOT_EVENTS, EQUITY_SNAPSHOTS, SIGNALS, TRADES
from app.domains.history.schemas import (
    BotEventPage,
    EquitySnapshotPage,
    EventLevel,
    SignalPage,
    TradePage,
)

router = APIRouter(prefix="/v1", tags=["trading data"], route_class=EdgeRoute)


@router.get(
    "/trades",
    operation_id="listTrades",
    summary="List trades",
    response_model=TradePage,
    responses=IN_EVERY_FORM,
)
@for_users(Scope.DATA_READ)
async def list_trades(listing: Listing, symbol: Symbol | None = None) -> Response:
    """Of one environment, those that were closed last first. `Accept: text/csv` or
    `application/x-ndjson` gives the whole list, whatever the `limit`.
    """
    return await listing.answer(TRADES, symbol=symbol)


@router.get(
    "/equity-snapshots",
    operation_id="listEquitySnapshots",
    summary="List equity snapshots",
    response_model=EquitySnapshotPage,
    responses=IN_EVERY_FORM,
)
@for_users(Scope.DATA_READ)
async def list_equity_snapshots(listing: Listing) -> Response:
    """Of one environment, the newest first; whole as CSV or NDJSON, as `listTrades`."""
    return await listing.answer(EQUITY_SNAPSHOTS)


@router.get(
    "/signals",
    operation_id="listSignals",
    summary="List signals",
    response_model=SignalPage,
    responses=IN_EVERY_FORM,
)
@for_users(Scope.DATA_READ)
async def list_signals(listing: Listing, symbol: Symbol | None = None) -> Response:
    """Of one environment, the newest first; whole as CSV or NDJSON, as `listTrades`."""
    return await listing.answer(SIGNALS, symbol=symbol)


@router.get(
    "/bot-events",
    operation_id="listBotEvents",
    summary="List events of bots",
    response_model=BotEventPage,
    responses=IN_EVERY_FORM,
)
@for_users(Scope.DATA_READ)
async def list_bot_events(
    listing: Listing,
    kind: Annotated[Label | None, Query(description="Of this kind.")] = None,
    level: Annotated[EventLevel | None, Query(description="Of this level.")] = None,
) -> Response:
    """Of one environment, the newest first; whole as CSV or NDJSON, as `listTrades`. Events of a
    bot that had no key belong to neither environment and are shown in both.
    """
    return await listing.answer(BOT_EVENTS, kind=kind, level=level)
