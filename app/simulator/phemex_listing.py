"""Phemex's listing: inverse and spot rows among `products`, linear rows in `perpProductsV2`.

docs/exchange-notes.md describes the field names and the irregular rows. A suffix shows how a number
is written: `Ep`, `Er` and `Ev` are integers scaled by the powers of ten `priceScale`, `ratioScale`
and the `valueScale` of the settle currency; `Rp`, `Rr`, `Rv` and `Rq` are plain decimals as text.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from zlib import crc32

from app.simulator.formats import number
from app.simulator.market import EQUITY, Asset, Quote, assets, lot, text, tick, to_step

RATIO_SCALE = 8
_DAY_MS = 86_400_000
_OPENED = 1_574_640_000_000
_COARSE = 4


@dataclass(frozen=True, slots=True)
class Product:
    """One perpetual. `size` is the unit of a contract: USD for inverse ones, coins otherwise.

    `scale` is how many coins one unit of the base represents: 1000 for `1000 SHIB`. `traded` is
    false if there has been no trade yet and so no last price.
    """

    symbol: str
    asset: Asset
    base: str
    quote: str
    settle: str
    tick: Decimal
    lot: Decimal
    size: Decimal = Decimal(1)
    model: str = "PerpetualV2"
    status: str = "Listed"
    kind: str = "Normal"
    scale: int = 1
    share: float = 0.1
    traded: bool = True

    @property
    def linear(self) -> bool:
        """Return whether it belongs to the newer model, whose numbers are plain."""
        return self.model == "PerpetualV2"

    @property
    def inverse(self) -> bool:
        return self.settle != self.quote

    @property
    def trades(self) -> bool:
        return self.status == "Listed"

    @property
    def price_scale(self) -> int:
        return max(4, -int(self.tick.as_tuple().exponent))

    @property
    def listed_ms(self) -> int:
        return _OPENED + (crc32(self.symbol.encode()) % 2_200) * _DAY_MS

    def row(self) -> dict[str, Any]:
        stem = self.base.replace(" ", "") + ("" if not self.linear else self.quote)
        row: dict[str, Any] = {
            "symbol": self.symbol,
            "code": crc32(self.symbol.encode()) % 50_000,
            "type": self.model,
            "displaySymbol": f"{self.base} / {self.quote}",
            "indexSymbol": f".{stem}",
            "markSymbol": f".M{stem}",
            "fundingRateSymbol": f".{stem}FR",
            "fundingRate8hSymbol": f".{stem}FR8H",
            "contractUnderlyingAssets": self.quote if self.inverse else self.base,
            "settleCurrency": self.settle,
            "quoteCurrency": self.quote,
            "pricePrecision": max(0, -int(self.tick.as_tuple().exponent)),
            "description": f"{self.base}/{self.quote} perpetual contracts.",
            "status": self.status,
            "listTime": self.listed_ms,
            "majorSymbol": self.asset.name in ("BTC", "ETH"),
            "defaultLeverage": "-10",
            "fundingInterval": 28_800,
            "maxLeverage": min(self.asset.max_leverage, 100),
            "leverageMargin": 1002,
            "maxOI": -1.0,
        }
        return row | (self._plain_fields() if self.linear else self._scaled_fields())

    def _plain_fields(self) -> dict[str, Any]:
        return {
            "perpProductSubType": self.kind,
            "baseCurrency": self.base,
            "tickSize": text(self.tick),
            "qtyStepSize": text(self.lot),
            "qtyPrecision": max(0, -int(self.lot.as_tuple().exponent)),
            "priceScale": 0,
            "ratioScale": 0,
            "tipOrderQty": 0,
            "tipOrderQtyRq": text(self.lot * 200_000),
            "maxOrderQtyRq": text(self.lot * 1_000_000),
            "minOrderValueRv": "1",
            "minPriceRp": text(self.tick),
            "maxPriceRp": text(self.tick * 10_000_000),
            "maxOpenPosLeverage": 100.0,
        }

    def _scaled_fields(self) -> dict[str, Any]:
        return {
            "contractSize": float(self.size),
            "lotSize": int(self.lot),
            "tickSize": number(self.tick),
            "priceScale": self.price_scale,
            "ratioScale": RATIO_SCALE,
            "minPriceEp": self.ep(self.tick),
            "maxPriceEp": self.ep(self.tick * 10_000_000),
            "maxOrderQty": 20_000_000,
            "tipOrderQty": 5_000_000,
        }

    def old_row(self, value_scale: int) -> dict[str, Any]:
        """Return the row of the older list, which contains only the oldest contracts."""
        return {
            "symbol": self.symbol,
            "underlyingSymbol": f".{self.base}",
            "quoteCurrency": self.quote,
            "baseCurrency": self.base,
            "settlementCurrency": self.settle,
            "maxOrderQty": 1_000_000,
            "maxPriceEp": self.ep(self.tick * 10_000_000),
            "lotSize": int(self.lot),
            "tickSize": text(self.tick),
            "contractSize": f"{text(self.size)} {self.quote if self.inverse else self.base}",
            "priceScale": self.price_scale,
            "ratioScale": RATIO_SCALE,
            "valueScale": value_scale,
            "defaultLeverage": 0,
            "maxLeverage": min(self.asset.max_leverage, 100),
            "initMarginEr": "1000000",
            "maintMarginEr": "500000",
            "makerFeeRateEr": -250_000,
            "takerFeeRateEr": 750_000,
            "fundingInterval": 8,
            "type": "Perpetual",
        }

    def risk(self) -> dict[str, Any]:
        """Return the row of `riskLimits` or `riskLimitsV2`: the first allows the most leverage."""
        part = Decimal(1) / min(self.asset.max_leverage, 100)
        if self.linear:
            limit: dict[str, Any] = {
                "limit": 2_000_000,
                "initialMarginRr": text(part),
                "maintenanceMarginRr": text(part / 2),
            }
        else:
            limit = {
                "limit": 100,
                "initialMargin": f"{part * 100:.1f}%",
                "initialMarginEr": int(part * 10**RATIO_SCALE),
                "maintenanceMargin": f"{part * 50:.1f}%",
                "maintenanceMarginEr": int(part / 2 * 10**RATIO_SCALE),
            }
        return {"symbol": self.symbol, "steps": "0K", "riskLimits": [limit]}

    def ep(self, price: Decimal) -> int:
        """Return a price in the `Ep` format."""
        return int(price.scaleb(self.price_scale))

    def plain_ticker(self, quote: Quote, now_ns: int) -> dict[str, Any]:
        """Return the row of `md/v3`: `volumeRq` counts coins, `turnoverRv` the quote asset."""
        volume = to_step(quote.turnover / quote.average, self.lot)
        prices = {
            "openRp": quote.open,
            "highRp": quote.high,
            "lowRp": quote.low,
            "lastRp": quote.last,
            "bidRp": quote.bid,
            "askRp": quote.ask,
        }
        return {
            "symbol": self.symbol,
            **{name: text(price) if self.traded else None for name, price in prices.items()},
            "markRp": text(quote.mark),
            "indexRp": text(quote.index),
            "fundingRateRr": "0.0001",
            "predFundingRateRr": "0.0001",
            "openInterestRv": text(volume / 4),
            "volumeRq": text(volume) if self.traded else "0",
            "turnoverRv": text(volume * quote.average) if self.traded else "0",
            "timestamp": now_ns,
        }

    def scaled_ticker(self, quote: Quote, now_ns: int, value_scale: int) -> dict[str, Any]:
        """Return the row of `md/v1`: `volume` in contracts, `turnoverEv` in the settle currency."""
        worth = self.size / quote.average if self.inverse else self.size * quote.average
        each = self.size if self.inverse else worth
        contracts = to_step(quote.turnover / each, self.lot)
        prices = {
            "openEp": quote.open,
            "highEp": quote.high,
            "lowEp": quote.low,
            "lastEp": quote.last,
            "bidEp": quote.bid,
            "askEp": quote.ask,
        }
        return {
            "symbol": self.symbol,
            **{name: self.ep(price) if self.traded else None for name, price in prices.items()},
            "markEp": self.ep(quote.mark),
            "indexEp": self.ep(quote.index),
            "fundingRateEr": 10_000,
            "predFundingRateEr": 10_000,
            "openInterest": int(contracts / 4),
            "volume": int(contracts) if self.traded else 0,
            "turnoverEv": int((contracts * worth).scaleb(value_scale)) if self.traded else 0,
            "timestamp": now_ns,
        }


def _linear(asset: Asset, quote: str = "USDT", share: float = 0.1) -> Product:
    scale = 1000 if asset.thousands else 1
    price = asset.price * scale
    return Product(
        symbol=f"u1000{asset.name}{quote}" if asset.thousands else f"{asset.name}{quote}",
        asset=asset,
        base=f"1000 {asset.name}" if asset.thousands else asset.name,
        quote=quote,
        settle=quote,
        tick=tick(price),
        lot=lot(price),
        scale=scale,
        share=share,
    )


def _inverse(asset: Asset) -> Product:
    """Return an inverse contract; only BTC has the plain name.

    The others' plain names once belonged to contracts settled in USD.
    """
    return Product(
        symbol=f"{'' if asset.name == 'BTC' else 'c'}{asset.name}USD",
        asset=asset,
        base=asset.name,
        quote="USD",
        settle=asset.name,
        tick=tick(asset.price),
        lot=Decimal(1),
        model="Perpetual",
        share=0.02,
    )


def _settled_in_usd(asset: Asset, size: str, status: str) -> Product:
    """Return a contract of the old model: listed among the inverse ones, but linear."""
    return replace(
        _inverse(asset),
        symbol=f"{asset.name}USD",
        settle="USD",
        size=Decimal(size),
        status=status,
        share=0.001,
    )


def listing(perpetuals: int) -> tuple[Product, ...]:
    """Return `perpetuals` linear and as many inverse perpetuals, followed by irregular rows."""
    coins = assets(perpetuals)
    linear = (_linear(asset) for asset in coins)
    return (*(_inverse(asset) for asset in coins), *linear, *_odd())


def _odd() -> Iterator[Product]:
    btc, eth, *_ = assets(2)
    yield _settled_in_usd(eth, "0.005", "Listed")
    yield _settled_in_usd(Asset("LUNA", 4.1, 1.0, 20), "0.5", "Delisted")
    for asset in (btc, eth):
        yield _linear(asset, "USDC", 0.01)
    yield replace(_linear(EQUITY), kind="TradFi")
    unborn = Asset("DAWN", 0.7, 1.0, 5)
    yield replace(_linear(unborn), kind="PreMarket", traded=False)
    yield replace(_inverse(unborn), traded=False)
    # Delisted, but it still has a price.
    yield replace(_linear(Asset("OLD", 0.41, 1.0, 20)), status="Delisted")


def spot_rows() -> list[dict[str, Any]]:
    return [_spot("BTC", "USDT", "Listed"), _spot("USDT", "TRY", "Delisted")]


def _spot(base: str, quote: str, status: str) -> dict[str, Any]:
    return {
        "symbol": f"s{base}{quote}",
        "code": 1001,
        "type": "Spot",
        "displaySymbol": f"{base} / {quote}",
        "quoteCurrency": quote,
        "priceScale": 8,
        "ratioScale": RATIO_SCALE,
        "pricePrecision": 2,
        "baseCurrency": base,
        "baseTickSize": f"0.000001 {base}",
        "baseTickSizeEv": 100,
        "quoteTickSize": f"0.01 {quote}",
        "quoteTickSizeEv": 1_000_000,
        "minOrderValue": f"10 {quote}",
        "minOrderValueEv": 1_000_000_000,
        "maxOrderValue": f"5,000,000 {quote}",
        "maxOrderValueEv": 500_000_000_000_000,
        "maxBaseOrderSize": f"1,000 {base}",
        "maxBaseOrderSizeEv": 100_000_000_000,
        "status": status,
        "tipOrderQty": 2,
        "listTime": 1_589_338_800_000,
    }


def value_scales(products: tuple[Product, ...]) -> Mapping[str, int]:
    """Return the amount scale of each currency: fewer digits for USD and for coins of low value."""
    coarse = {one.settle for one in products if one.inverse and one.asset.thousands} | {"USD"}
    names = dict.fromkeys(one.settle for one in products)
    return {name: _COARSE if name in coarse else 8 for name in names}


def currency_row(name: str, code: int, value_scale: int) -> dict[str, Any]:
    """Return the row of `currencies`."""
    stable = name in ("USDT", "USDC")
    return {
        "currency": name,
        "name": name,
        "code": code,
        "valueScale": value_scale,
        "minValueEv": 1,
        "maxValueEv": 5_000_000_000_000_000_000,
        "needAddrTag": 0,
        "status": "Listed",
        "displayCurrency": name,
        "inAssetsDisplay": 1,
        "perpetual": 2 if stable else 0,
        "stableCoin": int(stable),
        "assetsPrecision": value_scale,
    }
