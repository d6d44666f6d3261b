"""Kraken's futures listing: multi-collateral and inverse contracts, irregular rows.

docs/exchange-notes.md describes the field names and the irregular rows.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from app.simulator.formats import delivery_ms, iso, number, quarter_end
from app.simulator.market import EQUITY, Asset, Quote, assets, lot, tick, to_step

FLEXIBLE, INVERSE, VANILLA = "flexible_futures", "futures_inverse", "futures_vanilla"
Margins = Literal["all", "retail", "schedules"]
_OPENED_MS = 1_647_951_525_000
# Cheap coins trade in steps of at least a thousand: their precision is negative.
_COARSEST = Decimal(1_000)


@dataclass(frozen=True, slots=True)
class Contract:
    """One row. A contract is one coin (flexible) or one USD (inverse).

    `margins`: which lists of margin levels the row has. `plain`: a row as in 2021, without the
    fields that name its coin. `quiet`: nothing has been traded in it yet.
    """

    symbol: str
    kind: str
    asset: Asset
    base: str
    tick: Decimal
    lot: Decimal
    ends_ms: int | None = None
    tradeable: bool = True
    margins: Margins = "all"
    plain: bool = False
    quiet: bool = False
    category: str = "Layer 1"
    tradfi: bool = False
    share: float = 1.0

    @property
    def inverse(self) -> bool:
        return self.kind == INVERSE

    @property
    def pair(self) -> str:
        return f"{self.base}:USD"

    def row(self) -> dict[str, Any]:
        row = {
            "symbol": self.symbol,
            "type": self.kind,
            "tickSize": number(self.tick),
            "contractSize": 1,
            "tradeable": self.tradeable,
            "impactMidSize": float(self.lot * 100),
            "maxPositionSize": float(self.lot * 1_000_000),
            "openingDate": iso(_OPENED_MS, "seconds"),
            "fundingRateCoefficient": 24,
            "maxRelativeFundingRate": 0.0025,
            "isin": "GB00J62YGL67",
            "contractValueTradePrecision": -round(math.log10(self.lot)),
            "postOnly": not self.tradeable,
            "feeScheduleUid": "723888f7-0a8e-4183-8648-f920a22339e3",
            "mtf": True,
            **self._margins(),
        }
        if self.inverse:
            row["underlying"] = f"rr_{self.symbol.split('_')[1].lower()}"
        if self.ends_ms is not None:
            row["lastTradingTime"] = iso(self.ends_ms)
        if not self.plain:
            row |= {"base": self.base, "quote": "USD", "pair": self.pair}
            row |= {"category": self.category, "tags": [], "tradfi": self.tradfi}
        return row

    def _margins(self) -> dict[str, Any]:
        """Return the margin levels; the first allows the most, a tenth of it for retail clients."""
        most = Decimal(min(self.asset.max_leverage, 50))
        levels, retail = self._levels(1 / most), self._levels(min(10 / most, Decimal("0.5")))
        if self.margins == "retail":
            return {"retailMarginLevels": retail}
        schedules = {"europa": {"retail": retail, "professional": levels}}
        if self.margins == "schedules":
            return {"marginSchedules": schedules}
        return {"marginLevels": levels, "retailMarginLevels": retail, "marginSchedules": schedules}

    def _levels(self, first: Decimal) -> list[dict[str, Any]]:
        unit = "contracts" if self.inverse else "numNonContractUnits"
        return [
            {
                unit: size if self.inverse else float(size),
                "initialMargin": float(first * times),
                "maintenanceMargin": float(first * times / 2),
            }
            for size, times in ((0, 1), (500_000, 2))
        ]

    def ticker(self, quote: Quote, now_ms: int) -> dict[str, Any]:
        """Return the row of `tickers`: `vol24h` counts coins (flexible) or USD (inverse)."""
        row = {
            "symbol": self.symbol,
            "tag": "perpetual" if self.ends_ms is None else "quarter",
            "pair": self.pair,
            "markPrice": number(quote.mark),
            "vol24h": 0,
            "volumeQuote": 0,
            "openInterest": float(self.lot * 90_000),
            "suspended": not self.tradeable,
            "indexPrice": number(quote.index),
            "postOnly": not self.tradeable,
        }
        if self.quiet:
            return row
        if self.inverse:
            volume = to_step(quote.turnover, self.lot)
            # Neither USD nor coins, as in the recording; its unit is unknown.
            volume_quote = volume / 81
        else:
            volume = to_step(quote.turnover / quote.average, self.lot)
            volume_quote = volume * quote.average
        change = (quote.last / quote.open - 1) * 100
        return row | {
            "last": number(quote.last),
            "lastTime": iso(now_ms),
            "lastSize": float(self.lot),
            "bid": number(quote.bid),
            "bidSize": float(self.lot * 25),
            "ask": number(quote.ask),
            "askSize": float(self.lot * 40),
            "vol24h": float(volume),
            "volumeQuote": float(volume_quote.quantize(Decimal("0.0001"))),
            "open24h": number(quote.open),
            "high24h": number(quote.high),
            "low24h": number(quote.low),
            "change24h": float(change.quantize(Decimal("0.01"))),
            "fundingRate": 1.5e-05,
            "fundingRatePrediction": 1.2e-05,
        }


def index_row(symbol: str) -> dict[str, Any]:
    return {"symbol": symbol, "type": "spot index", "tradeable": False}


def _name(asset: Asset) -> str:
    return "XBT" if asset.name == "BTC" else asset.name


def _flexible(asset: Asset) -> Contract:
    coarse = asset.thousands
    return Contract(
        symbol=f"PF_{_name(asset)}USD",
        kind=FLEXIBLE,
        asset=asset,
        base=asset.name,
        tick=Decimal(1) if asset.name == "BTC" else tick(asset.price),
        lot=_COARSEST if coarse else lot(asset.price) / (10 if asset.name == "BTC" else 1),
    )


def _inverse(asset: Asset) -> Contract:
    return Contract(
        symbol=f"PI_{_name(asset)}USD",
        kind=INVERSE,
        asset=asset,
        base=asset.name,
        tick=Decimal("0.5") if asset.name == "BTC" else tick(asset.price),
        lot=Decimal(1),
        share=0.05,
    )


def listing(perpetuals: int, now_ms: int) -> tuple[Contract, ...]:
    """Return `perpetuals` inverse and as many flexible perpetuals, followed by irregular rows."""
    coins = assets(perpetuals)
    return (*map(_inverse, coins), *map(_flexible, coins), *_odd(now_ms))


def _odd(now_ms: int) -> Iterator[Contract]:
    btc, eth, *_ = assets(2)
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    for asset in (btc, eth):
        for make, mark in ((_inverse, "FI"), (_flexible, "FF")):
            end = quarter_end(today, 0)
            yield replace(
                make(asset),
                symbol=f"{mark}_{_name(asset)}USD_{end:%y%m%d}",
                ends_ms=delivery_ms(end, 15),
                share=0.01,
            )
    end = quarter_end(today, 1)
    yield replace(
        _flexible(eth),
        symbol=f"FV_ETHUSD_{end:%y%m%d}",
        kind=VANILLA,
        ends_ms=delivery_ms(end, 15),
        share=0.001,
    )
    # Mixed-case, and to be sent back exactly as written.
    stock = replace(EQUITY, name=f"{EQUITY.name}x")
    yield replace(_flexible(stock), category="Stocks", tradfi=True)
    yield replace(_flexible(Asset("GONE", 0.08, 1.0, 20)), tradeable=False)
    yield replace(_flexible(Asset("DAWN", 1.3, 1.0, 20)), quiet=True)
    yield replace(_flexible(Asset("RETAIL", 3.1, 9_000.0, 20)), margins="retail")
    yield replace(_flexible(Asset("LAWS", 0.9, 9_000.0, 20)), margins="schedules")
    old = _inverse(Asset("DASH", 41.0, 90_000.0, 20))
    yield replace(old, symbol=old.symbol.lower(), plain=True)
