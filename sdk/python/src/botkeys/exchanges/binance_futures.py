"""What Binance's futures hosts answer: `fapi` (linear) and `dapi` (inverse)."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial

from botkeys.exchanges.errors import BadPayload
from botkeys.exchanges.model import ContractType, Instrument, MarginMode, Ticker
from botkeys.exchanges.parsing import (
    Row,
    as_asset,
    as_decimal,
    as_positive,
    as_text,
    as_time,
    listing,
    object_of,
    rows_of,
)

EXCHANGE = "binance"

_PERPETUAL = frozenset({"PERPETUAL", "TRADIFI_PERPETUAL"})
_DATED = frozenset({"CURRENT_MONTH", "NEXT_MONTH", "CURRENT_QUARTER", "NEXT_QUARTER"})
_NEVER = 4_133_404_800_000  # the deliveryDate of a contract that is never delivered
_MARGIN_MODES = (MarginMode.CROSS, MarginMode.ISOLATED)


def parse_instruments(payload: object, contract_type: ContractType) -> Sequence[Instrument]:
    """Parse `exchangeInfo` of one host: perpetuals and dated contracts in the state TRADING."""
    rows = rows_of(EXCHANGE, object_of(EXCHANGE, payload).get("symbols"))
    return listing(EXCHANGE, rows, partial(_instrument, contract_type))


def _instrument(contract_type: ContractType, row: Row) -> Instrument | None:
    linear = contract_type is ContractType.LINEAR
    if row.get("status" if linear else "contractStatus") != "TRADING":
        return None
    delivered = as_time(row.get("deliveryDate")) if _kind(row) in _DATED else None
    if delivered is None and not _is_perpetual(row):
        return None
    filters = _filters(row)
    price, lot = filters.get("PRICE_FILTER", {}), filters.get("LOT_SIZE", {})
    symbol = as_text(row.get("symbol"))
    base, quote_asset = as_asset(row.get("baseAsset")), as_asset(row.get("quoteAsset"))
    settle = as_asset(row.get("marginAsset"))
    size = Decimal(1) if linear else as_positive(row.get("contractSize"))
    tick, step = as_positive(price.get("tickSize")), as_positive(lot.get("stepSize"))
    if not (symbol and base and quote_asset and settle and size and tick and step):
        return None
    return Instrument(
        symbol=symbol,
        base=base,
        quote=quote_asset,
        settle=settle,
        contract_type=contract_type,
        contract_size=size,
        tick_size=tick,
        lot_size=step,
        min_quantity=as_positive(lot.get("minQty")) or step,
        max_leverage=None,  # no public call returns it
        margin_modes=_MARGIN_MODES,
        expires_at=delivered,
        dated=delivered is not None,
    )


def _kind(row: Row) -> str:
    kind = row.get("contractType")
    return kind if isinstance(kind, str) else ""


def _is_perpetual(row: Row) -> bool:
    kind = _kind(row)
    return kind in _PERPETUAL or (kind not in _DATED and row.get("deliveryDate") == _NEVER)


def _filters(row: Row) -> Mapping[str, Row]:
    filters = row.get("filters")
    if not isinstance(filters, list):
        return {}
    found = [item for item in filters if isinstance(item, dict)]
    return {kind: item for item in found if isinstance(kind := item.get("filterType"), str)}


def parse_linear_tickers(payload: object) -> Sequence[Ticker]:
    """Parse `ticker/24hr` of the linear host: `quoteVolume` is already in the quote asset."""

    def ticker(row: Row) -> Ticker | None:
        symbol = as_text(row.get("symbol"))
        price, volume = as_positive(row.get("lastPrice")), as_decimal(row.get("quoteVolume"))
        return Ticker(symbol, price, volume) if symbol else None

    return listing(EXCHANGE, rows_of(EXCHANGE, payload), ticker)


def parse_inverse_tickers(
    payload: object, contract_sizes: Mapping[str, Decimal]
) -> Sequence[Ticker]:
    """Parse `ticker/24hr` of the inverse host: `volume` counts contracts of a fixed USD size.

    Chosen by host, never by presence of a field. Symbols without a contract size are left out.
    """

    def ticker(row: Row) -> Ticker | None:
        symbol, contracts = as_text(row.get("symbol")), as_decimal(row.get("volume"))
        size = None if symbol is None else contract_sizes.get(symbol)
        if symbol is None or size is None:
            return None
        volume = None if contracts is None else contracts * size
        return Ticker(symbol, as_positive(row.get("lastPrice")), volume)

    return listing(EXCHANGE, rows_of(EXCHANGE, payload), ticker)


def parse_leverage(payload: object) -> Mapping[str, Decimal]:
    """Parse `leverageBracket`: the highest `initialLeverage` of each symbol."""
    maximum: dict[str, Decimal] = {}
    for row in rows_of(EXCHANGE, payload):
        symbol, brackets = as_text(row.get("symbol")), row.get("brackets")
        if symbol is None or not isinstance(brackets, list):
            continue
        found = [as_positive(b.get("initialLeverage")) for b in brackets if isinstance(b, dict)]
        known = [leverage for leverage in found if leverage is not None]
        if known:
            maximum[symbol] = max(known)
    return maximum


def parse_can_trade(payload: object) -> bool:
    """Return whether the account may trade futures, which proves nothing about the key."""
    can_trade = object_of(EXCHANGE, payload).get("canTrade")
    if not isinstance(can_trade, bool):
        raise BadPayload(EXCHANGE)
    return can_trade
