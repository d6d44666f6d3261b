"""What the exchanges offer, and what can be traded with a key."""

from functools import cache
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app.api.access import for_users
from app.api.json_response import json_answer
from app.api.pagination import DEFAULT_LIMIT, Cursor, Limit
from app.api.route import EdgeRoute
from app.api.schemas import Search
from app.auth.scopes import Scope
from app.domains.catalogue.cursors import RankCursors
from app.domains.catalogue.deps import OutboundAddresses, Service, Simulated
from app.domains.catalogue.schemas import (
    CatalogueFreshness,
    ExchangeList,
    ExchangeOffer,
    InstrumentPage,
)
from app.domains.catalogue.serializers import instrument_document
from botkeys.exchanges.registry import EXCHANGES

_ITEMS = [ExchangeOffer.model_validate(profile) for profile in EXCHANGES.values()]

router = APIRouter(prefix="/v1/exchanges", tags=["exchanges"], route_class=EdgeRoute)
instruments_router = APIRouter(
    prefix="/v1/keys/{key_id}/instruments", tags=["instruments"], route_class=EdgeRoute
)


@router.get(
    "",
    operation_id="listExchanges",
    summary="List exchanges",
    response_model=ExchangeList,
)
@for_users()
async def list_exchanges(addresses: OutboundAddresses, simulated: Simulated) -> Response:
    """List all supported exchanges: what each offers per environment, and what a key needs."""
    return Response(_list(addresses, simulated), media_type="application/json")


@cache
def _list(addresses: tuple[str, ...], simulated: bool) -> bytes:  # cached by place
    listed = ExchangeList(
        items=_ITEMS,
        next_cursor=None,
        outbound_addresses=list(addresses),
        simulated=simulated,
    )
    return listed.model_dump_json().encode()


@instruments_router.get(
    "",
    operation_id="listInstruments",
    summary="List a key's instruments",
    response_model=InstrumentPage,
)
@for_users(Scope.KEYS_READ, hot=True)
async def list_instruments(
    key_id: UUID,
    service: Service,
    search: Annotated[
        Search,
        Query(
            description="Text to find in symbol, base, quote, pair or unified symbol "
            "(`BTC/USDT:USDT`), ignoring case; XBT and BTC are equivalent."
        ),
    ] = "",
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """List perpetuals of the key's exchange, environment and contract type, ordered by symbol.

    With `search`, instruments that begin with the search text come first.
    """
    cursors = RankCursors("instruments", key_id=key_id, search=search)
    found = await service.instruments(key_id, search, cursors.after(cursor), limit)
    return json_answer(
        {
            **found.page.envelope(cursors, instrument_document),
            "fetched_at": found.freshness.fetched_at,
            "stale": found.freshness.stale,
            "reason": found.freshness.reason,
        }
    )


@instruments_router.post(
    "/refresh",
    operation_id="refreshInstruments",
    summary="Refresh a key's instruments",
    response_model=CatalogueFreshness,
)
@for_users(Scope.KEYS_READ)
async def refresh_instruments(key_id: UUID, service: Service) -> Response:
    """Fetch instruments and prices from the exchange, at most once every ten seconds."""
    return json_answer(await service.refresh(key_id))
