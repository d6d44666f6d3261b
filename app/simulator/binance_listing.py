"""The listings of Binance USDS-M (`fapi`) and COIN-M (`dapi`), including irregular rows.

docs/exchange-notes.md describes the field names and the irregular rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal
from zlib import crc32

from app.simulator.formats import delivery_ms, quarter_end
from app.simulator.market import EQUITY, METAL, Asset, Quote, assets, lot, text, tick, to_step

Family = Literal["fapi", "dapi"]

NEVER = 4_133_404_800_000
_DAY_MS = 86_400_000
_ONBOARD = {"fapi": 1_569_398_400_000, "dapi": 1_597_042_800_000}
_ORDER_TYPES = [
    "LIMIT",
    "MARKET",
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
]


@dataclass(frozen=True, slots=True)
class Contract:
    """One row of the listing. `size` is USD per contract on dapi, and 1 on fapi.

    `scale` is how many coins one unit of the base represents: 1000 for 1000SHIB.
    """

    family: Family
    symbol: str
    pair: str
    asset: Asset
    base: str
    quote: str
    margin: str
    tick: Decimal
    lot: Decimal
    size: int = 1
    scale: int = 1
    kind: str = "PERPETUAL"
    state: str = "TRADING"
    underlying: str = "COIN"
    delivery: int = NEVER
    opened: int | None = None
    share: float = 1.0

    @property
    def trades(self) -> bool:
        return self.state == "TRADING"

    @property
    def onboard(self) -> int:
        """Return a day since the family began, the same for a pair on each run."""
        if self.opened is not None:
            return self.opened
        days = 0 if self.asset.name == "BTC" else crc32(self.pair.encode()) % 1_800
        return _ONBOARD[self.family] + days * _DAY_MS

    def row(self) -> dict[str, Any]:
        """Return the row of `exchangeInfo`."""
        inverse = self.family == "dapi"
        minimum = {"filterType": "MIN_NOTIONAL", "notional": _notional(self.asset)}
        row = {
            "symbol": self.symbol,
            "pair": self.pair,
            "contractType": self.kind,
            "deliveryDate": self.delivery,
            "onboardDate": self.onboard,
            "contractStatus" if inverse else "status": self.state,
            "maintMarginPercent": "2.5000",
            "requiredMarginPercent": "5.0000",
            "baseAsset": self.base,
            "quoteAsset": self.quote,
            "marginAsset": self.margin,
            # These differ from tick and step: a client that confuses them is wrong here as with
            # Binance.
            "pricePrecision": 8 if inverse else 7,
            "quantityPrecision": 0 if inverse else 3,
            "baseAssetPrecision": 8,
            "quotePrecision": 8,
            "underlyingType": self.underlying,
            "underlyingSubType": ["TradFi"] if self.underlying != "COIN" else ["Layer-1"],
            "triggerProtect": "0.0500",
            "liquidationFee": "0.012500",
            "marketTakeBound": "0.05",
            "maxMoveOrderLimit": 10_000,
            "filters": [*self._filters(), *([] if inverse else [minimum])],
            "orderTypes": _ORDER_TYPES,
            "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
        }
        if inverse:
            return row | {"contractSize": self.size, "equalQtyPrecision": 4}
        return row | {"permissionSets": ["GRID", "COPY"]}

    def _filters(self) -> Iterator[dict[str, Any]]:
        tick, lot = text(self.tick), text(self.lot)
        yield {
            "filterType": "PRICE_FILTER",
            "minPrice": tick,
            "maxPrice": text(self.tick * 10_000_000),
            "tickSize": tick,
        }
        for kind, most in (("LOT_SIZE", 1_000_000), ("MARKET_LOT_SIZE", 60_000)):
            yield {
                "filterType": kind,
                "minQty": lot,
                "maxQty": text(self.lot * most),
                "stepSize": lot,
            }
        yield {"filterType": "MAX_NUM_ORDERS", "limit": 200}
        yield {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 20}
        yield {
            "filterType": "PERCENT_PRICE",
            "multiplierDown": "0.9500",
            "multiplierUp": "1.0500",
            "multiplierDecimal": "4",
        }

    def ticker(self, quote: Quote, now_ms: int) -> dict[str, Any]:
        """Return the row of `ticker/24hr`: fapi counts base and quote, dapi contracts and base."""
        change = quote.last - quote.open
        row = {
            "symbol": self.symbol,
            "priceChange": text(change),
            "priceChangePercent": text((change / quote.open * 100).quantize(Decimal("0.001"))),
            "weightedAvgPrice": text(quote.average),
            "lastPrice": text(quote.last),
            "lastQty": text(self.lot),
            "openPrice": text(quote.open),
            "highPrice": text(quote.high),
            "lowPrice": text(quote.low),
            "openTime": now_ms - _DAY_MS,
            "closeTime": now_ms,
            "firstId": 1,
            "lastId": quote.trades,
            "count": quote.trades,
        }
        if self.family == "dapi":
            contracts = to_step(quote.turnover / self.size, Decimal(1))
            base = (contracts * self.size / quote.average).quantize(Decimal("1e-8"))
            return row | {"pair": self.pair, "volume": text(contracts), "baseVolume": text(base)}
        volume = to_step(quote.turnover / quote.average, self.lot)
        return row | {
            "volume": text(volume),
            "quoteVolume": text((volume * quote.average).quantize(Decimal("0.01"))),
        }

    def premium(self, quote: Quote, now_ms: int) -> dict[str, Any]:
        """Return the row of `premiumIndex`, with empty fields for dated contracts."""
        funded = self.delivery == NEVER
        period = 8 * 3_600_000
        row = {
            "symbol": self.symbol,
            "markPrice": text(quote.mark),
            "indexPrice": text(quote.index),
            "estimatedSettlePrice": text(quote.index),
            "lastFundingRate": "0.00010000" if funded else "",
            "interestRate": "0.00010000" if funded else "",
            "nextFundingTime": (now_ms // period + 1) * period if funded else 0,
            "time": now_ms,
        }
        return row | ({"pair": self.pair} if self.family == "dapi" else {})

    def brackets(self) -> dict[str, Any]:
        """Return the row of `leverageBracket`: the first bracket allows the highest leverage."""
        most = self.asset.max_leverage
        unit = "qty" if self.family == "dapi" else "notional"
        levels = [most, *(level for level in (100, 50, 20, 10, 5, 2, 1) if level < most)]
        brackets = [
            {
                "bracket": at,
                "initialLeverage": level,
                f"{unit}Cap": 50_000 * 4**at,
                f"{unit}Floor": 50_000 * 4 ** (at - 1) if at > 1 else 0,
                "maintMarginRatio": round(0.5 / level, 6),
                "cum": 0.0,
            }
            for at, level in enumerate(levels, start=1)
        ]
        # Only accounts with caps of their own have this field.
        owned = {"notionalCoef": 1.5} if self.base == "ETH" else {}
        return {"symbol": self.symbol, "brackets": brackets} | owned


def _notional(asset: Asset) -> str:
    return {"BTC": "100", "ETH": "20"}.get(asset.name, "5")


def _linear(asset: Asset, quote: str = "USDT", share: float = 1.0) -> Contract:
    scale = 1000 if asset.thousands else 1
    base = f"{scale}{asset.name}" if asset.thousands else asset.name
    price = asset.price * scale
    btc = asset.name == "BTC"
    return Contract(
        family="fapi",
        symbol=base + quote,
        pair=base + quote,
        asset=asset,
        base=base,
        quote=quote,
        margin=quote,
        tick=Decimal("0.10") if btc else tick(price),
        lot=lot(price),
        scale=scale,
        share=share,
    )


def _inverse(asset: Asset) -> Contract:
    return Contract(
        family="dapi",
        symbol=f"{asset.name}USD_PERP",
        pair=f"{asset.name}USD",
        asset=asset,
        base=asset.name,
        quote="USD",
        margin=asset.name,
        tick=tick(asset.price),
        lot=Decimal(1),
        size=100 if asset.name == "BTC" else 10,
        share=0.06,
    )


def listing(family: Family, count: int, now_ms: int) -> tuple[Contract, ...]:
    """Return `count` trading perpetuals, and rows that a client must leave out."""
    make = _linear if family == "fapi" else _inverse
    regular = tuple(make(asset) for asset in assets(count))
    return (*regular, *_odd(family, now_ms))


def _odd(family: Family, now_ms: int) -> Iterator[Contract]:
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    btc, eth, *_ = assets(2)
    make = _linear if family == "fapi" else _inverse
    for asset in (btc, eth):
        for quarters, kind in enumerate(("CURRENT_QUARTER", "NEXT_QUARTER")):
            end = quarter_end(today, quarters)
            yield replace(
                make(asset),
                symbol=f"{make(asset).pair}_{end:%y%m%d}",
                kind=kind,
                delivery=delivery_ms(end),
                share=0.01,
            )
    if family == "dapi":
        gone = Asset("WAVES", 1.13, 90_000.0, 20)
        yield replace(_inverse(gone), kind="PERPETUAL DELIVERING", state="DELIVERING")
        return
    yield _linear(btc, "USDC", 0.2)
    yield _linear(eth, "USDC", 0.2)
    yield replace(_linear(EQUITY), kind="TRADIFI_PERPETUAL", underlying="EQUITY")
    yield replace(_linear(METAL), kind="TRADIFI_PERPETUAL", underlying="COMMODITY")
    yield replace(_linear(Asset("OLD", 0.41, 1.0, 20)), state="SETTLING")
    unborn = _linear(Asset("NEW", 1.7, 1.0, 20))
    yield replace(unborn, kind="", state="PENDING_TRADING", opened=now_ms + _DAY_MS)
