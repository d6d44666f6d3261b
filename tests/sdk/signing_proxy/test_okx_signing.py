"""What a bot may do at OKX through the signing proxy, and every kind of call that it may not."""

# ruff: noqa: E501  # one row a line

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from app.simulator import Simulator, credentials
from botkeys.exchanges.model import ContractType
from tests.sdk.signing_proxy.trading import Bot, Holder, asset, config, held, refused, send_raw

KEYS = credentials()["okx"]["testnet"]
PLACE = {"instId": "BTC-USDT-SWAP", "tdMode": "cross"}
ORDER = {**PLACE, "side": "buy", "ordType": "market", "sz": "0.1"}
LIMIT = {**ORDER, "ordType": "limit", "px": "50000"}
CREATE, AMEND, ALGO = "/api/v5/trade/order", "/api/v5/trade/amend-order", "/api/v5/trade/order-algo"
LEVERAGE = "/api/v5/account/set-leverage"


@pytest.fixture(scope="module")
def exchange() -> str:
    return "okx"


@pytest.fixture(scope="module")
def environment() -> str:
    return "testnet"


@pytest.fixture
def holder(trading: tuple[Bot, Holder]) -> Holder:
    """Return what the service says, as if every test were the first."""
    holder = trading[1]
    off = asset("ETH-USDT-SWAP", "0.1", enabled=False, may_open_positions=False)
    holder.given, holder.config_age = held(KEYS["trade"]), 1.0
    holder.newest_config = config(
        "okx", ContractType.LINEAR, asset("BTC-USDT-SWAP", "0.01"), off, asset("NO-SIZE", "1", contract_size=None)
    )  # fmt: skip
    return holder


async def send(bot: Bot, method: str, path: str, given: Any = None) -> httpx.Response:
    """Send a call signed with the placeholder, as every client of OKX does."""
    posts = method != "GET"
    body = given if isinstance(given, str) else json.dumps(given or {}) if posts else ""
    query = "" if posts or not isinstance(given, Mapping) else urlencode(given)
    target = f"{path}?{query}" if query else path
    stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    digest = hmac.new(
        bot.secret.encode(), f"{stamp}{method}{target}{body}".encode(), hashlib.sha256
    )
    headers = {
        "OK-ACCESS-KEY": bot.key,
        "OK-ACCESS-SIGN": base64.b64encode(digest.digest()).decode(),
        "OK-ACCESS-TIMESTAMP": stamp,
        "OK-ACCESS-PASSPHRASE": bot.proxy.placeholder.api_passphrase or "",
        "Content-Type": "application/json",
    }
    return await bot.http.request(method, target, content=body or None, headers=headers)


async def test_a_bot_trades_without_the_secret(bot: Bot) -> None:
    assert (await send(bot, "GET", "/api/v5/account/balance", {"ccy": "USDT"})).json()["data"]
    placed = (await send(bot, "POST", CREATE, ORDER)).json()
    assert placed["data"][0]["sCode"] == "0"
    both = (await send(bot, "POST", "/api/v5/trade/batch-orders", [LIMIT, ORDER])).json()
    assert [row["sCode"] for row in both["data"]] == ["0", "0"]
    closing = {**ORDER, "side": "sell", "reduceOnly": True}
    assert (await send(bot, "POST", CREATE, closing)).json()["code"] == "0"


async def test_market_data_need_no_key(bot: Bot) -> None:
    answer = await bot.http.get("/api/v5/market/tickers?instType=SWAP")
    assert answer.json()["code"] == "0"


async def test_the_environment_is_the_key_s(bot: Bot, holder: Holder) -> None:
    """A live key at the demo, or a header that asks for another environment, reaches nothing."""
    holder.given = held(credentials()["okx"]["live"]["trade"])
    answer = await send(bot, "GET", "/api/v5/account/config")
    assert answer.json()["code"] == "50101"


