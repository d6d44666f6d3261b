"""The routes by which a user brings history (role `api`)."""

from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response

from app.api.access import for_users
from app.api.json_response import json_answer
from app.api.openapi import FILE_SCHEMAS
from app.api.problems import problems
from app.api.route import EdgeRoute, media_type_of
from app.auth.scopes import Scope
from app.domains.accounts.timezones import TimeZone
from app.domains.imports.deps import Imports, Place
from app.domains.imports.errors import DailyImportExceeded, ImportEnded, ImportInProgress
from app.domains.imports.formats.registry import CSV, FORMATS, JSON, MEDIA_TYPES, NDJSON
from app.domains.imports.schemas import ImportFormat, OnError, RefusedRows
from app.domains.imports.service import Wanted
from app.domains.operations.responses import operation_answer
from app.domains.operations.schemas import Operation
from app.errors import NotFound

_EXAMPLE = {
    "items": [
        {
            "id": "2026-11-22-0001",
            "bot": {"id": "01938a5e-0000-7000-8000-000000000001", "name": "Grid BTC"},
            "key": {"id": "01938a5e-0000-7000-8000-000000000002", "label": "OKX paper"},
            "exchange": "okx",
            "environment": "testnet",
            "contract_type": "linear",
            "symbol": "BTC-USDT-SWAP",
            "side": "long",
            "quantity": "0.5",
            "entry_price": "97012.5",
            "exit_price": "98100",
            "fees": "1.25",
            "pnl": "542.5",
            "settle": "USDT",
            "contract_size": "1",
            "leverage": "10",
            "margin_mode": None,
            "position_id": None,
            "exit_reason": "take profit",
            "opened_at": "2026-11-22T09:00:00Z",
            "closed_at": "2026-11-22T10:00:00Z",
            "stored_at": "2026-11-22T10:00:01Z",
            "import_id": None,
            "other_fees": [{"asset": "BNB", "amount": "0.0021"}],
        }
    ],
    "next_cursor": None,
}
_FILE = {
    FILE_SCHEMAS: {
        "TradeFile": {
            "description": "A file of trades, as its `format` defines it. The example is a page of "
            "`listTrades`.",
            "examples": [_EXAMPLE],
        }
    },
    "requestBody": {
        "required": True,
        "description": "The file, up to 512 MiB and 1,000,000 rows, in UTF-8. In JSON a document "
        "of the format, or the array of its rows alone.",
        "content": {
            JSON: {"schema": {"$ref": "#/components/schemas/TradeFile"}},
            NDJSON: {"schema": {"type": "string"}, "example": '{"id":"2026-11-22-0001",…}\n'},
            CSV: {
                "schema": {"type": "string"},
                "example": "id,bot_id,bot_name,key_id,key_label,exchange,…\r\n",
            },
        },
    },
}
router = APIRouter(prefix="/v1/trades/import", tags=["trading data"], route_class=EdgeRoute)


@router.post(
    "",
    operation_id="importTrades",
    summary="Import trades",
    status_code=202,
    response_model=Operation,
    responses=problems(NotFound, ImportInProgress, ImportEnded, DailyImportExceeded),
    openapi_extra=_FILE,
    dependencies=[Place],
)
@for_users(Scope.DATA_WRITE, action="data.import", replayable=False, files=MEDIA_TYPES)
async def import_trades(
    request: Request,
    service: Imports,
    key_id: Annotated[UUID, Query(description="The key that the trades were made with.")],
    format_: Annotated[
        ImportFormat, Query(alias="format", description="Who wrote the file.")
    ] = "botkeys",
    bot_id: Annotated[
        UUID | None,
        Query(
            description="The bot that the trades belong to. Without it a trade belongs to the bot "
            "that the file names, or to none."
        ),
    ] = None,
    on_error: Annotated[OnError, Query(description="What a refused row leads to.")] = "report",
    dry_run: Annotated[
        bool, Query(description="Check everything and count, but store nothing.")
    ] = False,
    time_zone: Annotated[
        TimeZone | None,
        Query(
            description="The zone of the times in a CSV file of Bybit's website, whose newer "
            "exports do not name it."
        ),
    ] = None,
) -> Response:
    """Import trades from a file.

    The file is checked while it arrives; then the operation stores its rows. Its receipt counts the
    rows that were stored, were stored before, or were refused; `listRefusedRows` shows the latter.
    A file that is not readable to its end stores nothing. Importing a file again changes nothing.

    An account has one import at a time. Cancelling the operation removes what it has stored.
    """
    zone = None if time_zone is None else ZoneInfo(time_zone)
    wanted = Wanted(FORMATS[format_], key_id, bot_id, on_error, dry_run, zone)
    row = await service.receive(wanted, media_type_of(request), request.stream())
    return operation_answer(row, status=202)


@router.get(
    "/{operation_id}/refused",
    operation_id="listRefusedRows",
    summary="List the refused rows of an import",
    response_model=RefusedRows,
)
@for_users(Scope.DATA_READ)
async def list_refused_rows(operation_id: UUID, service: Imports) -> Response:
    """List the refused rows of an import, in the order of the file.

    The first 1000 are kept as long as the operation.
    """
    return json_answer({"items": await service.refused(operation_id), "next_cursor": None})
