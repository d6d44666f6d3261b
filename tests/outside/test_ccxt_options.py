"""ccxt works with what `botkeys.ccxt` returns: simulated, and towards the exchanges' hosts."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from itertools import product
from typing import Any
from urllib.parse import urlsplit

import ccxt
import ccxt.async_support
import pytest
import pytest_asyncio

import botkeys.ccxt
from app.simulator import Simulator, credentials
from botkeys.client import (
    BotConfig,
    ContractType,
    Environment,
    ExchangeId,
    ReleasedCredentials,
)
from botkeys.exchanges.ccxt_addresses import PATHS
from botkeys.exchanges.registry import ADAPTERS, EXCHANGES
from tests.outside.bots import AsyncBot
from tests.outside.released import config_of, released

KEYS = credentials()
SYNC, ASYNC = "sync", "async"


def kinds() -> Iterator[Any]:
    """Yield every kind of key with both of ccxt's fronts; most of them in the long tests only."""
    for exchange, profile in EXCHANGES.items():
        for environment, kind in product(Environment, profile.contract_types):
            live = environment is Environment.LIVE
            in_short = kind is profile.contract_types[-1 if live else 0]
            for front in (SYNC, ASYNC):
                short = in_short and (front == SYNC) == live
                yield pytest.param(
                    *(exchange, environment, kind, front),
                    id=f"{exchange}-{environment}-{kind}-{front}",
                    marks=[] if short else [pytest.mark.torture],
                )


INVERSE_ALONE = {"BTC": 1.0}
LINEAR_ALONE = {"USDT": 10_000.0}
ONE_ACCOUNT_A_KIND = {"binance", "kucoin", "phemex"}


@pytest_asyncio.fixture(scope="module")
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(perpetuals=2, long_listing=2) as running:
        yield running


def bot_parts(
    exchange: str, environment: Environment, kind: str, rest: str | None, variant: str = "trade"
) -> tuple[ReleasedCredentials, BotConfig]:
    parts = KEYS[exchange][environment][variant]
    return released(exchange, environment, parts, rest), config_of(
        exchange, environment, kind, rest
    )


def owned(balance: Mapping[str, Any]) -> dict[str, float]:
    return {asset: amount for asset, amount in balance["total"].items() if amount}


@pytest.mark.parametrize(("exchange", "environment", "kind", "front"), list(kinds()))
async def test_ccxt_reads_the_account_with_the_options_alone(
    simulator: Simulator, exchange: str, environment: Environment, kind: ContractType, front: str
) -> None:
    """Nothing is overridden: the address of the simulator is the key's, as in development."""
    parts = bot_parts(exchange, environment, kind, simulator.hosts[exchange][environment])
    if front == SYNC:
        made = getattr(ccxt, botkeys.ccxt.exchange_id(parts[1]))(botkeys.ccxt.options(*parts))
        made.enableRateLimit = False
        seen = owned(await asyncio.to_thread(made.fetch_balance))
        made.session.close()
    else:
        made = await botkeys.ccxt.exchange(AsyncBot(*parts))
        made.enableRateLimit = False
        try:
            seen = owned(await made.fetch_balance())
        finally:
            await made.close()
    assert seen
    if exchange in ONE_ACCOUNT_A_KIND:
        assert seen == (LINEAR_ALONE if kind is ContractType.LINEAR else INVERSE_ALONE)
    assert made.verbose is False


SITES = [
    pytest.param(
        *(exchange, environment, region, kind),
        id=f"{exchange}-{environment}-{region}-{kind}",
        marks=[] if kind is ContractType.LINEAR or not region else [pytest.mark.torture],
    )
    for exchange, profile in EXCHANGES.items()
    for environment, place in profile.environments.items()
    for region in place.regions or (None,)
    for kind in profile.contract_types
    if place.availability not in {"closed", "discontinued"}
]


class Sent(Exception):
    """A request that ccxt would have sent."""