REFUSED: list[tuple[str, str, str, Any, str]] = [
    ("withdrawal", "POST", "/api/v5/asset/withdrawal", {}, "endpoint_not_allowed"),
    ("transfer", "POST", "/api/v5/asset/transfer", {}, "endpoint_not_allowed"),
    ("transfer of sub-accounts", "POST", "/api/v5/asset/subaccount/transfer", {}, "endpoint_not_allowed"),
    ("sub-account", "POST", "/api/v5/users/subaccount/create-subaccount", {}, "endpoint_not_allowed"),
    ("API key", "POST", "/api/v5/users/subaccount/apikey", {}, "endpoint_not_allowed"),
    ("API key changed", "POST", "/api/v5/users/subaccount/modify-apikey", {}, "endpoint_not_allowed"),
    ("deposit address", "GET", "/api/v5/asset/deposit-address", {}, "endpoint_not_allowed"),
    ("loan", "POST", "/api/v5/account/spot-manual-borrow-repay", {}, "endpoint_not_allowed"),
    ("conversion", "POST", "/api/v5/asset/convert/trade", {}, "endpoint_not_allowed"),
    ("easy conversion", "POST", "/api/v5/trade/easy-convert", {}, "endpoint_not_allowed"),
    ("savings", "POST", "/api/v5/finance/savings/purchase-redempt", {}, "endpoint_not_allowed"),
    ("margin of a position", "POST", "/api/v5/account/position/margin-balance", {}, "endpoint_not_allowed"),
    ("copy trading", "POST", "/api/v5/copytrading/first-copy-settings", {}, "endpoint_not_allowed"),
    ("grid", "POST", "/api/v5/tradingBot/grid/order-algo", {}, "endpoint_not_allowed"),
    ("spread", "POST", "/api/v5/sprd/order", {}, "endpoint_not_allowed"),
    ("case of a path", "POST", "/api/v5/trade/Order", ORDER, "endpoint_not_allowed"),
    ("wrong method", "GET", LEVERAGE, {}, "endpoint_not_allowed"),
    ("spot", "POST", CREATE, ORDER | {"instId": "BTC-USDT", "tdMode": "cash"}, "symbol_not_enabled"),
    ("spot that reduces", "POST", CREATE, ORDER | {"instId": "BTC-USDT", "tdMode": "cash", "reduceOnly": True}, "symbol_not_enabled"),
    ("margin that reduces", "POST", CREATE, ORDER | {"instId": "BTC-USDT", "reduceOnly": True}, "symbol_not_enabled"),
    ("option that reduces", "POST", CREATE, ORDER | {"instId": "BTC-USD-271231-90000-C", "reduceOnly": True}, "symbol_not_enabled"),
    ("swap in the mode of spot", "POST", CREATE, ORDER | {"tdMode": "cash", "reduceOnly": True, "sz": "999"}, "order_too_large"),
    ("unknown symbol", "POST", CREATE, ORDER | {"instId": "XRP-USDT-SWAP"}, "symbol_not_enabled"),
    ("disabled", "POST", CREATE, ORDER | {"instId": "ETH-USDT-SWAP"}, "symbol_not_enabled"),
    ("symbol by code", "POST", CREATE, ORDER | {"instIdCode": 7}, "malformed"),
    ("leverage", "POST", LEVERAGE, PLACE | {"lever": "10.5", "mgnMode": "cross"}, "leverage_too_high"),
    ("leverage of a currency", "POST", LEVERAGE, {"ccy": "BTC", "lever": "5", "mgnMode": "cross"}, "malformed"),
    ("value of a limit", "POST", CREATE, LIMIT | {"sz": "2.1"}, "order_too_large"),
    ("value at market", "POST", CREATE, ORDER | {"sz": "99"}, "order_too_large"),
    ("limit with what is unknown", "POST", CREATE, LIMIT | {"sz": "99", "px": "1", "pxUsd": "90000"}, "order_too_large"),
    ("low sell limit", "POST", CREATE, LIMIT | {"side": "sell", "sz": "99", "px": "1"}, "order_too_large"),
    ("size of a contract unknown", "POST", CREATE, ORDER | {"instId": "NO-SIZE"}, "value_unknown"),
    ("amended quantity", "POST", AMEND, {"instId": "BTC-USDT-SWAP", "ordId": "1", "newSz": "99"}, "order_too_large"),
    ("amended price", "POST", AMEND, {"instId": "BTC-USDT-SWAP", "ordId": "1", "newPx": "1"}, "value_unknown"),
    ("algo order", "POST", ALGO, ORDER | {"ordType": "trigger", "triggerPx": "1", "orderPx": "-1", "sz": "99"}, "order_too_large"),
    ("twap that reduces", "POST", ALGO, ORDER | {"ordType": "twap", "reduceOnly": True, "sz": "99"}, "order_too_large"),
    ("batch", "POST", "/api/v5/trade/batch-orders", [LIMIT, LIMIT | {"sz": "99"}], "order_too_large"),
    ("batch of others", "POST", "/api/v5/trade/batch-orders", [LIMIT, LIMIT | {"instId": "XRP-USDT-SWAP"}], "symbol_not_enabled"),
    ("batch that is none", "POST", "/api/v5/trade/batch-orders", LIMIT, "malformed"),
    ("order that is a batch", "POST", CREATE, [ORDER], "malformed"),
    ("batch amended", "POST", "/api/v5/trade/amend-batch-orders", [{"instId": "BTC-USDT-SWAP", "newSz": "99"}], "order_too_large"),
    ("long that reduces", "POST", CREATE, ORDER | {"posSide": "long", "reduceOnly": True, "sz": "99"}, "order_too_large"),
    ("position side of no kind", "POST", CREATE, ORDER | {"posSide": "LONG"}, "malformed"),
    ("flag of no kind", "POST", CREATE, ORDER | {"reduceOnly": "yes"}, "malformed"),
    ("misspelt name", "POST", CREATE, ORDER | {"ReduceOnly": True}, "malformed"),
    ("member twice", "POST", CREATE, '{"instId":"BTC-USDT-SWAP","instId":"XRP-USDT-SWAP"}', "malformed"),
    ("query and body", "POST", f"{CREATE}?instId=BTC-USDT-SWAP", ORDER, "malformed"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "given", "code"),
    [row[1:] for row in REFUSED],
    ids=[row[0] for row in REFUSED],
)
async def test_a_call_is_refused(
    bot: Bot, simulator: Simulator, method: str, path: str, given: Any, code: str
) -> None:
    """R69."""
    before = simulator.calls("okx", "testnet", path)
    answer = await send(bot, method, path, given)
    assert refused(answer) == code, answer.text
    assert answer.status_code >= 400
    assert answer.json()["code"] not in ("", "0")
    assert answer.json()["msg"]
    assert simulator.calls("okx", "testnet", path) == before


