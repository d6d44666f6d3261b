"""Gemini's listing: perpetuals and spot pairs in one array, distinguished by `product_type`.

docs/exchange-notes.md describes the field names and the irregular rows: `tick_size` is the step of
quantities and `quote_increment` that of prices, both JSON numbers with exponents;
`contract_price_currency` is present on spot rows too.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from app.simulator.formats import number
from app.simulator.market import Asset, Quote, assets, lot, text, tick, to_step

_TICKS = {"BTC": Decimal("0.5"), "ETH": Decimal("0.05"), "PEPE": Decimal("1e-9")}
_STEPS = {"BTC": Decimal("0.0001"), "ETH": Decimal("0.001")}


@dataclass(frozen=True, slots=True)
class Pair:
    """One row. `step` is the step of quantities, which count coins.

    `priced` is the currency in which it settles, which is GUSD even for some perpetuals in USDC.
    """

    symbol: str
    asset: Asset
    base: str
    quote: str
    step: Decimal
    tick: Decimal
    priced: str = "GUSD"
    product: str = "swap"
    contract: str = "linear"
    status: str = "open"
    share: float = 0.02

    @property
    def perpetual(self) -> bool:
        return self.product == "swap"

    @property
    def quoted(self) -> bool:
        return self.status != "closed"

    def row(self) -> dict[str, Any]:
        return {
            "symbol": self.symbol,
            "base_currency": self.base,
            "quote_currency": self.quote,
            "tick_size": number(self.step),
            "quote_increment": number(self.tick),
            "min_order_size": text(self.step),
            "status": self.status,
            "wrap_enabled": False,
            "product_type": self.product,
            "contract_type": self.contract,
            "contract_price_currency": self.priced,
        }

    def feed(self, quote: Quote) -> dict[str, str]:
        """Return the row of `pricefeed`: the change is a fraction, not a percentage."""
        change = (quote.last / quote.open - 1).quantize(Decimal("0.0001"))
        return {"pair": self.symbol, "price": text(quote.last), "percentChange24h": text(change)}

    def ticker(self, quote: Quote, now_ms: int) -> dict[str, Any]:
        """Return the response of `pubticker`: volumes are keyed by currency."""
        volume = to_step(quote.turnover / quote.average, self.step)
        return {
            "bid": text(quote.bid),
            "ask": text(quote.ask),
            "last": text(quote.last),
            "volume": {
                self.base: text(volume),
                self.quote: text(volume * quote.average),
                "timestamp": now_ms,
            },
        }

    def risk(self, quote: Quote) -> dict[str, str]:
        """Return the response of `riskstats`, which exists only for perpetuals."""
        interest = to_step(quote.turnover / quote.average / 4, self.step)
        return {
            "product_type": "PerpetualSwapContract",
            "mark_price": text(quote.mark),
            "index_price": text(quote.index),
            "open_interest": text(interest),
            "open_interest_notional": text(interest * quote.mark),
        }


def _perpetual(asset: Asset, quote: str = "GUSD") -> Pair:
    return Pair(
        symbol=f"{asset.name}{quote}PERP",
        asset=asset,
        base=asset.name,
        quote=quote,
        step=_STEPS.get(asset.name) or lot(asset.price),
        tick=_TICKS.get(asset.name) or tick(asset.price),
        priced=quote,
    )


def _spot(asset: Asset, base: str, quote: str, tick_size: str) -> Pair:
    return Pair(
        symbol=f"{base}{quote}",
        asset=asset,
        base=base,
        quote=quote,
        step=Decimal("1e-8") if base == "BTC" else Decimal("1e-6"),
        tick=Decimal(tick_size),
        priced=quote,
        product="spot",
        contract="vanilla",
    )


def listing(perpetuals: int) -> tuple[Pair, ...]:
    """Return `perpetuals` perpetuals in GUSD, and rows that a client must handle."""
    coins = assets(perpetuals)
    return (*(_perpetual(asset) for asset in coins), *_odd())


def _odd() -> Iterator[Pair]:
    btc, eth, *_ = assets(2)
    # The euro zone's variants: most of them name GUSD as the currency of their price.
    yield replace(_perpetual(btc, "USDC"), priced="GUSD")
    yield _perpetual(eth, "USDC")
    yield replace(_perpetual(Asset("OLD", 0.41, 1.0, 1)), status="closed")
    yield replace(_perpetual(Asset("HALT", 2.2, 1.0, 1)), status="cancel_only")
    yield _spot(btc, "BTC", "GUSD", "0.01")
    yield _spot(btc, "BTC", "USD", "0.01")
    yield _spot(eth, "ETH", "USD", "0.01")
    # Named apart, so that its price moves independently.
    cross = Asset("ETH in BTC", eth.price / btc.price, 1_000_000.0, 1)
    yield _spot(cross, "ETH", "BTC", "0.00001")
    yield replace(_spot(Asset("BAT", 0.19, 1_000.0, 1), "BAT", "USD", "1e-5"), status="limit_only")
