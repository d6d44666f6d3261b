"""BitMEX's listing: linear contracts settled in USDT, inverse ones in XBT, irregular rows.

docs/exchange-notes.md describes the field names and the irregular rows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from app.simulator.formats import delivery_ms, iso, number, quarter_end
from app.simulator.market import Asset, Quote, assets, lot, step, tick, to_step

PERPETUAL, INDEX_PERPETUAL = "FFWCSX", "FFSCSX"
DATED, SPREAD, PREDICTION, SPOT = "FFCCSX", "FFMCSX", "FFICSX", "IFXXXP"
INDEX = "MRCXXX"
# Minor units per settlement currency.
MINOR: Mapping[str, int] = {"XBt": 100_000_000, "USDt": 1_000_000}
# USD for one unit. All inverse contracts are on XBT; their quote currencies distinguish them.
_MONEY = {
    "USD": 1.0,
    "EUR": 1.08,
    "GBP": 1.27,
    "CHF": 1.13,
    "AUD": 0.66,
    "BRL": 0.18,
    "TRY": 0.029,
    "JPY": 0.0066,
    "KRW": 0.00072,
}
_MARGINS = {125: "0.01", 100: "0.01", 75: "0.02", 50: "0.03", 25: "0.05", 20: "0.05"}
_MONTHS = {3: "H", 6: "M", 9: "U", 12: "Z"}


@dataclass(frozen=True, slots=True)
class Contract:
    """One row. `per_coin` is how many contracts make up one coin of a linear contract.

    An inverse contract is one unit of the quote currency, a quanto one `multiplier` minor units for
    each point of the price.
    """

    symbol: str
    asset: Asset
    base: str
    quote: str
    settle: str
    tick: Decimal
    lot: int
    multiplier: int
    kind: str = PERPETUAL
    per_coin: Decimal | None = None
    inverse: bool = False
    quanto: bool = False
    state: str = "Open"
    ends_ms: int | None = None
    share: float = 1.0

    @property
    def trades(self) -> bool:
        return self.state == "Open"

    def row(self, quote: Quote, now_ms: int) -> dict[str, Any]:
        """Return a row with both the contract's specification and its prices."""
        end = None if self.ends_ms is None else iso(self.ends_ms)
        perpetual = self.kind in (PERPETUAL, INDEX_PERPETUAL)
        return {
            "symbol": self.symbol,
            "rootSymbol": self.base,
            "state": self.state,
            "typ": self.kind,
            # An implausible year, which some real rows have.
            "listing": "2200-02-01T00:00:00.000Z" if self.quanto else "2021-11-10T04:00:00.000Z",
            "front": "2021-11-10T04:00:00.000Z",
            "expiry": end,
            "settle": end,
            "positionCurrency": self.quote if self.inverse else "" if self.quanto else self.base,
            "underlying": self.base,
            "quoteCurrency": self.quote,
            "underlyingSymbol": f"{self.base}=",
            "reference": "BMEX",
            "referenceSymbol": f".B{self.base}",
            "maxOrderQty": 1_000_000_000,
            "maxPrice": 1_000_000,
            "lotSize": self.lot,
            "tickSize": number(self.tick),
            "multiplier": self.multiplier,
            "settlCurrency": self.settle,
            "underlyingToPositionMultiplier": self.per_coin and number(self.per_coin),
            "underlyingToSettleMultiplier": self.multiplier if self.inverse else None,
            "quoteToSettleMultiplier": None if self.inverse or self.quanto else MINOR[self.settle],
            "isQuanto": self.quanto,
            "isInverse": self.inverse,
            "initMargin": float(_MARGINS[self.asset.max_leverage]),
            "maintMargin": float(_MARGINS[self.asset.max_leverage]) / 2,
            "riskLimit": 1_000_000_000_000,
            "riskStep": 1_000_000_000_000,
            "taxed": True,
            "deleverage": True,
            "makerFee": -0.0001,
            "takerFee": 0.0005,
            "settlementFee": 0,
            "fundingTimestamp": iso((now_ms // 28_800_000 + 1) * 28_800_000) if perpetual else None,
            "fundingInterval": "2000-01-01T08:00:00.000Z" if perpetual else None,
            "fundingRate": 0.0001 if perpetual else None,
            "hasLiquidity": True,
            "openInterest": self.lot * 4_000,
            "openValue": self.lot * 400_000,
            "fairMethod": "FundingRate",
            "markMethod": "FairPrice",
            "timestamp": iso(now_ms),
            **self._volumes(quote),
            **_prices(quote),
        }

    def _volumes(self, quote: Quote) -> dict[str, Any]:
        """Return volumes in contracts, coins (`home`), quote (`foreign`) and minor units."""
        size = MINOR[self.settle]
        if self.inverse:
            contracts = foreign = to_step(quote.turnover, Decimal(self.lot))
            home = (foreign / quote.average).quantize(Decimal("1e-8"))
            settled = home * size
        elif self.per_coin is not None:
            contracts = to_step(quote.turnover / quote.average * self.per_coin, Decimal(self.lot))
            home = contracts / self.per_coin
            foreign = home * quote.average
            settled = foreign * size
        else:
            home = to_step(quote.turnover / quote.average, Decimal(1))
            foreign = home * quote.average
            contracts = settled = home * abs(self.multiplier)
        return {
            "volume24h": int(contracts),
            "turnover24h": int(settled),
            "homeNotional24h": number(home),
            "foreignNotional24h": number(foreign),
        }


def index_row(base: str, quote: Quote, now_ms: int) -> dict[str, Any]:
    """Return an index row: a price at which nothing is traded."""
    return {
        "symbol": f".B{base}",
        "rootSymbol": base,
        "state": "Unlisted",
        "typ": INDEX,
        "expiry": None,
        "underlying": base,
        "quoteCurrency": "USD",
        "settlCurrency": "",
        "lotSize": None,
        "tickSize": 0.01,
        "multiplier": None,
        "isQuanto": False,
        "isInverse": False,
        "lastPrice": number(quote.index),
        "markPrice": number(quote.index),
        "volume24h": None,
        "timestamp": iso(now_ms),
    }


def _prices(quote: Quote) -> dict[str, Any]:
    return {
        "prevPrice24h": number(quote.open),
        "vwap": number(quote.average),
        "highPrice": number(quote.high),
        "lowPrice": number(quote.low),
        "lastPrice": number(quote.last),
        "lastTickDirection": "PlusTick",
        "bidPrice": number(quote.bid),
        "midPrice": number((quote.bid + quote.ask) / 2),
        "askPrice": number(quote.ask),
        "fairPrice": number(quote.mark),
        "markPrice": number(quote.mark),
        "indicativeSettlePrice": number(quote.index),
    }


def _name(asset: Asset) -> str:
    return "XBT" if asset.name == "BTC" else asset.name


def _linear(asset: Asset) -> Contract:
    """Return a contract whose lot of a thousand contracts equals other exchanges' quantity step."""
    per_coin = 1_000 / lot(asset.price)
    return Contract(
        symbol=f"{_name(asset)}USDT",
        asset=asset,
        base=_name(asset),
        quote="USDT",
        settle="USDt",
        tick=tick(asset.price),
        lot=1_000,
        multiplier=int(MINOR["USDt"] / per_coin),
        per_coin=per_coin,
    )


def _inverse(btc: Asset, quote: str, usd: float) -> Contract:
    """Return XBT quoted in `quote`, one unit of which costs `usd`."""
    cross = replace(
        btc,
        # A name of its own, because past prices are stored by name.
        name=btc.name if quote == "USD" else f"BTC in {quote}",
        price=btc.price / usd,
        turnover=btc.turnover / usd,
    )
    return Contract(
        symbol=f"XBT{quote}",
        asset=cross,
        base="XBT",
        quote=quote,
        settle="XBt",
        tick=tick(cross.price),
        lot=100 if quote == "USD" else int(max(100 / step(usd, 0), Decimal(1))),
        multiplier=-MINOR["XBt"],
        inverse=True,
        share=0.1 if quote == "USD" else 0.001,
    )


def listing(perpetuals: int, now_ms: int) -> tuple[Contract, ...]:
    """Return `perpetuals` linear and as many inverse perpetuals, followed by irregular rows."""
    coins = assets(max(perpetuals, 2))
    money = {**_MONEY, **{coin.name: coin.price for coin in coins[1:]}}
    inverse = [_inverse(coins[0], quote, usd) for quote, usd in money.items()][:perpetuals]
    linear = [_linear(coin) for coin in coins[:perpetuals]]
    return (*inverse, *linear, *_odd(now_ms))


def _odd(now_ms: int) -> Iterator[Contract]:
    btc, eth, *_ = assets(2)
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    ends = [quarter_end(today, quarters) for quarters in range(2)]
    for end in ends:
        for make in (_inverse(btc, "USD", 1.0), _linear(btc)):
            yield replace(
                make,
                symbol=_dated(make.symbol.removesuffix("USD"), end),
                kind=DATED,
                ends_ms=delivery_ms(end, 12),
                share=0.01,
            )
    quanto = _quanto("ETHUSD", eth, 100)
    yield quanto
    yield replace(
        quanto, symbol=_dated("ETHUSD", ends[0]), kind=DATED, ends_ms=delivery_ms(ends[0])
    )
    yield replace(
        _inverse(btc, "USD", 1.0),
        symbol=f"{_dated('XBT', ends[0])}-{_dated('XBT', ends[1])}",
        kind=SPREAD,
        inverse=False,
        multiplier=1,
        ends_ms=delivery_ms(ends[0], 12),
        share=0.001,
    )
    index = Asset("DEFIMEX", 410.0, 900_000.0, 20)
    yield replace(_linear(index), kind=INDEX_PERPETUAL)
    yield replace(_linear(Asset("OLD", 0.41, 1.0, 20)), state="Settled")
    yield replace(_linear(Asset("HALT", 1.3, 1.0, 20)), state="Closed")
    forecast = replace(_linear(Asset("FORECAST", 55.0, 1.0, 20)), kind=PREDICTION)
    yield replace(forecast, symbol=_dated("P_FORECAST", ends[1]), ends_ms=delivery_ms(ends[1]))
    yield replace(_linear(eth), symbol="ETH_USDT", kind=SPOT, share=0.01)


def _quanto(symbol: str, asset: Asset, multiplier: int) -> Contract:
    return Contract(
        symbol=symbol,
        asset=asset,
        base=asset.name,
        quote="USD",
        settle="XBt",
        tick=tick(asset.price),
        lot=1,
        multiplier=multiplier,
        quanto=True,
        share=0.02,
    )


def _dated(root: str, end: date) -> str:
    return f"{root}{_MONTHS[end.month]}{end:%y}"