CLOSING: list[tuple[str, str, Any]] = [
    ("reduce only", CREATE, ORDER | {"reduceOnly": True}),
    ("reduce only as text", CREATE, ORDER | {"reduceOnly": "true"}),
    ("reduce only of others", CREATE, ORDER | {"instId": "XRP-USDT-SWAP", "reduceOnly": True}),
    ("reduce only, X-Perp", CREATE, ORDER | {"instId": "BTC-USD_UM_XPERP-310404", "reduceOnly": True}),
    ("of a long", CREATE, ORDER | {"side": "sell", "posSide": "long"}),
    ("of a short", CREATE, ORDER | {"posSide": "short"}),
    ("stop of a position", ALGO, PLACE | {"side": "sell", "ordType": "conditional", "closeFraction": "1", "reduceOnly": True, "slTriggerPx": "1", "slOrdPx": "-1"}),
    ("close", "/api/v5/trade/close-position", {"instId": "BTC-USDT-SWAP", "mgnMode": "cross"}),
    ("cancel", "/api/v5/trade/cancel-order", {"instId": "BTC-USDT-SWAP", "ordId": "1"}),
    ("cancel a batch", "/api/v5/trade/cancel-batch-orders", [{"instId": "BTC-USDT-SWAP", "ordId": "1"}]),
    ("cancel algos", "/api/v5/trade/cancel-algos", [{"instId": "BTC-USDT-SWAP", "algoId": "1"}]),
    ("cancel later", "/api/v5/trade/cancel-all-after", {"timeOut": "60"}),
    ("batch", "/api/v5/trade/batch-orders", [ORDER | {"reduceOnly": True}]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "given"), [row[1:] for row in CLOSING], ids=[row[0] for row in CLOSING]
)
@pytest.mark.parametrize("state", ["frozen", "away", "no assets"])
async def test_closing_passes_in_every_state(
    bot: Bot, holder: Holder, path: str, given: Any, state: str
) -> None:
    """R69."""
    if state == "frozen":
        holder.set(may_open_positions=False, blocked_by=("frozen",))
    elif state == "away":
        holder.config_age = 3600.0
    else:
        holder.set(assets=())
    assert refused(await send(bot, "POST", path, given)) is None


@pytest.mark.parametrize("reason", ["frozen", "key_inactive", "bot_paused"])
async def test_nothing_opens_while_the_service_forbids_it(
    bot: Bot, holder: Holder, reason: str
) -> None:
    holder.set(may_open_positions=False, blocked_by=(reason,))
    answer = await send(bot, "POST", CREATE, ORDER)
    assert refused(answer) == "may_not_open"
    assert reason in answer.json()["msg"]


async def test_only_the_placeholder_is_signed_for(bot: Bot) -> None:
    path = "/api/v5/account/config"
    assert refused(await bot.http.get(path)) == "not_authenticated"
    for key in (KEYS["trade"]["api_key"], "x", ""):
        answer = await bot.http.get(path, headers={"OK-ACCESS-KEY": key})
        assert refused(answer) == "foreign_credentials"
    for name in ("OK-ACCESS-SIGN", "OK-ACCESS-PASSPHRASE"):
        answer = await bot.http.get("/api/v5/public/time", headers={name: "x"})
        assert refused(answer) == "foreign_credentials"


@pytest.mark.parametrize(
    "target",
    [
        "/api%2Fv5/account/config",
        "/api/v5/public/../asset/withdrawal",
        "/api/v5/public/..%2fasset/withdrawal",
        "//api/v5/account/config",
        "/api/v5//account/config",
        "/api/v5/account/config/",
        "/api/v5/account/confi%67",
        "http://evil.example/api/v5/account/config",
        "/api/v5/trade/order?instId=A&instId=B",
        "/api/v5/trade/order?instId=A&instid=B",
    ],
)
async def test_a_path_that_reads_two_ways_is_refused(
    bot: Bot, simulator: Simulator, target: str
) -> None:
    before = simulator.calls("okx", "testnet")
    host = bot.proxy.address.removeprefix("http://")
    lines = [f"GET {target} HTTP/1.1", f"Host: {host}", f"OK-ACCESS-KEY: {bot.key}"]
    answer = await send_raw(bot.proxy, "\r\n".join([*lines, "", ""]).encode())
    assert refused(answer) == "malformed"
    assert simulator.calls("okx", "testnet") == before
