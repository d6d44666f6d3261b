"""OKX's listings: swaps, linear and inverse together, and futures with the X-Perps among them.

docs/exchange-notes.md describes the field names and the irregular rows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from app.simulator.market import EQUITY, Asset, Quote, assets, step, text, tick, to_step

_EMPTY_ROW: Mapping[str, Any] = {
    **dict.fromkeys(
        (
            "alias",
            "auctionEndTime",
            "baseCcy",
            "category",
            "contTdSwTime",
            "ctMult",
            "ctType",
            "ctVal",
            "ctValCcy",
            "expTime",
            "instFamily",
            "lever",
            "listTime",
            "lotSz",
            "maxIcebergSz",
            "maxLmtAmt",
            "maxLmtSz",
            "maxMktAmt",
            "maxMktSz",
            "maxStopSz",
            "maxTriggerSz",
            "maxTwapSz",
            "minSz",
            "openType",
            "optType",
            "maxPlatOILmt",
            "posLmtAmt",
            "posLmtPct",
            "preMktSwTime",
            "quoteCcy",
            "ruleType",
            "settleCcy",
            "stk",
            "tickSz",
            "uly",
        ),
        "",
    ),
    "futureSettlement": False,
    "instIdCode": 0,
    "tradeQuoteCcyList": [],
}
_XPERPS_END_MS = 1_933_056_000_000  # 2031-04-04 08:00 UTC
_DATED_END_MS = 1_806_048_000_000  # 2027-03-26 08:00 UTC
# Before its opening, a contract may have only an id and a state.
UNBORN: Mapping[str, Any] = {
    **_EMPTY_ROW,
    "instType": "SWAP",
    "instId": "DAWN-USDT-SWAP",
    "state": "preopen",
}


@dataclass(frozen=True, slots=True)
class Swap:
    """One row of a listing. A contract is `value` of the base coin (linear) or of USD."""

    inst_id: str
    uly: str
    family: str
    settle: str
    asset: Asset
    inverse: bool
    value: Decimal
    tick: Decimal
    lot: Decimal
    code: int
    state: str = "live"
    rule: str = "normal"
    share: float = 0.5
    kind: str = "SWAP"
    expires_ms: int | None = None

    @property
    def trades(self) -> bool:
        return self.state == "live"

    def row(self) -> dict[str, Any]:
        base = self.uly.partition("-")[0]
        return {
            **_EMPTY_ROW,
            "instType": self.kind,
            "instId": self.inst_id,
            "uly": self.uly,
            "instFamily": self.family,
            "settleCcy": self.settle,
            "ctType": "inverse" if self.inverse else "linear",
            "ctVal": text(self.value),
            "ctMult": "1",
            "ctValCcy": "USD" if self.inverse else base,
            "tickSz": text(self.tick),
            "lotSz": text(self.lot),
            "minSz": text(self.lot),
            "lever": str(self.asset.max_leverage),
            "listTime": str(1_535_424_203_000 + self.code * 3_600_000),
            "state": self.state,
            "ruleType": self.rule,
            "expTime": "" if self.expires_ms is None else str(self.expires_ms),
            "instIdCode": self.code,
            "category": "1",
            "maxLmtSz": "100000000",
            "maxMktSz": "30000",
        }

    def ticker(self, quote: Quote, now_ms: int) -> dict[str, str]:
        """Return the ticker: `vol24h` counts contracts, `volCcy24h` base coins, in all rows."""
        coin = Decimal(1) if self.inverse else quote.average
        contracts = to_step(quote.turnover / self.value / coin, self.lot)
        base = contracts * self.value / (quote.average if self.inverse else 1)
        return {
            "instType": self.kind,
            "instId": self.inst_id,
            "last": text(quote.last),
            "lastSz": text(self.lot),
            "askPx": text(quote.ask),
            "askSz": text(self.lot * 40),
            "bidPx": text(quote.bid),
            "bidSz": text(self.lot * 25),
            "open24h": text(quote.open),
            "high24h": text(quote.high),
            "low24h": text(quote.low),
            "sodUtc0": text(quote.open),
            "sodUtc8": text(quote.open),
            "vol24h": text(contracts),
            "volCcy24h": text(base.quantize(Decimal("0.0001"))),
            "ts": str(now_ms),
        }


def _linear(asset: Asset, code: int, quote: str = "USDT") -> Swap:
    pair = f"{asset.name}-{quote}"
    known = {"BTC": Decimal("0.01"), "ETH": Decimal("0.1")}
    return Swap(
        inst_id=f"{pair}-SWAP",
        uly=pair,
        family=pair,
        settle=quote,
        asset=asset,
        inverse=False,
        value=known.get(asset.name) or 10 / step(asset.price, 0),
        tick=tick(asset.price),
        lot=Decimal("0.01") if asset.name in known else Decimal("0.1"),
        code=code,
    )


def _inverse(asset: Asset, code: int) -> Swap:
    pair = f"{asset.name}-USD"
    return Swap(
        inst_id=f"{pair}-SWAP",
        uly=pair,
        family=pair,
        settle=asset.name,
        asset=asset,
        inverse=True,
        value=Decimal(100 if asset.name == "BTC" else 10),
        tick=tick(asset.price),
        lot=Decimal(1),
        code=code,
        share=0.04,
    )


def _xperp(asset: Asset, code: int) -> Swap:
    """Return an X-Perp: perpetual in all but its expiry, quoted in USD and settled in USDC."""
    return replace(
        _linear(asset, code, "USD"),
        inst_id=f"{asset.name}-USD_UM_XPERP-310404",
        family=f"{asset.name}-USD_UM_XPERP",
        settle="USDC",
        value=Decimal("0.0001") if asset.name == "BTC" else step(10 / asset.price, 0),
        lot=Decimal(1),
        rule="xperp",
        share=0.02,
        kind="FUTURES",
        expires_ms=_XPERPS_END_MS,
    )


def futures(perpetuals: int) -> tuple[Swap, ...]:
    """Return `perpetuals` X-Perps, followed by a dated contract."""
    coins = assets(perpetuals)
    xperps = (_xperp(asset, 20_459 + at * 2) for at, asset in enumerate(coins))
    dated = replace(
        _linear(coins[0], 910_001),
        inst_id=f"{coins[0].name}-USDT-270326",
        kind="FUTURES",
        expires_ms=_DATED_END_MS,
    )
    return (*xperps, dated)


def listing(perpetuals: int) -> tuple[Swap, ...]:
    """Return `perpetuals` linear and as many inverse swaps, followed by irregular rows."""
    coins = assets(perpetuals)
    inverse = (_inverse(asset, 10_458 + at * 2) for at, asset in enumerate(coins))
    linear = (_linear(asset, 10_459 + at * 2) for at, asset in enumerate(coins))
    return (*inverse, *linear, *_odd())


def _odd() -> Iterator[Swap]:
    btc, eth, *_ = assets(2)
    for code, asset in ((900_001, btc), (900_002, eth)):
        yield replace(_linear(asset, code, "USDC"), share=0.02)
        # Quoted in USD and settled in several stablecoins: linear, despite the look of the id.
        yield replace(
            _linear(asset, code + 100, "USD"),
            inst_id=f"{asset.name}-USD_UM-SWAP",
            family=f"{asset.name}-USD_UM",
            share=0.02,
        )
    yield _linear(EQUITY, 900_300)
    yield replace(_linear(Asset("MERGE", 2.2, 1.0, 20), 900_400), state="suspend")
    yield replace(_linear(Asset("AIR", 0.7, 1.0, 5), 900_500), rule="pre_market")
