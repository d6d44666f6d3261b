"""In development no single setting leads to a real exchange: every other host stays simulated."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from app.process.startup import open_exchanges
from app.settings import Mode, Settings, SettingsError, load_settings
from app.simulator import credentials as simulated_credentials
from botkeys.addresses import is_loopback
from botkeys.exchanges.errors import ExchangeError
from botkeys.exchanges.hosts import HostOverrides, layered
from botkeys.exchanges.model import ContractType, Credentials, Environment
from botkeys.exchanges.registry import ADAPTERS, Exchanges, simulated_hosts
from botkeys.sealing.secret import Secret
from botkeys.transport.client import HttpAnswer, HttpTransport, Rate
from botkeys.transport.errors import Unsendable

OURS = "127.0.0.1:9"
THEIRS = "127.0.0.1:10"
SIMULATED = {
    exchange: {environment.value: f"http://{OURS}" for environment in Environment}
    for exchange in ADAPTERS
}
HOSTS = [
    (exchange, environment, name)
    for exchange, adapter in ADAPTERS.items()
    for environment in Environment
    for name in adapter.hosts[environment]
]


class Lookout(HttpTransport):
    """Sends nothing, and notes where each call would have gone."""

    def __init__(self) -> None:
        self.sent_to: set[str] = set()

    def set_rate(self, url: str, rate: Rate) -> None:
        pass

    async def request(self, method: str, url: str, **_: object) -> HttpAnswer:
        del method
        self.sent_to.add(url)
        raise Unsendable(url, "nothing is sent")


def address_of(name: str, authority: str) -> str:
    return f"{'ws' if name.startswith('websocket') else 'http'}://{authority}"


def single(exchange: str, environment: str, name: str, address: str | None) -> HostOverrides:
    return {exchange: {environment: {name: address}}}


def credentials_of(exchange: str, environment: str) -> Credentials:
    texts = simulated_credentials()[exchange][environment]["trade"]
    passphrase = texts.get("api_passphrase")
    return Credentials(
        Secret(texts["api_key"]),
        Secret(texts["api_secret"]),
        None if passphrase is None else Secret(passphrase),
    )


async def everywhere(exchanges: Exchanges, exchange: str) -> set[str]:
    """Return every address that one exchange's catalogue, checks and bots would meet."""
    adapter, found = exchanges.adapter(exchange), set[str]()
    for environment in Environment:
        credentials = credentials_of(exchange, environment)
        for region in (None, *ADAPTERS[exchange].regions):
            for kind in ADAPTERS[exchange].contract_types:
                market = (environment, region, kind)
                calls = (
                    lambda market=market: adapter.instruments(*market),
                    lambda market=market: adapter.tickers(*market),
                    lambda market=market, given=credentials: adapter.check_credentials(
                        given, *market
                    ),
                )
                for call in calls:
                    with pytest.raises(ExchangeError):
                        await call()
                try:
                    given_to_bots = adapter.endpoints(*market)
                except ExchangeError:
                    continue  # a region of the other environment
                found |= {given_to_bots.rest or "", given_to_bots.websocket or ""} - {""}
    return found


def outside(addresses: set[str]) -> Iterator[str]:
    return (address for address in addresses if not is_loopback(urlsplit(address).hostname or ""))


@pytest.mark.parametrize("exchange", ADAPTERS)
async def test_one_host_of_an_exchange_never_brings_back_the_real_others(exchange: str) -> None:
    """R52: overrides stand above the simulated hosts one by one, whichever of them is set."""
    for _, environment, name in (place for place in HOSTS if place[0] == exchange):
        for address in (address_of(name, THEIRS), None):
            chosen = single(exchange, environment, name, address)
            transport = Lookout()
            exchanges = Exchanges(transport, hosts=layered(simulated_hosts(SIMULATED), chosen))
            met = transport.sent_to | await everywhere(exchanges, exchange)
            assert not list(outside(met | transport.sent_to)), (environment, name)
            assert any(OURS in place for place in transport.sent_to), "the others are simulated"


async def test_an_override_of_one_exchange_leaves_the_other_nine_alone() -> None:
    chosen = single("okx", "testnet", "rest", f"http://{THEIRS}")
    transport = Lookout()
    exchanges = Exchanges(transport, hosts=layered(simulated_hosts(SIMULATED), chosen))
    for exchange in ADAPTERS:
        assert not list(outside(await everywhere(exchanges, exchange)))
    assert not list(outside(transport.sent_to))
    assert any(THEIRS in place for place in transport.sent_to)


async def test_a_live_key_is_still_checked_by_the_simulator_beside_an_override() -> None:
    hosts = {
        "binance": {"testnet": {"rest_linear": f"http://{THEIRS}", "rest_inverse": None}},
    }
    settings = Settings(mode=Mode.DEVELOPMENT, exchange_hosts=hosts)
    async with HttpTransport() as transport, open_exchanges(settings, transport) as exchanges:
        adapter = exchanges.adapter("binance")
        live = adapter.endpoints(Environment.LIVE, None, ContractType.LINEAR)
        testnet = adapter.endpoints(Environment.TESTNET, None, ContractType.LINEAR)
        report = await adapter.check_credentials(
            credentials_of("binance", "live"), Environment.LIVE, None, ContractType.LINEAR
        )
    assert not list(outside({live.rest or "none"}))
    assert testnet.rest == f"http://{THEIRS}"
    assert report.permissions.trade == "yes"


@pytest.mark.parametrize(("exchange", "environment", "name"), HOSTS)
def test_a_host_beyond_this_machine_needs_real_exchanges(
    exchange: str, environment: str, name: str
) -> None:
    scheme = "wss" if name.startswith("websocket") else "https"
    hosts = single(exchange, environment, name, f"{scheme}://exchange.example")
    with pytest.raises(ValueError, match=f"{exchange} {environment} {name} beyond this machine"):
        Settings(mode=Mode.DEVELOPMENT, exchange_hosts=hosts)
    assert Settings(mode=Mode.DEVELOPMENT, exchanges="real", exchange_hosts=hosts)
    assert Settings(mode=Mode.PRODUCTION, exchange_hosts=hosts)


def test_the_refusal_is_a_sentence_that_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = '{"okx": {"live": {"rest": "https://PLANTED.example"}}}'
    monkeypatch.setenv("BOTKEYS_EXCHANGE_HOSTS", chosen)
    with pytest.raises(SettingsError) as refused:
        load_settings(default_mode=Mode.DEVELOPMENT)
    assert "BOTKEYS_EXCHANGES=real" in str(refused.value)
    assert "PLANTED" not in str(refused.value)


@pytest.mark.parametrize("address", ["", "http:", "http://[::1", "https://127.0.0.1.example"])
def test_an_address_that_is_not_surely_loopback_counts_as_one_beyond(address: str) -> None:
    hosts = single("okx", "live", "rest", address)
    with pytest.raises(ValueError, match="okx live rest beyond this machine"):
        Settings(mode=Mode.DEVELOPMENT, exchange_hosts=hosts)
