"""The ten exchanges by id: what each offers, and the adapter that talks to it."""

from collections.abc import Iterator, Mapping

from botkeys.exchanges.adapter import ExchangeAdapter
from botkeys.exchanges.base import Clock, Context, RestAdapter, utc_now
from botkeys.exchanges.binance import BinanceAdapter
from botkeys.exchanges.bitmex import BitmexAdapter
from botkeys.exchanges.bybit import BybitAdapter
from botkeys.exchanges.deribit import DeribitAdapter
from botkeys.exchanges.gemini import GeminiAdapter
from botkeys.exchanges.hosts import HostOverrides, merged
from botkeys.exchanges.kraken import KrakenAdapter
from botkeys.exchanges.kucoin import KucoinAdapter
from botkeys.exchanges.model import Environment, ExchangeProfile
from botkeys.exchanges.okx import OkxAdapter
from botkeys.exchanges.phemex import PhemexAdapter
from botkeys.exchanges.profiles import ALL
from botkeys.exchanges.woox import WooxAdapter
from botkeys.transport.client import HttpTransport

EXCHANGES: Mapping[str, ExchangeProfile] = {profile.exchange: profile for profile in ALL}
"""All ten, in the order of `listExchanges`."""

ADAPTERS: Mapping[str, type[RestAdapter]] = {
    adapter.exchange: adapter
    for adapter in (
        BitmexAdapter,
        BybitAdapter,
        BinanceAdapter,
        KrakenAdapter,
        OkxAdapter,
        KucoinAdapter,
        DeribitAdapter,
        GeminiAdapter,
        PhemexAdapter,
        WooxAdapter,
    )
}


def passphrase_required(exchange: str) -> bool:
    """Return whether keys of this exchange include a passphrase."""
    return EXCHANGES[exchange].passphrase_required


def simulated_hosts(addresses: Mapping[str, Mapping[str, str]]) -> HostOverrides:
    """Return the host setting for simulated exchanges.

    `addresses` is `{exchange: {environment: "http://127.0.0.1:PORT"}}`, and may name a region whose
    site has an address of its own. Everything else has no host at all, websockets included: no
    development machine reaches a real exchange.
    """
    overrides: dict[str, dict[str, Mapping[str, str | None]]] = {}
    for exchange, adapter in ADAPTERS.items():
        overrides[exchange] = {}
        for environment in Environment:
            address = addresses.get(exchange, {}).get(environment)
            overrides[exchange][environment] = (
                dict.fromkeys(adapter.hosts[environment])
                if address is None
                else {
                    **adapter.simulated(environment, address),
                    **{
                        name: addresses[exchange][region]
                        for name in adapter.hosts[environment]
                        if (region := name.removeprefix("rest_")) in adapter.regions
                        and region in addresses[exchange]
                    },
                }
            )
    return overrides


class Exchanges:
    """The adapters of all exchanges. Stateless except for `http`; one per process.

    `hosts` replaces single hosts, see `hosts`; `check_seconds` bounds one credential
    check. Raises `ValueError` for a host setting that cannot be right.
    """

    def __init__(
        self,
        http: HttpTransport,
        *,
        clock: Clock = utc_now,
        hosts: HostOverrides | None = None,
        check_seconds: float = 5.0,
    ) -> None:
        hosts = hosts or {}
        unknown = set(hosts) - set(ADAPTERS)
        if unknown:
            raise ValueError(f"hosts are set for {', '.join(sorted(unknown))}: no such exchange")
        context = Context(http, clock, check_seconds)
        self._tables = {
            exchange: merged(exchange, adapter.hosts, hosts.get(exchange, {}))
            for exchange, adapter in ADAPTERS.items()
        }
        self._adapters: dict[str, ExchangeAdapter] = {
            exchange: adapter(context, self._tables[exchange])
            for exchange, adapter in ADAPTERS.items()
        }

    def addresses(self) -> Iterator[tuple[Environment, str, str]]:
        """Yield environment, exchange and address of every host that requests are sent to."""
        for exchange, table in self._tables.items():
            for environment, names in table.items():
                for name, address in names.items():
                    if name.startswith("rest") and address is not None:
                        yield environment, exchange, address

    def adapter(self, exchange: str) -> ExchangeAdapter:
        """Return the adapter of one of `EXCHANGES`; raise `KeyError` for any other id."""
        return self._adapters[exchange]
