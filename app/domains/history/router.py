"""Routes of what bots reported, for its owner (role `api`)."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api.access import for_users
from app.api.problems import joined, problems
from app.api.route import EdgeRoute
from app.api.schemas import UNDERSTOOD, Label, Symbol
from app.auth.scopes import Scope
from app.domains.history.deps import Listing
from app.domains.history.listing import IN_EVERY_FORM
from app.domains.history.lists import (
    BOT_EVENTS,
    EQUITY_SNAPSHOTS,
    FUNDING,
    POSITIONS,
    SIGNALS,
    TRADES,
)
from app.domains.history.schemas import (
    BotEventPage,
    EquitySnapshotPage,
    FundingPage,
    SignalPage,
    TradePage,
)
from app.domains.positions.schemas import PositionPage, PositionStatus
from app.domains.trading.errors import AmbiguousSymbol
from app.domains.trading.fields import EventLevel

SymbolQuery = Annotated[Symbol | None, Query(description=f"Only data of this symbol. {UNDERSTOOD}")]
OF_A_SYMBOL = joined(IN_EVERY_FORM, problems(AmbiguousSymbol))

router = APIRouter(prefix="/v1", tags=["trading data"], route_class=EdgeRoute)
positions_router = APIRouter(prefix="/v1/positions", tags=["positions"], route_class=EdgeRoute)


@router.get(
    "/trades",
    operation_id="listTrades",
    summary="List trades",
    response_model=TradePage,
    responses=OF_A_SYMBOL,
)
@for_users(Scope.DATA_READ, hot=True)
async def list_trades(
    listing: Listing,
    symbol: SymbolQuery = None,
) -> Response:
    """List trades of one environment, most recently closed first.

    `Accept: text/csv` or `application/x-ndjson` returns the whole list, regardless of `limit`.
    """
    return await listing.answer(TRADES, symbol=symbol)


@router.get(
    "/funding",
    operation_id="listFunding",
    summary="List funding payments",
    response_model=FundingPage,
    responses=OF_A_SYMBOL,
)
@for_users(Scope.DATA_READ, hot=True)
async def list_funding(
    listing: Listing,
    symbol: SymbolQuery = None,
) -> Response:
    """List funding payments of one environment, newest first.

    `Accept` selects CSV or NDJSON, as in `listTrades`.
    """
    return await listing.answer(FUNDING, symbol=symbol)


@router.get(
    "/equity-snapshots",
    operation_id="listEquitySnapshots",
    summary="List equity snapshots",
    response_model=EquitySnapshotPage,
    responses=IN_EVERY_FORM,
)
@for_users(Scope.DATA_READ, hot=True)
async def list_equity_snapshots(listing: Listing) -> Response:
    """List equity snapshots of one environment, newest first.

    `Accept` selects CSV or NDJSON, as in `listTrades`.
    """
    return await listing.answer(EQUITY_SNAPSHOTS)


@router.get(
    "/signals",
    operation_id="listSignals",
    summary="List signals",
    response_model=SignalPage,
    responses=OF_A_SYMBOL,
)
@for_users(Scope.DATA_READ, hot=True)
async def list_signals(
    listing: Listing,
    symbol: SymbolQuery = None,
) -> Response:
    """List signals of one environment, newest first.

    `Accept` selects CSV or NDJSON, as in `listTrades`.
    """
    return await listing.answer(SIGNALS, symbol=symbol)


@router.get(
    "/bot-events",
    operation_id="listBotEvents",
    summary="List bot events",
    response_model=BotEventPage,
    responses=IN_EVERY_FORM,
)
@for_users(Scope.DATA_READ, hot=True)
async def list_bot_events(
    listing: Listing,
    kind: Annotated[Label | None, Query(description="Only events of this kind.")] = None,
    level: Annotated[EventLevel | None, Query(description="Only events of this level.")] = None,
) -> Response:
    """List bot events of one environment, newest first.

    Events of a bot that had no key belong to neither environment and are listed in both. `Accept`
    selects CSV or NDJSON, as in `listTrades`.
    """
    return await listing.answer(BOT_EVENTS, kind=kind, level=level)


@positions_router.get(
    "",
    operation_id="listPositions",
    summary="List positions",
    response_model=PositionPage,
    responses=OF_A_SYMBOL,
)
@for_users(Scope.DATA_READ, hot=True)
async def list_positions(
    listing: Listing,
    symbol: SymbolQuery = None,
    status: Annotated[
        PositionStatus | None,
        Query(
            description="Only positions with this status. A reservation that has lapsed is "
            "`closed`."
        ),
    ] = None,
) -> Response:
    """List positions of one environment, most recently reported first.

    `from` and `to` bound the time of a position's first report. `Accept` selects CSV or NDJSON, as
    in `listTrades`.
    """
    return await listing.answer(POSITIONS, state=status, symbol=symbol)
