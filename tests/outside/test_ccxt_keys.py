"""The simulator accepts what ccxt signs with a valid key, and rejects it with any other."""

from collections.abc import Mapping
from typing import Any

import pytest

from app.simulator import credentials
from botkeys.exchanges.model import ContractType, Environment
from botkeys.exchanges.registry import EXCHANGES
from tests.outside.ccxt_client import OutsideClient
from tests.outside.conftest import BothSides

KEYS = credentials()
FUNDS = {"BTC", "GUSD", "USDC", "USDT"}
# The account of inverse contracts, where it differs from that of linear ones.
INVERSE_ACCOUNT: Mapping[str, Mapping[str, str]] = {
    "binance": {"type": "swap", "subType": "inverse"},
    "kucoin": {"code": "BTC"},
    "phemex": {"code": "BTC"},
}
CALLS = [
    *(pytest.param(exchange, {}, id=exchange) for exchange in EXCHANGES),
    *(pytest.param(*each, id=f"{each[0]}-inverse") for each in INVERSE_ACCOUNT.items()),
]


def other(environment: Environment) -> Environment:
    return next(each for each in Environment if each is not environment)


def bitcoin(client: OutsideClient, symbols: set[str], contract_type: ContractType) -> Any:
    """Return one of our contracts on BTC as ccxt describes it."""
    return next(
        market
        for market in client.markets
        if market["base"] == "BTC"
        and market["id"].upper() in symbols
        and market[contract_type.value]
    )


@pytest.mark.parametrize(("exchange", "params"), CALLS)
async def test_a_signed_call_is_accepted_for_a_good_key_alone(
    both_sides: BothSides, environment: Environment, exchange: str, params: Mapping[str, str]
) -> None:
    client = await both_sides.client(exchange, environment)
    known = KEYS[exchange][environment]
    with client.signing_with(known["trade"]):
        owned = await client.total(params)
    assert owned
    assert set(owned) <= FUNDS
    strangers = (
        known["revoked"],
        KEYS[exchange][other(environment)]["trade"],
        known["trade"] | {"api_secret": known["trade_2"]["api_secret"]},
    )
    for stranger in strangers:
        with client.signing_with(stranger), pytest.raises(client.authentication_error):
            await client.total(params)


@pytest.mark.parametrize(
    ("exchange", "contract_type"),
    [
        pytest.param(exchange, contract_type, id=f"{exchange}-{contract_type}")
        for exchange, profile in EXCHANGES.items()
        for contract_type in profile.contract_types
    ],
)
async def test_an_order_is_taken_from_a_key_that_may_trade_alone(
    both_sides: BothSides, environment: Environment, exchange: str, contract_type: ContractType
) -> None:
    """Send a signed call with a body. The trading key shows that the order itself is valid."""
    client = await both_sides.client(exchange, environment)
    instruments = await both_sides.instruments(exchange, environment, contract_type)
    market = bitcoin(client, {each.symbol.upper() for each in instruments}, contract_type)
    known = KEYS[exchange][environment]
    with client.signing_with(known["trade"]):
        assert await client.buy(market)
    for variant in ("readonly", "revoked"):
        with client.signing_with(known[variant]), pytest.raises(client.exchange_error):
            await client.buy(market)
