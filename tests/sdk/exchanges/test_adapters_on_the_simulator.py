"""Adapters and simulator share no code: where they agree, both read the facts alike."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from app.simulator import (
    KeyText,
    Permission,
    SimulatedKey,
    Simulator,
    credentials,
    demo_credentials,
)
from botkeys.exchanges.errors import CredentialsRefused, InvalidKey
from botkeys.exchanges.model import ContractType, CredentialReport, Credentials, Environment
from botkeys.exchanges.registry import EXCHANGES, Exchanges, simulated_hosts
from botkeys.sealing.secret import Secret
from botkeys.transport.client import HttpTransport

SIMULATED = (
    "bitmex",
    "bybit",
    "binance",
    "kraken",
    "okx",
    "kucoin",
    "deribit",
    "gemini",
    "phemex",
    "woox",
)
PERMITTED = {
    "trade": ("yes", "no"),
    "trade_2": ("yes", "no"),
    "other_account": ("yes", "no"),
    "readonly": ("no", "no"),
    "withdraw": ("yes", "yes"),
    "expiring": ("yes", "no"),
}
# No call returns what a key may do, or none in a form that could be confirmed.
SILENT = {
    ("binance", "testnet"),
    *(("phemex", environment) for environment in Environment),
    *(("woox", environment) for environment in Environment),
}
DATED = {("bybit", "live"), ("bybit", "testnet")}
DATED_CONTRACT = "BTC-USDT-270326"
STATES_LEVERAGE = {"binance", "woox"}
TELLS_ACCOUNT = (
    "bitmex",
    "bybit",
    "binance",
    "kraken",
    "okx",
    "kucoin",
    "deribit",
    "phemex",
    "woox",
)
# The reasons for a key bound to other addresses, a revoked key and another secret.
REFUSED = {
    "bitmex": ("refused", "invalid_key", "bad_signature"),
    "bybit": ("ip_not_allowed", "invalid_key", "bad_signature"),
    "binance": ("refused", "refused", "bad_signature"),
    "kraken": ("refused", "refused", "refused"),
    # KuCoin's passphrase depends on the secret too, and is checked first.
    "kucoin": ("ip_not_allowed", "invalid_key", "passphrase"),
    "okx": ("ip_not_allowed", "invalid_key", "bad_signature"),
    "deribit": ("refused", "refused", "refused"),
    "gemini": ("invalid_key", "invalid_key", "bad_signature"),
    "phemex": ("ip_not_allowed", "invalid_key", "bad_signature"),
    "woox": ("refused", "refused", "refused"),
}
UNTRADED = "DAWN"  # the base of a contract that was just listed


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(perpetuals=5, long_listing=5) as running:
        yield running


@pytest.fixture
def simulated(simulator: Simulator, http: HttpTransport) -> Exchanges:
    return Exchanges(http, hosts=simulated_hosts(simulator.hosts))


def boxed(texts: dict[str, str]) -> Credentials:
    passphrase = texts.get("api_passphrase")
    return Credentials(
        Secret(texts["api_key"]),
        Secret(texts["api_secret"]),
        None if passphrase is None else Secret(passphrase),
    )


async def check(
    exchanges: Exchanges, exchange: str, environment: Environment, keys: Credentials
) -> CredentialReport:
    adapter = exchanges.adapter(exchange)
    return await adapter.check_credentials(keys, environment, None, ContractType.LINEAR)


async def refusal(
    exchanges: Exchanges, exchange: str, environment: Environment, keys: Credentials
) -> str:
    with pytest.raises(CredentialsRefused) as caught:
        await check(exchanges, exchange, environment, keys)
    return caught.value.reason


@pytest.mark.parametrize("exchange", SIMULATED)
@pytest.mark.parametrize("environment", Environment)
async def test_every_variant_of_a_key_is_seen_for_what_it_is(
    simulated: Exchanges, exchange: str, environment: Environment
) -> None:
    variants = credentials()[exchange][environment]
    place = (exchange, environment.value)
    adapter = simulated.adapter(exchange)
    assert adapter.tells_withdrawal(environment, None) is (place not in SILENT)
    for variant, (trade, withdraw) in PERMITTED.items():
        report = await check(simulated, exchange, environment, boxed(variants[variant]))
        stated = (report.permissions.trade, report.permissions.withdraw)
        assert stated == (("unknown", "unknown") if place in SILENT else (trade, withdraw)), variant
        assert report.permissions.read == "yes"
        assert (report.expires_at is not None) is (variant == "expiring" and place in DATED)
        assert bool(report.max_leverage) is (exchange in STATES_LEVERAGE)
    bound, revoked, _ = REFUSED[exchange]
    reported = [
        await refusal(simulated, exchange, environment, boxed(variants[variant]))
        for variant in ("ip_bound", "revoked")
    ]
    assert reported == [bound, revoked]


@pytest.mark.parametrize("exchange", SIMULATED)
async def test_a_key_of_one_environment_or_another_secret_is_refused(
    simulated: Exchanges, exchange: str
) -> None:
    live = boxed(credentials()[exchange]["live"]["trade"])
    assert await refusal(simulated, exchange, Environment.TESTNET, live)
    forged = Credentials(live.api_key, Secret("YW5vdGhlcg=="), live.api_passphrase)
    reason = await refusal(simulated, exchange, Environment.LIVE, forged)
    assert reason == REFUSED[exchange][2]


@pytest.mark.parametrize("exchange", TELLS_ACCOUNT)
async def test_two_keys_of_one_account_are_recognized_as_such(
    simulated: Exchanges, exchange: str
) -> None:
    variants = credentials()[exchange]["live"]
    first, second, other = [
        (await check(simulated, exchange, Environment.LIVE, boxed(variants[name]))).exchange_account
        for name in ("trade", "trade_2", "other_account")
    ]
    assert first == second
    assert first not in {other, None}


@pytest.mark.parametrize(
    ("exchange", "contract_type"),
    [(name, kind) for name in SIMULATED for kind in EXCHANGES[name].contract_types],
)
@pytest.mark.parametrize("environment", Environment)
async def test_every_listed_perpetual_has_a_price_and_a_volume_once_it_is_traded(
    simulated: Exchanges, exchange: str, contract_type: ContractType, environment: Environment
) -> None:
    adapter = simulated.adapter(exchange)
    listed = await adapter.instruments(environment, None, contract_type)
    tickers = await adapter.tickers(environment, None, contract_type)
    found = {ticker.symbol: ticker for ticker in tickers}
    perpetuals = [instrument for instrument in listed if not instrument.dated]
    traded = [instrument.symbol for instrument in perpetuals if UNTRADED not in instrument.base]
    assert len(traded) >= 2
    for symbol in traded:
        assert found[symbol].price is not None
        assert found[symbol].volume_24h is not None


def edwards() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def rsa() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def private_pem(key: Ed25519PrivateKey | RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("exchange", "generate"),
    [
        ("binance", edwards),
        ("binance", rsa),
        ("bybit", rsa),
        ("deribit", edwards),
        ("deribit", rsa),
    ],
)
async def test_a_registered_key_is_proven_by_its_private_half_alone(
    simulator: Simulator,
    simulated: Exchanges,
    exchange: str,
    generate: Callable[[], Ed25519PrivateKey | RSAPrivateKey],
) -> None:
    own, strange = generate(), generate()
    public = own.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    simulator.keys.add(
        SimulatedKey(
            exchange,
            "live",
            KeyText("registered", ""),
            "400500600",
            frozenset({Permission.READ, Permission.TRADE}),
            public_key=public.decode(),
        )
    )
    live = Environment.LIVE

    keys = Credentials(Secret("registered"), Secret(private_pem(own)))
    report = await check(simulated, exchange, live, keys)
    assert (report.permissions.trade, report.permissions.withdraw) == ("yes", "no")
    assert (report.exchange_account is not None) == (exchange in TELLS_ACCOUNT)
    for wrong in (private_pem(strange), "no-private-half"):
        keys = Credentials(Secret("registered"), Secret(wrong))
        assert await refusal(simulated, exchange, live, keys) in {"bad_signature", "refused"}


async def test_x_perps_are_the_perpetuals_of_one_region(simulated: Exchanges) -> None:
    """Rule R54."""
    adapter = simulated.adapter("okx")
    live = Environment.LIVE

    listed = await adapter.instruments(live, "eea", ContractType.LINEAR)
    prices = {item.symbol for item in await adapter.tickers(live, "eea", ContractType.LINEAR)}

    perpetuals = [item for item in listed if not item.dated]
    symbols = {item.symbol for item in perpetuals}
    assert "BTC-USD_UM_XPERP-310404" in symbols
    assert all(item.expires_at is not None and item.expires_at.year == 2031 for item in perpetuals)
    assert not any(symbol.endswith("-SWAP") for symbol in symbols)
    assert prices == symbols | {DATED_CONTRACT}
    assert await adapter.instruments(live, "eea", ContractType.INVERSE) == ()
    elsewhere = await adapter.instruments(live, None, ContractType.LINEAR)
    assert {item.symbol for item in elsewhere if item.expires_at is not None} == {DATED_CONTRACT}
    both = await adapter.instruments(live, "us", ContractType.LINEAR)
    assert {item.symbol for item in both} == symbols | {item.symbol for item in elsewhere}


async def test_a_dated_contract_of_okx_is_listed_in_every_region(simulated: Exchanges) -> None:
    """Rule R55."""
    adapter = simulated.adapter("okx")
    for region in (None, "eea", "us"):
        listed = await adapter.instruments(Environment.LIVE, region, ContractType.LINEAR)
        [dated] = [item for item in listed if item.dated]
        assert (dated.symbol, dated.base, dated.settle) == (DATED_CONTRACT, "BTC", "USDT")
        assert dated.expires_at == datetime(2027, 3, 26, 8, tzinfo=UTC)
    inverse = await adapter.instruments(Environment.LIVE, None, ContractType.INVERSE)
    assert not any(item.dated for item in inverse)


async def test_demo_trading_has_keys_of_its_own_and_the_prices_of_the_main_site(
    simulator: Simulator, simulated: Exchanges
) -> None:
    adapter = simulated.adapter("bybit")
    testnet, linear = Environment.TESTNET, ContractType.LINEAR
    keys = boxed(demo_credentials()["bybit"]["testnet"]["trade"])

    report = await adapter.check_credentials(keys, testnet, "demo", linear)

    assert (report.permissions.trade, report.permissions.withdraw) == ("yes", "no")
    for environment, region in ((testnet, None), (Environment.LIVE, None)):
        with pytest.raises(InvalidKey):
            await adapter.check_credentials(keys, environment, region, linear)
    other = boxed(credentials()["bybit"]["testnet"]["trade"])
    with pytest.raises(InvalidKey):
        await adapter.check_credentials(other, testnet, "demo", linear)
    before = simulator.calls("bybit", "testnet")
    listed = await adapter.instruments(testnet, "demo", linear)
    assert await adapter.instruments(Environment.LIVE, None, linear) == listed
    assert (simulator.calls("bybit", "testnet"), len(listed) > 0) == (before, True)
