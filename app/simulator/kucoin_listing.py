"""KuCoin's futures listing: linear contracts, inverse ones, irregular rows.

docs/exchange-notes.md describes the field names and the irregular rows.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from app.simulator.formats import delivery_ms, number, quarter_end
from app.simulator.market import Asset, Quote, assets, text, tick, to_step

PERPETUAL, DATED = "FFWCSX", "FFICSX"
_OPENED_MS = 1_585_555_200_000
_FUNDING_MS = 8 * 3_600_000
_MONTHS = {3: "H", 6: "M", 9: "U", 12: "Z"}


@dataclass(frozen=True, slots=True)
class Contract:
    """One row. A lot is `multiplier` coins (linear) or one unit of the quote currency (inverse)."""

    symbol: str
    asset: Asset
    base: str
    quote: str
    settle: str
    tick: Decimal
    multiplier: Decimal
    inverse: bool = False
    ends_ms: int | None = None
    status: str = "Open"
    cross: bool = True
    share: float = 1.0

    @property
    def trades(self) -> bool:
        return self.status == "Open"

    @property
    def born(self) -> bool:
        return self.status != "Init"

    def row(self, quote: Quote, now_ms: int) -> dict[str, Any]:
        """Return a row with both the contract's specification and its prices."""
        funded = self.ends_ms is None
        margin = (1 / Decimal(self.asset.max_leverage)).quantize(Decimal("0.0001"))
        return {
            "symbol": self.symbol,
            "rootSymbol": self.settle,
            "type": PERPETUAL if funded else DATED,
            "firstOpenDate": _OPENED_MS,
            "expireDate": self.ends_ms,
            "settleDate": self.ends_ms,
            "baseCurrency": self.base,
            "quoteCurrency": self.quote,
            "settleCurrency": self.settle,
            "maxOrderQty": 1_000_000,
            "maxPrice": 1_000_000,
            "lotSize": 1,
            "tickSize": number(self.tick),
            "indexPriceTickSize": number(self.tick / 10),
            "multiplier": number(self.multiplier),
            "initialMargin": float(margin),
            "maintainMargin": float(margin / 2),
            "maxRiskLimit": 100_000,
            "minRiskLimit": 100_000,
            "riskStep": 50_000,
            "makerFeeRate": 0.0002,
            "takerFeeRate": 0.0006,
            "takerFixFee": 0,
            "makerFixFee": 0,
            "settlementFee": None,
            "isDeleverage": True,
            # Meaningless, as at KuCoin: contracts settled in their quote currency have it.
            "isQuanto": not self.inverse,
            "isInverse": self.inverse,
            "markMethod": "FairPrice",
            "fairMethod": "FundingRate" if funded else "ImpactMidPrice",
            "indexSymbol": f".K{self.base}{self.quote}",
            "settlementSymbol": "",
            "status": self.status,
            "fundingFeeRate": 5.2e-05 if funded else None,
            "predictedFundingFeeRate": 8.3e-05 if funded else None,
            "fundingRateGranularity": _FUNDING_MS if funded else None,
            "nextFundingRateTime": _FUNDING_MS - now_ms % _FUNDING_MS if funded else None,
            "openInterest": "6748176",
            "maxLeverage": self.asset.max_leverage,
            "sourceExchanges": ["okex", "binance", "kucoin", "bybit"],
            "supportCross": self.cross,
            **self._traded(quote),
        }

    def _traded(self, quote: Quote) -> dict[str, Any]:
        """Return `volumeOf24h` in coins (linear) or USD (inverse), `turnoverOf24h` vice versa."""
        if not self.born:
            names = (
                "turnoverOf24h",
                "volumeOf24h",
                "markPrice",
                "indexPrice",
                "lastTradePrice",
                "lowPrice",
                "highPrice",
                "priceChgPct",
                "priceChg",
            )
            return dict.fromkeys(names)
        if self.inverse:
            volume = to_step(quote.turnover, Decimal(1))
            turnover = (volume / quote.average).quantize(Decimal("1e-8"))
        else:
            volume = to_step(quote.turnover / quote.average, self.multiplier)
            turnover = volume * quote.average
        change = quote.last - quote.open
        return {
            "turnoverOf24h": number(turnover),
            "volumeOf24h": number(volume),
            "markPrice": number(quote.mark),
            "indexPrice": number(quote.index),
            "lastTradePrice": number(quote.last),
            "lowPrice": number(quote.low),
            "highPrice": number(quote.high),
            "priceChgPct": float((change / quote.open).quantize(Decimal("0.0001"))),
            "priceChg": number(change),
        }

    def ticker(self, quote: Quote, now_ms: int) -> dict[str, Any]:
        """Return the row of `allTickers`: prices are text, the time is in nanoseconds."""
        return {
            "sequence": now_ms,
            "symbol": self.symbol,
            "side": "sell",
            "size": 21,
            "tradeId": str(now_ms),
            "price": text(quote.last),
            "bestBidPrice": text(quote.bid),
            "bestBidSize": 2_767,
            "bestAskPrice": text(quote.ask),
            "bestAskSize": 5_368,
            "ts": now_ms * 1_000_000,
        }


def _name(asset: Asset) -> str:
    return "XBT" if asset.name == "BTC" else asset.name


def _linear(asset: Asset, quote: str = "USDT") -> Contract:
    """Return a contract whose lot is worth tens of dollars, however many coins that takes."""
    return Contract(
        symbol=f"{_name(asset)}{quote}M",
        asset=asset,
        base=_name(asset),
        quote=quote,
        settle=quote,
        tick=tick(asset.price),
        multiplier=Decimal(1).scaleb(1 - math.floor(math.log10(asset.price))),
        share=0.02 if quote == "USDC" else 0.6,
    )


def _inverse(asset: Asset) -> Contract:
    return Contract(
        symbol=f"{_name(asset)}USDM",
        asset=asset,
        base=_name(asset),
        quote="USD",
        settle=_name(asset),
        tick=tick(asset.price),
        multiplier=Decimal(-1),
        inverse=True,
        share=0.03,
    )


def listing(perpetuals: int, now_ms: int) -> tuple[Contract, ...]:
    """Return `perpetuals` linear and as many inverse perpetuals, followed by irregular rows."""
    coins = assets(perpetuals)
    return (*map(_linear, coins), *map(_inverse, coins), *_odd(now_ms))


def _odd(now_ms: int) -> Iterator[Contract]:
    btc, eth, *_ = assets(2)
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    for quarters in range(2):
        end = quarter_end(today, quarters)
        yield replace(
            _inverse(btc),
            symbol=f"XBTM{_MONTHS[end.month]}{end:%y}",
            ends_ms=delivery_ms(end),
            share=0.001,
        )
    yield _linear(btc, "USDC")
    yield _linear(eth, "USDC")
    for name, status in (
        ("DAWN", "Init"),
        ("DUSK", "BeingSettled"),
        ("OLD", "Settled"),
        ("HALT", "Paused"),
        ("GONE", "Closed"),
        ("LEAVING", "CancelOnly"),
    ):
        yield replace(_linear(Asset(name, 0.9, 1.0, 20)), status=status)
    yield replace(_linear(Asset("ALONE", 2.3, 90_000.0, 10)), cross=False)
