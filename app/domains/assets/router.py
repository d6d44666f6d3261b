"""Routes of trading assets."""

from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Path, Response

from app.api.access import for_users
from app.api.json_response import json_answer
from app.api.pagination import DEFAULT_LIMIT, Cursor, Limit, TextCursors
from app.api.preconditions import Expected, etag
from app.api.problems import problems
from app.api.route import EdgeRoute
from app.api.schemas import UNDERSTOOD, Symbol
from app.auth.scopes import Scope
from app.domains.assets import errors
from app.domains.assets.deps import Service
from app.domains.assets.repository import AssetRow
from app.domains.assets.schemas import Asset, AssetChange, AssetChanged, AssetCreate, AssetPage
from app.domains.assets.serializers import asset_document, changed_document
from app.domains.trading.errors import AmbiguousSymbol

router = APIRouter(prefix="/v1/keys/{key_id}/assets", tags=["assets"], route_class=EdgeRoute)

SymbolInPath = Annotated[Symbol, Path(description=UNDERSTOOD)]
_OF_ASSET = "/{symbol:path}"
"""Unified symbols contain a slash, which may be escaped or not."""


def _one(row: AssetRow, *, status: int = 200, **headers: str) -> Response:
    return json_answer(
        asset_document(row), status=status, headers={"ETag": etag(row.revision), **headers}
    )


@router.get(
    "",
    operation_id="listAssets",
    summary="List a key's trading assets",
    response_model=AssetPage,
)
@for_users(Scope.KEYS_READ)
async def list_assets(
    key_id: UUID, service: Service, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Response:
    """List the trading assets of the key's current contract type, ordered by symbol.

    Assets of the other contract type are kept, but not listed.
    """
    cursors = TextCursors("assets", key_id=key_id)
    page = await service.page(key_id, cursors.after(cursor), limit)
    return json_answer(page.envelope(cursors, asset_document))


@router.post(
    "",
    operation_id="addAsset",
    summary="Add a trading asset to a key",
    status_code=201,
    response_model=Asset,
    responses=problems(
        errors.AssetAlreadyAdded,
        errors.AssetQuotaReached,
        errors.MarginModeDiffers,
        errors.CatalogueUnknown,
        errors.UnknownSymbol,
        errors.LeverageAboveMax,
        errors.LeverageNotSettable,
        errors.MarginModeNotSupported,
        AmbiguousSymbol,
    ),
)
@for_users(Scope.KEYS_WRITE, action="asset.add")
async def add_asset(key_id: UUID, new: AssetCreate, service: Service) -> Response:
    """Allow the key's bot to trade one of the key's instruments."""
    row = await service.add(key_id, new)
    address = f"/v1/keys/{key_id}/assets/{quote(row.symbol, safe='')}"
    return _one(row, status=201, Location=address)


@router.get(
    _OF_ASSET,
    operation_id="getAsset",
    summary="Get a trading asset",
    response_model=Asset,
    responses=problems(AmbiguousSymbol),
)
@for_users(Scope.KEYS_READ)
async def get_asset(key_id: UUID, symbol: SymbolInPath, service: Service) -> Response:
    """Return one trading asset of the key's current contract type."""
    return _one(await service.get(key_id, symbol))


@router.patch(
    _OF_ASSET,
    operation_id="changeAsset",
    summary="Change a trading asset",
    response_model=AssetChanged,
    responses=problems(
        errors.PositionOpen,
        errors.SymbolHasOrders,
        errors.LeverageAboveMax,
        errors.LeverageNotSettable,
        errors.MarginModeNotSupported,
        AmbiguousSymbol,
    ),
)
@for_users(Scope.KEYS_WRITE, action="asset.change")
async def change_asset(
    key_id: UUID,
    symbol: SymbolInPath,
    change: AssetChange,
    service: Service,
    expected: Expected,
) -> Response:
    """Change leverage or margin mode, or enable or disable the asset.

    A disabled asset opens no new positions. The margin mode cannot change while a position is open
    on the symbol. Where an exchange has one margin mode for a whole account (`margin_mode_scope`),
    it changes for all trading assets of all keys of that account at once, while no position is open
    with any of them; `also_changed` lists the others.
    """
    row, others = await service.change(key_id, symbol, change, expected)
    return json_answer(changed_document(row, others), headers={"ETag": etag(row.revision)})


@router.delete(
    _OF_ASSET,
    operation_id="removeAsset",
    summary="Remove a trading asset",
    status_code=204,
    responses=problems(errors.PositionOpen, errors.SymbolHasOrders, AmbiguousSymbol),
)
@for_users(Scope.KEYS_WRITE, action="asset.remove")
async def remove_asset(
    key_id: UUID, symbol: SymbolInPath, service: Service, expected: Expected
) -> Response:
    """Stop the bot from opening positions on the symbol.

    The asset cannot be removed while a position is open on it.
    """
    await service.remove(key_id, symbol, expected)
    return Response(status_code=204)
