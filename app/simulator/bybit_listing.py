"""Bybit's linear and inverse listings, including irregular rows.

docs/exchange-notes.md describes the field names and the irregular rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from app.simulator.formats import delivery_ms, quarter_end
from app.simulator.market import EQUITY, METAL, Asset, Quote, assets, lot, text, tick, to_step

Category = Literal["linear", "inverse"]
CATEGORIES: tuple[Category, Category] = ("linear", "inverse")
_DAY_MS = 86_400_000
_FUNDING_MS = 8 * 3_600_000
_MONTHS = {3: "H", 6: "M", 9: "U", 12: "Z"}

_AUCTION = {
    "curAuctionPhase": "ContinuousTrading",
    "phases": [
        {"phase": "CallAuction", "startTime": "1735113600000", "endTime": "1735116600000"},
        {"phase": "ContinuousTrading", "startTime": "1735117200000", "endTime": ""},
    ],
    "auctionFeeInfo": {
        "auctionFeeRate": "0",
        "takerFeeRate": "0.001",
        "makerFeeRate": "0.0004",
    },
}


@dataclass(frozen=True, slots=True)
class Contract:
    """One row. Linear quantities are in the base coin, inverse ones in USD.

    `scale` is how many coins one unit of the base represents: 1000 for 1000PEPE. `ends_ms` is when
    a dated contract is delivered, or when a perpetual leaves the exchange.
    """

    category: Category
    symbol: str
    asset: Asset
    base: str
    quote: str
    settle: str
    tick: Decimal
    lot: Decimal
    scale: int = 1
    perpetual: bool = True
    status: str = "Trading"
    ends_ms: int = 0
    sort: str = ""
    share: float = 1.0

    @property
    def trades(self) -> bool:
        return self.status == "Trading"

    def row(self) -> dict[str, Any]:
        """Return the row of `instruments-info`; all numbers but the funding interval are text."""
        unborn = self.status == "PreLaunch"
        lot, inverse = text(self.lot), self.category == "inverse"
        side, term = self.category.capitalize(), "Perpetual" if self.perpetual else "Futures"
        return {
            "symbol": self.symbol,
            "contractType": side + term,
            "status": self.status,
            "baseCoin": self.base,
            "quoteCoin": self.quote,
            "launchTime": "1585526400000",
            "deliveryTime": str(self.ends_ms),
            "deliveryFeeRate": "" if self.perpetual else "0.0005",
            "priceScale": str(max(-int(self.tick.as_tuple().exponent), 0)),
            "leverageFilter": {
                "minLeverage": "1",
                "maxLeverage": f"{self.asset.max_leverage}.00",
                "leverageStep": "0.01",
            },
            "priceFilter": {
                "minPrice": text(self.tick),
                "maxPrice": text(self.tick * 19_999_998),
                "tickSize": text(self.tick),
            },
            "lotSizeFilter": {
                "maxOrderQty": text(self.lot * 1_190_000),
                "minOrderQty": lot,
                "qtyStep": lot,
                "postOnlyMaxOrderQty": text(self.lot * 1_190_000),
                "maxMktOrderQty": text(self.lot * 500_000),
                "minNotionalValue": "" if inverse else "5",
            },
            "unifiedMarginTrade": True,
            "fundingInterval": 480 if self.perpetual else 0,
            "settleCoin": self.settle,
            "copyTrading": "none" if inverse else "both",
            "upperFundingRate": "0.00375",
            "lowerFundingRate": "-0.00375",
            "isPreListing": unborn,
            "preListingInfo": _AUCTION if unborn else None,
            "riskParameters": {"priceLimitRatioX": "0.01", "priceLimitRatioY": "0.02"},
            "symbolType": self.sort,
        }

    def ticker(self, quote: Quote, now_ms: int) -> dict[str, Any]:
        """Return the row of `tickers`: `volume24h` is in base (linear) or USD (inverse)."""
        if self.category == "inverse":
            volume = to_step(quote.turnover, Decimal(1))
            turnover = volume / quote.average
        else:
            volume = to_step(quote.turnover / quote.average, self.lot)
            turnover = volume * quote.average
        funded = self.perpetual
        return {
            "symbol": self.symbol,
            "lastPrice": text(quote.last),
            "indexPrice": text(quote.index),
            "markPrice": text(quote.mark),
            "prevPrice24h": text(quote.open),
            "price24hPcnt": text((quote.last / quote.open - 1).quantize(Decimal("1e-6"))),
            "highPrice24h": text(quote.high),
            "lowPrice24h": text(quote.low),
            "prevPrice1h": text(quote.open),
            "openInterest": text(self.lot * 90_000),
            "openInterestValue": text((self.lot * 90_000 * quote.mark).quantize(Decimal("0.01"))),
            "turnover24h": text(turnover.quantize(Decimal("0.0001"))),
            "volume24h": text(volume),
            "fundingRate": "0.0001" if funded else "",
            "nextFundingTime": str((now_ms // _FUNDING_MS + 1) * _FUNDING_MS) if funded else "0",
            "predictedDeliveryPrice": "",
            "basisRate": "",
            "deliveryFeeRate": "",
            "deliveryTime": str(self.ends_ms),
            "ask1Size": text(self.lot * 40),
            "bid1Price": text(quote.bid),
            "ask1Price": text(quote.ask),
            "bid1Size": text(self.lot * 25),
            "basis": "",
            "preOpenPrice": "",
            "preQty": "",
            "curPreListingPhase": "",
            "fundingIntervalHour": "8" if funded else "",
            "basisRateYear": "",
            "fundingCap": "0.005" if funded else "",
        }


def _linear(asset: Asset, quote: str = "USDT") -> Contract:
    scale = 1000 if asset.thousands else 1
    # One name has its multiplier after the coin instead of before it.
    names = {"SHIB": "SHIB1000"}
    base = names.get(asset.name, f"1000{asset.name}") if asset.thousands else asset.name
    price = asset.price * scale
    return Contract(
        category="linear",
        symbol=f"{base}PERP" if quote == "USDC" else base + quote,
        asset=asset,
        base=base,
        quote=quote,
        settle=quote,
        tick=Decimal("0.10") if asset.name == "BTC" else tick(price),
        lot=lot(price),
        scale=scale,
        share=0.05 if quote == "USDC" else 0.8,
    )


def _inverse(asset: Asset) -> Contract:
    return Contract(
        category="inverse",
        symbol=f"{asset.name}USD",
        asset=asset,
        base=asset.name,
        quote="USD",
        settle=asset.name,
        tick=Decimal("0.10") if asset.name == "BTC" else tick(asset.price),
        lot=Decimal(1),
        share=0.05,
    )


def listing(category: Category, perpetuals: int, now_ms: int) -> tuple[Contract, ...]:
    """Return `perpetuals` trading perpetuals, and rows that a client must leave out."""
    make = _linear if category == "linear" else _inverse
    regular = tuple(make(asset) for asset in assets(perpetuals))
    return (*regular, *_odd(category, now_ms))


def _odd(category: Category, now_ms: int) -> Iterator[Contract]:
    btc, eth, *_ = assets(2)
    make = _linear if category == "linear" else _inverse
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    for asset in (btc, eth):
        for quarters in range(2):
            end = quarter_end(today, quarters)
            whole = make(asset)
            mark = f"-{end:%d%b%y}".upper() if category == "linear" else _MONTHS[end.month]
            yield replace(
                whole,
                symbol=whole.symbol + mark + ("" if category == "linear" else f"{end:%y}"),
                perpetual=False,
                ends_ms=delivery_ms(end),
                share=0.01,
            )
    # Still trading but about to be delisted: a perpetual with a delivery time.
    leaving = make(Asset("LEAVING", 0.37, 400_000.0, 25))
    yield replace(leaving, ends_ms=now_ms + 5 * _DAY_MS)
    yield replace(make(Asset("GONE", 0.08, 1.0, 20)), status="Closed", ends_ms=1_735_000_000_000)
    yield replace(make(Asset("ENDING", 0.12, 1.0, 20)), status="Delivering", ends_ms=now_ms)
    if category == "inverse":
        return
    yield _linear(btc, "USDC")
    yield _linear(eth, "USDC")
    yield replace(_linear(EQUITY), sort="stock")
    yield replace(_linear(METAL), sort="commodity")
    yield replace(_linear(Asset("DAWN", 0.9, 1.0, 20)), status="PreLaunch")
