"""Files with keys, written from the documentation of the programs that read them."""

import json
from typing import Any

import pytest

from botkeys.commands.endings import BadData
from botkeys.commands.key_files.entries import Assumptions, KeyEntry, Unusable
from botkeys.commands.key_files.formats import read_entries
from botkeys.environment import Environment
from botkeys.exchanges.model import ContractType

SECRET = "made-up-secret-9f2c"


def keys_of(document: Any, **assumed: Any) -> tuple[str, dict[str, Any]]:
    """Return the format, and what became of each entry by its name."""
    text = document if isinstance(document, str) else json.dumps(document)
    name, entries = read_entries(text, None, Assumptions(**assumed))
    shown: dict[str, Any] = {}
    for entry in entries:
        if isinstance(entry, KeyEntry):
            market = entry.market
            shown[entry.name] = (
                market.exchange,
                market.environment,
                market.region,
                market.contract_type,
                entry.credentials.body(),
            )
        else:
            assert isinstance(entry, Unusable)
            assert SECRET not in entry.why
            shown[entry.name] = entry.why
    return name, shown


PAIR = {"api_key": "made-up-key", "api_secret": SECRET}
WITH_PASSPHRASE = {**PAIR, "api_passphrase": "pass"}


def test_passivbot_has_users_by_name_beside_notes_and_other_providers() -> None:
    found = keys_of(
        {
            "referrals": {"bybit": "https://example.org/b"},
            "_comment": "mine",
            "usdt": {"exchange": "binance", "key": "made-up-key", "secret": SECRET},
            "main": {
                "exchange": "okx",
                "key": "made-up-key",
                "secret": SECRET,
                "passphrase": "pass",
            },
            "native": {"exchange": "bybit", "apiKey": "made-up-key", "secret": SECRET},
            "spot": {"exchange": "kraken", "apiKey": "made-up-key", "secret": SECRET},
            "wallet": {"exchange": "hyperliquid", "wallet_address": "0x1", "private_key": SECRET},
            "half": {"exchange": "bybit", "key": "made-up-key", "secret": ""},
            "number": {"exchange": "bybit", "key": 12345, "secret": SECRET},
            "hidden": {"exchange": SECRET, "key": "made-up-key", "secret": SECRET},
            "tradfi": {"provider": "alpaca", "api_key": "a", "api_secret": SECRET},
        }
    )
    name, entries = found
    assert name == "passivbot"
    assert entries.pop("usdt") == ("binance", "live", None, "linear", PAIR)
    assert entries.pop("main") == ("okx", "live", None, "linear", WITH_PASSPHRASE)
    assert entries.pop("native") == ("bybit", "live", None, "linear", PAIR)
    assert "krakenfutures" in entries.pop("spot")
    assert entries.pop("wallet").startswith("hyperliquid is none of the exchanges here: bitmex")
    assert entries.pop("half") == "It has no secret."
    assert entries.pop("number") == "key is not text."
    assert entries.pop("hidden").startswith("Its exchange is none of the exchanges here")
    assert entries == {}


FREQTRADE = """{
    // The bot's own name. https://example.org/a,b
    "bot_name": "grid", /* of two
    lines */
    "trading_mode": "futures",
    "margin_mode": "isolated",
    "stake_currency": "USDT",
    "exchange": {
        "name": "%s",
        "key": "made-up-key",
        "secret": "made-up-secret-9f2c", // not a, comment: }
        "password": "a//b,]",
        "ccxt_config": %s,
        "pair_whitelist": ["BTC/USDT:USDT",],
    },
}
"""


@pytest.mark.parametrize(
    ("name", "config", "market"),
    [
        ("okx", "{}", ("okx", "live", None, "linear")),
        ("myokx", '{"sandbox": true}', ("okx", "testnet", "eea", "linear")),
        ("bybit", '{"options": {"testnet": true}}', ("bybit", "testnet", None, "linear")),
        (
            "bybit",
            '{"options": {"enableDemoTrading": true}}',
            ("bybit", "testnet", "demo", "linear"),
        ),
        ("binance", '{"options": {"sandbox": false}}', ("binance", "live", None, "linear")),
    ],
)
def test_freqtrade_has_comments_and_commas_at_the_end(
    name: str, config: str, market: tuple[str, ...]
) -> None:
    found, entries = keys_of(FREQTRADE % (name, config))
    assert found == "freqtrade"
    assert entries == {"grid": (*market, {**PAIR, "api_passphrase": "a//b,]"})}


def test_freqtrade_on_spot_says_how_to_import_its_key_nevertheless() -> None:
    document = {"exchange": {"name": "binance", "key": "made-up-key", "secret": SECRET}}
    assert "--contract-type" in keys_of(document)[1]["binance"]
    assert keys_of(document, contract_type=ContractType.INVERSE)[1]["binance"] == (
        *("binance", "live", None, "inverse"),
        PAIR,
    )


CCXT = {"apiKey": "made-up-key", "secret": SECRET}


