import pytest

from botkeys.exchanges.advice import advice
from botkeys.exchanges.model import (
    Availability,
    ContractType,
    Environment,
    LeverageKind,
    MarginMode,
    RefusalReason,
)
from botkeys.exchanges.registry import (
    ADAPTERS,
    EXCHANGES,
    Exchanges,
    passphrase_required,
    simulated_hosts,
)
from botkeys.transport.client import HttpTransport

ORDER = [
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
]


def test_all_ten_exchanges_stand_in_the_users_order() -> None:
    assert list(EXCHANGES) == ORDER
    assert all(profile.exchange == name for name, profile in EXCHANGES.items())


def test_every_exchange_has_both_environments_whatever_their_state() -> None:
    states = {
        (name, environment): profile.environments[environment].availability
        for name, profile in EXCHANGES.items()
        for environment in Environment
    }
    unusual = {place: state for place, state in states.items() if state != "available"}
    assert unusual == {
        ("bitmex", Environment.LIVE): Availability.CLOSED,
        ("bitmex", Environment.TESTNET): Availability.CLOSED,
        ("kucoin", Environment.TESTNET): Availability.DISCONTINUED,
        ("gemini", Environment.LIVE): Availability.UNCONFIRMED,
    }
    for exchange, environment in unusual:
        assert EXCHANGES[exchange].environments[environment].note


def test_capabilities_are_those_of_the_facts() -> None:
    linear_only = {n for n, p in EXCHANGES.items() if ContractType.INVERSE not in p.contract_types}
    cross_only = {n for n, p in EXCHANGES.items() if p.margin_modes == (MarginMode.CROSS,)}
    implicit = {n for n, p in EXCHANGES.items() if p.leverage is LeverageKind.IMPLICIT}
    by_account = {n for n, p in EXCHANGES.items() if p.margin_mode_scope == "account"}
    regional = {n for n, p in EXCHANGES.items() if p.environments[Environment.LIVE].regions}
    assert linear_only == {"gemini", "woox"}
    assert cross_only == {"deribit", "gemini"}
    assert implicit == {"deribit", "gemini"}
    assert by_account == {"bybit", "deribit", "gemini"}
    assert {n for n, p in EXCHANGES.items() if p.shares_margin_mode} == {"bybit"}
    with_cross = {n for n, p in EXCHANGES.items() if MarginMode.CROSS in p.leverage_margin_modes}
    assert set(EXCHANGES) - with_cross == implicit | {"kraken"}
    assert EXCHANGES["kraken"].leverage_margin_modes == (MarginMode.ISOLATED,)
    assert regional == {"bybit", "okx"}
    assert {name for name in EXCHANGES if passphrase_required(name)} == {"okx", "kucoin"}


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_every_profile_helps_to_make_a_key(exchange: str) -> None:
    profile = EXCHANGES[exchange]
    names = [field.name for field in profile.credential_fields]
    assert names[:2] == ["api_key", "api_secret"]
    assert all(field.help.endswith(".") for field in profile.credential_fields)
    assert profile.required_permissions
    assert any("withdraw" in step.lower() or "wallet" in step for step in profile.setup_steps)


@pytest.mark.parametrize("exchange", ADAPTERS)
def test_a_profile_and_its_adapter_agree(exchange: str) -> None:
    profile, adapter = EXCHANGES[exchange], ADAPTERS[exchange]
    assert set(profile.contract_types) == adapter.contract_types
    offered = (set(profile.environments[environment].regions) for environment in Environment)
    assert set().union(*offered) == adapter.regions


def test_every_exchange_has_an_adapter() -> None:
    assert list(ADAPTERS) == ORDER


def test_an_exchange_that_is_none_of_the_ten_has_no_adapter(http: HttpTransport) -> None:
    with pytest.raises(KeyError):
        Exchanges(http).adapter("mtgox")