@pytest.mark.parametrize(("exchange", "environment", "region", "kind"), SITES)
def test_a_signed_call_goes_to_the_site_of_the_key(
    exchange: str, environment: Environment, region: str | None, kind: ContractType
) -> None:
    """Rule R65. Nothing is sent: the request is taken where ccxt would send it."""
    adapter = ADAPTERS[exchange]
    known = adapter.hosts[environment]
    names = ("rest", f"rest_{kind}") if region in {None, "global"} else (f"rest_{region}",)
    rest = next((known[name] for name in names if name in known), known.get("rest"))
    parts = bot_parts(exchange, environment, kind, rest)
    made = getattr(ccxt, botkeys.ccxt.exchange_id(parts[1]))(botkeys.ccxt.options(*parts))
    sent: list[Any] = []

    def take(url: str, method: str, headers: Any, body: Any) -> None:
        sent.append((url, method, headers, body))
        raise Sent

    made.fetch = take
    made.load_markets = lambda *_: None
    made.markets = {}
    made.session.close()
    made.currencies = {code: {"id": code, "code": code} for code in ("USDT", "BTC")}
    made.options["uta"] = False
    made.options["enableUnifiedMargin"], made.options["enableUnifiedAccount"] = False, True
    with pytest.raises(Sent):
        made.fetch_balance()
    [(url, _, headers, _)] = sent
    assert f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" == rest
    key = KEYS[exchange][environment]["trade"]["api_key"]
    assert key in url or key in json.dumps(headers)
    if exchange == "okx":
        simulated = (headers or {}).get("x-simulated-trading") or made.headers.get(
            "x-simulated-trading"
        )
        assert simulated == ("1" if environment is Environment.TESTNET else None)


def test_bybit_and_okx_have_a_site_for_every_region() -> None:
    """The sites above come from the catalogue of exchanges: all of them are there."""
    assert {each.values[2] for each in SITES if each.values[0] == "bybit"} == {
        *("global", "nl", "tr", "kz", "ge", "ae", "eu", "id", "demo")
    }
    assert {each.values[2] for each in SITES if each.values[0] == "okx"} == {"global", "eea", "us"}


@pytest.mark.parametrize("exchange", ExchangeId)
def test_every_address_of_ccxt_is_led_elsewhere(exchange: ExchangeId) -> None:
    """Rule R65. A name that this package does not know would still reach the exchange."""
    kinds = EXCHANGES[exchange].contract_types
    for environment, kind in zip(Environment, (kinds[0], kinds[-1]), strict=True):
        parts = bot_parts(exchange, environment, kind, "http://127.0.0.1:9")
        made = getattr(ccxt, botkeys.ccxt.exchange_id(parts[1]))(botkeys.ccxt.options(*parts))
        made.session.close()
        addresses = {name: url for name, url in made.urls["api"].items() if url is not None}
        addresses.pop("www", None)  # the page of Kraken's demo, for people
        assert addresses.keys() == PATHS[exchange].keys()
        assert all(url.startswith("http://127.0.0.1:9") for url in addresses.values())


def test_no_stream_of_ccxt_reaches_the_exchange_from_elsewhere() -> None:
    parts = bot_parts("binance", Environment.LIVE, "linear", "http://127.0.0.1:9")
    assert botkeys.ccxt.options(*parts)["urls"]["api"]["ws"] is None


def test_the_paths_are_those_of_ccxt() -> None:
    """So a client that is led elsewhere asks for what it would ask the exchange for."""
    for exchange in ExchangeId:
        name = botkeys.ccxt.exchange_id(config_of(exchange, Environment.LIVE, "linear", None))
        made = getattr(ccxt, name)()
        made.session.close()
        theirs = {
            each: urlsplit(made.implode_hostname(url)).path
            for each, url in made.urls["api"].items()
        }
        assert theirs.items() <= dict(PATHS[exchange]).items()
        assert set(PATHS[exchange]) - set(theirs) <= {"utaV2"}  # of later releases


def test_binance_demo_is_what_ccxt_enters_itself() -> None:
    rest = ADAPTERS["binance"].hosts[Environment.TESTNET]["rest_linear"]
    parts = bot_parts("binance", Environment.TESTNET, "linear", rest)
    ours, theirs = ccxt.binanceusdm(botkeys.ccxt.options(*parts)), ccxt.binanceusdm()
    theirs.enable_demo_trading(True)
    assert {name: ours.urls["api"][name] for name in theirs.urls["api"]} == theirs.urls["api"]
    assert ours.options["enableDemoTrading"] is theirs.options["enableDemoTrading"] is True
    ours.session.close()
    theirs.session.close()
