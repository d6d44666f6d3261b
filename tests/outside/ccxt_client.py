"""ccxt with all addresses of an exchange replaced by the simulator's: an independent client.

What it signs, which paths it requests and how it reads the responses is up to ccxt. Its calls
block, so they run in a thread: the simulator responds in the tests' event loop.
"""

import asyncio
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from botkeys.exchanges.model import Environment

CLASSES = {"kraken": "krakenfutures", "kucoin": "kucoinfutures", "woox": "woo"}
_LISTINGS: Mapping[str, list[str]] = {
    "binance": ["linear", "inverse"],
    "bybit": ["linear", "inverse"],
    "okx": ["swap", "future"],
}
"""Exchanges for which ccxt would also load spot markets and options, which no simulator has."""
_WITHOUT_COINS = {"bybit", "gemini", "kucoin", "okx"}
"""Exchanges for which ccxt would also list coins and their networks, which perpetuals do
not need. The others are asked, since ccxt scales balances of BitMEX and Phemex by each
coin.
"""
_ORIGIN = re.compile(r"^https?://[^/]+")


class OutsideClient:
    """One exchange in one environment as ccxt sees it."""

    def __init__(self, exchange: str, environment: Environment, address: str) -> None:
        self.exchange = exchange
        # Importing it reads a hundred exchanges, which only the worker that runs these tests should
        # do.
        import ccxt  # noqa: PLC0415  # see above

        self.authentication_error = ccxt.AuthenticationError
        self.exchange_error = ccxt.ExchangeError
        self._client = getattr(ccxt, CLASSES.get(exchange, exchange))({"enableRateLimit": False})
        self._client.number = Decimal  # instead of float, so that steps are compared exactly
        self._choose_markets()
        self._enter(environment, address)

    def _choose_markets(self) -> None:
        options = self._client.options
        if self.exchange in _LISTINGS:
            options["fetchMarkets"] = {"types": _LISTINGS[self.exchange]}
        if self.exchange in _WITHOUT_COINS:
            self._client.has["fetchCurrencies"] = False
        if self.exchange == "gemini":
            # Otherwise ccxt derives most symbols' steps from a page of the exchange's site.
            options["fetchMarketsFromAPI"]["fetchDetailsForAllSymbols"] = True
        if self.exchange in {"binance", "phemex"}:
            options["defaultType"] = "swap"  # the account whose balance is requested

    def _enter(self, environment: Environment, address: str) -> None:
        """Select a test environment as ccxt does, paths included; then use a single host."""
        if environment is Environment.TESTNET:
            if self.exchange == "binance":
                self._client.enable_demo_trading(True)
            elif self.exchange != "kucoin":  # without a test environment since 2023
                self._client.set_sandbox_mode(True)
        addresses = self._client.urls["api"]
        self._client.urls["api"] = {
            name: _ORIGIN.sub(address, url) for name, url in addresses.items()
        }

    async def load(self) -> None:
        await asyncio.to_thread(self._client.load_markets)

    @property
    def markets(self) -> list[dict[str, Any]]:
        """Return all markets by the exchange's ids, since ccxt's own names collide."""
        return [market for named in self._client.markets_by_id.values() for market in named]

    @contextmanager
    def signing_with(self, key: Mapping[str, str]) -> Iterator[None]:
        self._client.apiKey, self._client.secret = key["api_key"], key["api_secret"]
        self._client.password = key.get("api_passphrase")
        try:
            yield
        finally:
            self._client.apiKey = self._client.secret = self._client.password = None

    async def total(self, params: Mapping[str, str]) -> dict[str, Decimal]:
        """Return the account's total by asset, read with a signed call."""
        balance = await asyncio.to_thread(self._client.fetch_balance, dict(params))
        return {asset: amount for asset, amount in balance["total"].items() if amount}

    async def buy(self, market: Mapping[str, Any]) -> str:
        """Order the smallest quantity; return the order's id."""
        quantity = market["limits"]["amount"]["min"] or market["precision"]["amount"]
        order = await asyncio.to_thread(
            self._client.create_order, market["id"], "limit", "buy", float(quantity), 50_000.0
        )
        return str(order["id"])

    async def ask(self, method: str, *args: Any) -> Any:
        """Call any method of ccxt's client."""
        return await asyncio.to_thread(getattr(self._client, method), *args)

    def close(self) -> None:
        self._client.session.close()