def test_one_host_is_replaced_and_the_others_stay(http: HttpTransport) -> None:
    hosts = {"binance": {"testnet": {"rest_inverse": "https://sandbox.example:8443/"}}}
    adapter = Exchanges(http, hosts=hosts).adapter("binance")
    inverse = adapter.endpoints(Environment.TESTNET, None, ContractType.INVERSE)
    linear = adapter.endpoints(Environment.TESTNET, None, ContractType.LINEAR)
    live = adapter.endpoints(Environment.LIVE, None, ContractType.INVERSE)
    assert inverse.rest == "https://sandbox.example:8443"
    assert linear.rest == "https://demo-fapi.binance.com"
    assert live.rest == "https://dapi.binance.com"


@pytest.mark.parametrize(
    ("hosts", "sentence"),
    [
        ({"binanse": {}}, "binanse"),
        ({"binance": {"demo": {"rest_linear": "https://a.example"}}}, "no environment demo"),
        ({"binance": {"live": {"rest": "https://a.example"}}}, "no host rest"),
        ({"okx": {"live": {"rest": "a.example"}}}, "https://host"),
        ({"okx": {"live": {"rest": "wss://a.example"}}}, "https://host"),
        ({"okx": {"live": {"websocket": "https://a.example"}}}, "wss://host"),
        ({"okx": {"live": {"rest": "http://a.example"}}}, "in clear"),
        ({"okx": {"live": {"rest": "http://10.0.0.1"}}}, "in clear"),
        ({"okx": {"live": {"rest": "https://a.example/prefix"}}}, "not have a path"),
        ({"okx": {"live": {"rest": "https://user:word@a.example"}}}, "login, query or fragment"),
        ({"okx": {"live": {"rest": "https://a.example?x=y"}}}, "login, query or fragment"),
    ],
)
def test_a_host_setting_that_cannot_be_right_is_refused(
    http: HttpTransport, hosts: dict[str, dict[str, dict[str, str | None]]], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        Exchanges(http, hosts=hosts)


def test_simulated_exchanges_leave_no_way_to_a_real_one(http: HttpTransport) -> None:
    here = "http://127.0.0.1:9"
    hosts = simulated_hosts({"okx": {"testnet": here}})
    exchanges = Exchanges(http, hosts=hosts)
    for exchange, adapter in ADAPTERS.items():
        for environment in Environment:
            for region in (None, *adapter.regions):
                for kind in adapter.contract_types:
                    found = exchanges.adapter(exchange).endpoints(environment, region, kind)
                    simulated = exchange == "okx" and environment is Environment.TESTNET
                    assert found.rest == (here if simulated else None)
                    assert found.websocket is None


def test_a_simulated_test_environment_of_binance_has_no_account_host_either() -> None:
    here = "http://127.0.0.1:9"
    hosts = simulated_hosts({"binance": {"live": here, "testnet": here}})["binance"]
    assert hosts["live"]["rest_account"] == here
    assert hosts["testnet"]["rest_account"] is None
    assert hosts["testnet"]["rest_linear"] == here


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize("reason", RefusalReason)
def test_every_refusal_has_a_sentence_that_names_the_exchange_or_what_to_change(
    exchange: str, reason: RefusalReason
) -> None:
    sentence = advice(exchange, reason)
    assert sentence.endswith(".")
    assert "{" not in sentence
    assert len(sentence) > 40


def test_causes_that_an_exchange_does_not_tell_apart_are_all_named() -> None:
    possible = (
        RefusalReason.INVALID_KEY,
        RefusalReason.IP_NOT_ALLOWED,
        RefusalReason.PERMISSION,
    )
    sentence = advice("binance", RefusalReason.REFUSED, possible)
    for part in ("was deleted", "trusted IPs", "Enable Futures", "API Management"):
        assert part in sentence


def test_krakens_refusal_names_the_mistake_of_entering_a_spot_key() -> None:
    possible = (RefusalReason.INVALID_KEY, RefusalReason.BAD_SIGNATURE)
    assert "spot" in advice("kraken", RefusalReason.REFUSED, possible)
