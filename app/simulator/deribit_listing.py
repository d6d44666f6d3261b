"""Deribit's listing: all kinds in one list, as returned by `public/get_instruments`.

There are only two inverse perpetuals, on BTC and ETH, however long a listing is requested; the
linear ones, settled in USDC, are as many as requested. docs/exchange-notes.md describes the field
names and the irregular rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zlib import crc32

from app.simulator.formats import delivery_ms, quarter_end
from app.simulator.market import EQUITY, Asset, Quote, assets, lot, tick, to_step

NEVER = 32_503_708_800_000
_DAY_MS = 86_400_000
_OPENED = 1_534_167_754_000
_MOST_LEVERAGE = 50


@dataclass(frozen=True, slots=True)
class Instrument:
    """One row. `size` and `lot` count USD for inverse contracts, coins otherwise.

    `scale` is how many coins one unit of the base represents: 1000 for 1000SHIB. `traded` is false
    if there has been no trade yet and so no last price.
    """

    name: str
    asset: Asset
    base: str
    quote: str
    counter: str
    settle: str | None
    size: Decimal
    lot: Decimal
    tick: Decimal
    inverse: bool = False
    kind: str = "future"
    period: str | None = "perpetual"
    opened: int = _OPENED
    expires: int = NEVER
    state: str = "open"
    scale: int = 1
    share: float = 0.4
    traded: bool = True
    option: tuple[str, float] | None = None

    @property
    def active(self) -> bool:
        return self.state in ("open", "locked")

    @property
    def opens(self) -> bool:
        """Return whether orders are accepted."""
        return self.state == "open"

    @property
    def is_future(self) -> bool:
        return self.kind == "future"

    def concerns(self, currency: str) -> bool:
        """Return whether a currency's list includes this row: by settlement, or both for spot."""
        if self.settle is None:
            return currency in (self.base, self.quote)
        return currency == self.settle

    def row(self) -> dict[str, Any]:
        kind = "reversed" if self.inverse else "linear"
        row: dict[str, Any] = {
            "kind": self.kind,
            "instrument_name": self.name,
            "instrument_id": crc32(self.name.encode()) % 1_000_000,
            "instrument_type": kind,
            "base_currency": self.base,
            "quote_currency": self.quote,
            "counter_currency": self.counter,
            "tick_size": float(self.tick),
            "tick_size_steps": [],
            "contract_size": float(self.size),
            "min_trade_amount": float(self.lot),
            "max_leverage": min(self.asset.max_leverage, _MOST_LEVERAGE) if self.is_future else 1,
            "maker_commission": 0.0,
            "taker_commission": 0.0005,
            "is_active": self.active,
            "state": self.state,
            "creation_timestamp": self.opened,
        }
        if self.settle is not None:
            row["settlement_currency"] = self.settle
        if self.period is not None:
            row |= {
                "settlement_period": self.period,
                "expiration_timestamp": self.expires,
                "price_index": f"{self.base}_{self.counter}".lower(),
                "max_liquidation_commission": 0.0075,
                "block_trade_commission": 0.00025,
                "block_trade_min_trade_amount": 200_000,
                "block_trade_tick_size": 0.01,
            }
        if self.is_future:
            row["future_type"] = kind
        if self.option is not None:
            row |= {
                "option_type": self.option[0],
                "strike": self.option[1],
                "tick_size_steps": [{"above_price": 0.005, "tick_size": float(self.tick * 5)}],
            }
        return row

    def summary(self, quote: Quote, now_ms: int) -> dict[str, Any]:
        """Return the book summary: `volume` in coins, `volume_notional` in the quote asset."""
        volume = self.volumes(quote)
        change = (quote.last / quote.open - 1) * 100
        row: dict[str, Any] = {
            **volume,
            "quote_currency": self.quote,
            "base_currency": self.base,
            "instrument_name": self.name,
            "creation_timestamp": now_ms,
            "price_change": float(round(change, 4)),
            "open_interest": self._open_interest(quote),
            "mid_price": float((quote.bid + quote.ask) / 2),
            "mark_price": float(quote.mark),
            "estimated_delivery_price": float(quote.index),
            "last": float(quote.last),
            "low": float(quote.low),
            "high": float(quote.high),
            "bid_price": float(quote.bid),
            "ask_price": float(quote.ask),
        }
        if self.period == "perpetual":
            row |= {"funding_8h": 2.14e-06, "current_funding": 0.0}
        if not self.traded:
            unknown = ("price_change", "last", "low", "high", "mid_price", "bid_price", "ask_price")
            row |= dict.fromkeys(unknown)
        return row

    def volumes(self, quote: Quote) -> dict[str, float]:
        if not self.traded:
            return dict.fromkeys(("volume", "volume_notional", "volume_usd"), 0.0)
        if self.inverse:
            notional = to_step(quote.turnover, self.size)
            volume = round(notional / quote.average, 4)
        else:
            volume = to_step(quote.turnover / quote.average, self.lot)
            notional = round(volume * quote.average, 2)
        return {
            "volume": float(volume),
            "volume_notional": float(notional),
            "volume_usd": float(notional),
        }

    def _open_interest(self, quote: Quote) -> int | float:
        """Return whole USD for inverse contracts, coins otherwise."""
        if self.inverse:
            return int(to_step(quote.turnover / 2, self.size))
        return float(to_step(quote.turnover / 2 / quote.average, self.lot))

    def ticker(self, quote: Quote, now_ms: int) -> dict[str, Any]:
        """Return the response of `public/ticker`."""
        row = self.summary(quote, now_ms)
        names = {"last": "last_price", "bid_price": "best_bid_price", "ask_price": "best_ask_price"}
        kept = ("mark_price", "open_interest", "estimated_delivery_price", "instrument_name")
        funding = [name for name in ("funding_8h", "current_funding") if name in row]
        return {
            **{name: row[name] for name in (*kept, *funding)},
            **{theirs: row[ours] for ours, theirs in names.items()},
            "index_price": float(quote.index),
            "state": self.state,
            "timestamp": now_ms,
            "stats": {
                name: row[name]
                for name in ("volume", "volume_usd", "volume_notional", "low", "high")
            }
            | {"price_change": row["price_change"]},
        }


