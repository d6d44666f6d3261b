"""NautilusTrader: variables by venue and environment, which its adapters read by themselves."""

from collections.abc import Mapping, Sequence

from botkeys.commands.run.delivery import Delivery
from botkeys.commands.run.given import Given
from botkeys.commands.run.refusals import NoPlace
from botkeys.exchanges.model import Environment, ExchangeId

_DEMO = "demo"
_TESTS: Mapping[ExchangeId, str] = {
    # Of Binance, a key for tests is one of Demo Trading here.
    ExchangeId.BINANCE: "BINANCE_DEMO",
    ExchangeId.BITMEX: "BITMEX_TESTNET",
    ExchangeId.BYBIT: "BYBIT_TESTNET",
    ExchangeId.DERIBIT: "DERIBIT_TESTNET",
    ExchangeId.KRAKEN: "KRAKEN_FUTURES_DEMO",
    ExchangeId.OKX: "OKX",
}
_LIVE: Mapping[ExchangeId, str] = {
    ExchangeId.BINANCE: "BINANCE",
    ExchangeId.BITMEX: "BITMEX",
    ExchangeId.BYBIT: "BYBIT",
    ExchangeId.DERIBIT: "DERIBIT",
    ExchangeId.KRAKEN: "KRAKEN_FUTURES",
    ExchangeId.OKX: "OKX",
}


class NautilusPreset:
    """`BYBIT_TESTNET_API_KEY` and its like. Its node chooses the same environment by its code."""

    name = "nautilus"
    takes_address = False

    def deliver(self, given: Given, _: Sequence[str]) -> Delivery:
        live = given.environment is Environment.LIVE
        prefix = (_LIVE if live else _TESTS).get(given.exchange)
        if prefix is None:
            raise NoPlace(f"NautilusTrader has no adapter for {given.exchange}.")
        if not live and given.exchange is ExchangeId.BYBIT and given.region == _DEMO:
            prefix = "BYBIT_DEMO"
        variables = {f"{prefix}_API_KEY": given.api_key, f"{prefix}_API_SECRET": given.api_secret}
        if given.api_passphrase is not None:
            variables[f"{prefix}_API_PASSPHRASE"] = given.api_passphrase
        return Delivery(ways=f"the variables {', '.join(variables)}", variables=variables)