@pytest.mark.parametrize(
    ("document", "name", "market"),
    [
        ({"id": "binanceusdm", **CCXT}, "binanceusdm", ("binance", "live", None, "linear")),
        ({"binancecoinm": CCXT}, "binancecoinm", ("binance", "live", None, "inverse")),
        ([{"id": "krakenfutures", **CCXT}], "krakenfutures", ("kraken", "live", None, "linear")),
        ([{"id": "kucoinfutures", **CCXT}], "kucoinfutures", ("kucoin", "live", None, "linear")),
        ({"bybiteu": CCXT}, "bybiteu", ("bybit", "live", "eu", "linear")),
        ({"okxus": CCXT}, "okxus", ("okx", "live", "us", "linear")),
        ({"woo": {**CCXT, "sandbox": True}}, "woo", ("woox", "testnet", None, "linear")),
        (
            {"bybit": {**CCXT, "options": {"defaultSubType": "inverse", "defaultType": "swap"}}},
            "bybit",
            ("bybit", "live", None, "inverse"),
        ),
        (
            {"deribit": {**CCXT, "testnet": True, "options": {"defaultType": "delivery"}}},
            "deribit",
            ("deribit", "testnet", None, "inverse"),
        ),
    ],
)
def test_ccxt_has_options_by_id(document: Any, name: str, market: tuple[str, ...]) -> None:
    assert keys_of(document) == ("ccxt", {name: (*market, PAIR)})


def test_ccxt_says_what_cannot_be_a_key_here() -> None:
    _, entries = keys_of(
        {
            "bitget": CCXT,
            "kraken": CCXT,
            "gemini": {**CCXT, "options": {"defaultSubType": "inverse"}},
            "bybiteu": {**CCXT, "sandbox": True},
            "okx": {**CCXT, "options": {"defaultType": "spot"}},
            "phemex": {"apiKey": "", "secret": SECRET},
        }
    )
    assert all(isinstance(why, str) for why in entries.values())
    assert entries["gemini"] == "Gemini has no inverse contracts."
    assert entries["bybiteu"] == "Bybit testnet has no region eu."
    assert entries["phemex"] == "It has no API key."


JESSE = """exchange_name,name,api_key,api_secret,additional_fields
Binance Perpetual Futures,grid,made-up-key,made-up-secret-9f2c,{}
Bybit USDT Perpetual Testnet,paper,made-up-key,made-up-secret-9f2c,
OKX Perpetual,main,made-up-key,made-up-secret-9f2c,"{""api_passphrase"": ""pass""}"
Bybit Inverse Perpetual,coin,made-up-key,made-up-secret-9f2c,
Bybit Spot,spot,made-up-key,made-up-secret-9f2c,
Coinbase Spot,other,made-up-key,made-up-secret-9f2c,
Binance Perpetual Futures,broken,made-up-key,made-up-secret-9f2c,made-up-secret-9f2c
Binance Perpetual Futures,short
"""


def test_jesse_has_a_table() -> None:
    name, entries = keys_of(JESSE)
    assert name == "jesse"
    assert entries.pop("grid") == ("binance", "live", None, "linear", PAIR)
    assert entries.pop("paper") == ("bybit", "testnet", None, "linear", PAIR)
    assert entries.pop("main") == ("okx", "live", None, "linear", WITH_PASSPHRASE)
    assert entries.pop("coin") == ("bybit", "live", None, "inverse", PAIR)
    assert "--contract-type" in entries.pop("spot")
    assert entries.pop("other").startswith("Its exchange is none of")
    assert entries.pop("broken") == "additional_fields is not JSON."
    assert entries.pop("short") == "It has no API key and no secret."
    assert entries == {}


def test_our_own_format_names_everything() -> None:
    own = {
        "exchange": "okx",
        "environment": "testnet",
        "region": "eea",
        "contract_type": "inverse",
        "active": False,
        **WITH_PASSPHRASE,
    }
    name, entries = keys_of(
        {
            "keys": [
                {"label": "one", **own},
                {**own, "label": "two", "region": "mars"},
                {**own, "label": "three", "environment": "staging"},
                {**own, "label": "four", "exchange": "ftx"},
                {**own, "label": "five", "exchange": "binanceusdm", "region": None}
                | {"contract_type": None},
                SECRET,
            ]
        }
    )
    assert name == "botkeys"
    assert entries.pop("one") == ("okx", "testnet", "eea", "inverse", WITH_PASSPHRASE)
    assert entries.pop("two") == "OKX testnet has no region mars."
    assert entries.pop("three") == "Its environment must be live or testnet."
    assert entries.pop("four").startswith("Its exchange is none of")
    assert entries.pop("five") == ("binance", "testnet", None, "linear", WITH_PASSPHRASE)
    assert entries == {"keys[6]": "It is no object."}


def test_what_the_file_leaves_open_is_what_the_user_states() -> None:
    document = {
        "open": {"exchange": "bybit", "key": "made-up-key", "secret": SECRET},
        "stated": {
            "exchange": "bybit",
            "key": "made-up-key",
            "secret": SECRET,
            "options": {"defaultType": "swap"},
        },
    }
    _, entries = keys_of(
        document, environment=Environment.TESTNET, contract_type=ContractType.INVERSE
    )
    assert entries["open"] == ("bybit", "testnet", None, "inverse", PAIR)
    assert entries["stated"] == ("bybit", "testnet", None, "linear", PAIR)


@pytest.mark.parametrize(
    "text",
    [
        "",
        SECRET,
        f'{{"key": "{SECRET}",',
        f'{{"key": "{SECRET}"}}',
        "[]",
        "{}",
        "null",
        f"a,b\n{SECRET},2\n",
        "[" * 100_000,
        "/*" * 100_000,
        '"' * 100_001,
        '"' + '\\"' * 100_000,
    ],
)
def test_a_file_of_another_kind_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(BadData) as caught:
        read_entries(text, None, Assumptions())
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_format_that_is_forced_must_fit() -> None:
    document = json.dumps({"usdt": {"exchange": "binance", "apiKey": "k", "secret": SECRET}})
    assert read_entries(document, "passivbot", Assumptions())[0] == "passivbot"
    for other in ("botkeys", "freqtrade", "jesse"):
        with pytest.raises(BadData):
            read_entries(document, other, Assumptions())
