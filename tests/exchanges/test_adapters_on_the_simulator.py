"""Adapters and simulator share no code: where they agree, both read the facts alike."""

from collections.abc import AsyncIterator

import pytest

from app.exchanges.errors import CredentialsRefused
from app.exchanges.model import ContractType, CredentialReport, Credentials, Environment
from app.exchanges.registry import Exchanges, simulated_hosts
from app.secret import Secret
from app.simulator import Simulator, credentials
from app.transport import HttpTransport

SIMULATED = ("binance", "okx")
TOLD = {
    "trade": ("yes", "no"),
    "trade_2": ("yes", "no"),
    "other_account": ("yes", "no"),
    "readonly": ("no", "no"),
    "withdraw": ("yes", "yes"),
    "expiring": ("yes", "no"),
}
REFUSED = {
    ("binance", "ip_bound"): "refused",
    ("binance", "revoked"): "refused",
    ("okx", "ip_bound"): "ip_not_allowed",
    ("okx", "revoked"): "invalid_key",
}


@pytest.fixture
async def simulated(http: HttpTransport) -> AsyncIterator[Exchanges]:
    async with Simulator(perpetuals=5) as simulator:
        yield Exchanges(http, hosts=simulated_hosts(simulator.hosts))


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


@pytest.mark.parametrize("exchange", SIMULATED)
@pytest.mark.parametrize("environment", Environment)
async def test_every_variant_of_a_key_is_seen_for_what_it_is(
    simulated: Exchanges, exchange: str, environment: Environment
) -> None:
    variants = credentials()[exchange][environment]
    silent = exchange == "binance" and environment is Environment.TESTNET
    for variant, (trade, withdraw) in TOLD.items():
        report = await check(simulated, exchange, environment, boxed(variants[variant]))
        told = (report.permissions.trade, report.permissions.withdraw)
        assert told == (("unknown", "unknown") if silent else (trade, withdraw)), variant
        dated = variant == "expiring" and exchange == "binance" and not silent
        assert (report.expires_at is not None) is dated
        assert bool(report.max_leverage) is (exchange == "binance")
    for (name, variant), reason in REFUSED.items():
        if name == exchange:
            with pytest.raises(CredentialsRefused) as caught:
                await check(simulated, exchange, environment, boxed(variants[variant]))
            assert caught.value.reason == reason


@pytest.mark.parametrize("exchange", SIMULATED)
async def test_a_key_of_one_environment_or_another_secret_is_refused(
    simulated: Exchanges, exchange: str
) -> None:
    live = boxed(credentials()[exchange]["live"]["trade"])
    with pytest.raises(CredentialsRefused):
        await check(simulated, exchange, Environment.TESTNET, live)
    forged = Credentials(live.api_key, Secret("another"), live.api_passphrase)
    with pytest.raises(CredentialsRefused) as caught:
        await check(simulated, exchange, Environment.LIVE, forged)
    assert caught.value.reason == "bad_signature"


async def test_two_keys_of_one_account_are_told_to_be_that(simulated: Exchanges) -> None:
    variants = credentials()["okx"]["live"]
    first, second, other = [
        (await check(simulated, "okx", Environment.LIVE, boxed(variants[name]))).exchange_account
        for name in ("trade", "trade_2", "other_account")
    ]
    assert first == second
    assert first not in {other, None}


@pytest.mark.parametrize("exchange", SIMULATED)
@pytest.mark.parametrize("contract_type", ContractType)
async def test_every_listed_perpetual_has_a_price_and_a_volume(
    simulated: Exchanges, exchange: str, contract_type: ContractType
) -> None:
    adapter = simulated.adapter(exchange)
    listed = await adapter.instruments(Environment.LIVE, None, contract_type)
    tickers = await adapter.tickers(Environment.LIVE, None, contract_type)
    found = {ticker.symbol: ticker for ticker in tickers}
    assert len(listed) >= 5
    for instrument in listed:
        assert found[instrument.symbol].price is not None
        assert found[instrument.symbol].volume_24h is not None
