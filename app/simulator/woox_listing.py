"""WOO X's listing: linear perpetuals in USDT and spot pairs, distinguished by the symbol's prefix.

docs/exchange-notes.md describes the field names and the irregular rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from app.simulator.market import Asset, Quote, assets, lot, text, tick, to_step

_LEVELS = (100, 50, 25, 20, 10, 5)
_FUNDING_MS = 8 * 3_600_000


@dataclass(frozen=True, slots=True)
class Pair:
    """One row; quantities count units of the base, each of which represents `scale` coins.

    `margin` is false if the row has no margin, `listed` if only the prices contain the pair,
    `traded` if there has been no trade and the index has no source.
    """

    symbol: str
    asset: Asset
    base: str
    quote: str
    tick: Decimal
    lot: Decimal
    scale: int = 1
    status: str = "TRADING"
    margin: bool = True
    listed: bool = True
    traded: bool = True

    @property
    def perpetual(self) -> bool:
        return self.symbol.startswith("PERP_")

    @property
    def trades(self) -> bool:
        return self.status == "TRADING" and self.listed

    @property
    def leverage(self) -> int:
        return next(level for level in _LEVELS if level <= self.asset.max_leverage)

    def row(self) -> dict[str, Any]:
        row: dict[str, Any] = {
            "symbol": self.symbol,
            "status": self.status,
            "baseAsset": self.base,
            "baseAssetMultiplier": self.scale,
            "quoteAsset": self.quote,
            "quoteMin": "0",
            "quoteMax": text(self.tick * 10_000_000),
            "quoteTick": text(self.tick),
            "baseMin": text(self.lot),
            "baseMax": text(self.lot * 1_000_000),
            "baseTick": text(self.lot),
            "minNotional": "1",
            "bidCapRatio": "1.1",
            "bidFloorRatio": "0.9" if self.perpetual else None,
            "askCapRatio": "1.1" if self.perpetual else None,
            "askFloorRatio": "0.9",
            "orderMode": "NORMAL",
            "impactNotional": "10000" if self.perpetual else None,
            "isAllowedRpi": self.perpetual,
            "tickGranularity": None,
        }
        if not self.perpetual:
            return row
        row |= {"fundingIntervalHours": 8, "fundingCap": "0.00375", "fundingFloor": "-0.00375"}
        if self.margin:
            initial = Decimal(1) / self.leverage
            row |= {"baseIMR": text(initial), "baseMMR": text(initial * Decimal("0.6"))}
        return row

    def ticker(self, quote: Quote, now_ms: int) -> dict[str, Any]:
        """Return the row of `public/futures`: `24hVolume` in base, `24hAmount` in quote."""
        volume = to_step(quote.turnover / quote.average, self.lot) if self.traded else Decimal(0)
        return {
            "symbol": self.symbol,
            "indexPrice": text(quote.index) if self.traded else None,
            "markPrice": text(quote.mark),
            "estFundingRate": "0.00008868",
            "lastFundingRate": "0.00008545",
            "openInterest": text(volume / 4),
            "24hOpen": text(quote.open) if self.traded else "0",
            "24hClose": text(quote.last) if self.traded else "0",
            "24hHigh": text(quote.high) if self.traded else "0",
            "24hLow": text(quote.low) if self.traded else "0",
            "24hVolume": text(volume),
            "24hAmount": text(volume * quote.average),
            "nextFundingTime": (now_ms // _FUNDING_MS + 1) * _FUNDING_MS,
        }


def _perpetual(asset: Asset) -> Pair:
    scale = 1000 if asset.thousands else 1
    base = f"{scale}{asset.name}" if asset.thousands else asset.name
    price = asset.price * scale
    step = lot(price)
    return Pair(
        symbol=f"PERP_{base}_USDT",
        asset=asset,
        base=base,
        quote="USDT",
        tick=tick(price),
        lot=step / 10 if asset.name in ("BTC", "ETH") else step,
        scale=scale,
    )


def listing(perpetuals: int) -> tuple[Pair, ...]:
    """Return `perpetuals` perpetuals between spot rows, followed by irregular rows."""
    coins = assets(perpetuals)
    spot = (_spot(asset, quote) for asset in coins[:2] for quote in ("USDT", "USDC"))
    return (*spot, *(_perpetual(asset) for asset in coins), *_odd())


def _spot(asset: Asset, quote: str) -> Pair:
    return replace(_perpetual(asset), symbol=f"SPOT_{asset.name}_{quote}", quote=quote)


def _odd() -> Iterator[Pair]:
    yield replace(_perpetual(Asset("OLD", 0.41, 1.0, 10)), status="SUSPENDED")
    yield replace(_perpetual(Asset("LAB", 2.2, 1.0, 10)), status="TESTING")
    yield replace(_perpetual(Asset("BARE", 0.9, 1_000.0, 10)), margin=False)
    yield replace(_perpetual(Asset("DAWN", 0.7, 1.0, 5)), traded=False)
    # Prices may contain a pair before the list of instruments does.
    yield replace(_perpetual(Asset("DUSK", 0.3, 1_000.0, 5)), listed=False)