def _linear(asset: Asset) -> Instrument:
    scale = 1000 if asset.thousands else 1
    base = f"{scale}{asset.name}" if asset.thousands else asset.name
    price = asset.price * scale
    size = lot(price) / 10
    return Instrument(
        name=f"{base}_USDC-PERPETUAL",
        asset=asset,
        base=base,
        quote="USDC",
        counter="USDC",
        settle="USDC",
        size=size,
        lot=size,
        tick=tick(price),
        opened=_OPENED + (crc32(base.encode()) % 2_800) * _DAY_MS,
        scale=scale,
    )


def _inverse(asset: Asset, size: int, tick_size: str) -> Instrument:
    return Instrument(
        name=f"{asset.name}-PERPETUAL",
        asset=asset,
        base=asset.name,
        quote="USD",
        counter="USD",
        settle=asset.name,
        size=Decimal(size),
        lot=Decimal(size),
        tick=Decimal(tick_size),
        inverse=True,
        share=0.5,
    )


def listing(perpetuals: int, now_ms: int) -> tuple[Instrument, ...]:
    """Return two inverse perpetuals, `perpetuals` linear ones, and rows a client must leave out.

    Expired instruments are included, for requests with `expired=true`.
    """
    coins = assets(perpetuals)
    btc, eth, *_ = coins
    inverse = (_inverse(btc, 10, "0.5"), _inverse(eth, 1, "0.05"))
    return (*inverse, *(_linear(asset) for asset in coins), *_odd(inverse, now_ms))


def _odd(inverse: tuple[Instrument, ...], now_ms: int) -> Iterator[Instrument]:
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    for parent in (*inverse, _linear(inverse[0].asset)):
        stem = parent.name.removesuffix("-PERPETUAL")
        for quarters in (-2, 0, 1):
            end = quarter_end(today, quarters)
            expires = delivery_ms(end)
            day = f"{end.day}{end:%b%y}".upper()
            dated = replace(
                parent,
                name=f"{stem}-{day}",
                period="month",
                opened=expires - 200 * _DAY_MS,
                expires=expires,
                state="open" if expires > now_ms else "archivized",
                share=0.05,
            )
            yield dated
            if dated.opens:
                yield from _on_the_future(dated, day)
    btc, eth = (instrument.asset for instrument in inverse)
    for base, quote in ((btc.name, "USDC"), (eth.name, "BTC")):
        yield replace(
            _linear(btc if base == btc.name else eth),
            name=f"{base}_{quote}",
            kind="spot",
            quote=quote,
            counter=quote,
            settle=None,
            period=None,
        )
    yield _linear(EQUITY)
    yield replace(_linear(Asset("DAWN", 0.7, 1.0, 5)), traded=False)
    yield replace(_linear(Asset("OLD", 0.41, 1.0, 10)), state="halted")


def _on_the_future(dated: Instrument, day: str) -> Iterator[Instrument]:
    """Yield an option of each type and a combo of each kind: neither is a future."""
    strike = round(dated.asset.price * 1.1, -2)
    coin = dated.settle or dated.base
    for kind in ("call", "put"):
        yield replace(
            dated,
            name=f"{dated.name}-{strike:.0f}-{kind[0].upper()}",
            kind="option",
            quote=coin,
            size=Decimal(1),
            lot=Decimal("0.1"),
            tick=Decimal("0.0001"),
            option=(kind, strike),
        )
    stem = dated.name.removesuffix(f"-{day}")
    combos = (("future_combo", f"FS-{day}_PERP"), ("option_combo", f"CS-{day}-{strike:.0f}"))
    for kind, rest in combos:
        yield replace(dated, name=f"{stem}-{rest}", kind=kind, period=None, size=Decimal(1))
