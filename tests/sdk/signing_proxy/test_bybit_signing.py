"""What a bot may do at Bybit through the signing proxy, and every kind of call that it may not."""

# ruff: noqa: E501  # one row a line

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from app.simulator import Simulator, credentials
from botkeys.exchanges.model import ContractType
from botkeys.signing_proxy.canonical import read_document
from botkeys.signing_proxy.refusals import Refusal
from tests.sdk.signing_proxy.trading import Bot, Holder, asset, config, held, refused, send_raw

KEYS = credentials()["bybit"]["testnet"]
PLACE = {"category": "linear", "symbol": "BTCUSDT"}
ORDER = {**PLACE, "side": "Buy", "orderType": "Market", "qty": "0.002"}
LIMIT = {**ORDER, "orderType": "Limit", "price": "50000"}
CREATE, AMEND = "/v5/order/create", "/v5/order/amend"


@pytest.fixture(scope="module")
def exchange() -> str:
    return "bybit"


@pytest.fixture(scope="module")
def environment() -> str:
    return "testnet"


@pytest.fixture
def holder(trading: tuple[Bot, Holder]) -> Holder:
    """Return what the service says, as if every test were the first."""
    holder = trading[1]
    assets = [asset("BTCUSDT"), asset("ETHUSDT", enabled=False, may_open_positions=False)]
    holder.given, holder.config_age = held(KEYS["trade"]), 1.0
    holder.newest_config = config("bybit", ContractType.LINEAR, *assets)
    return holder


async def send(
    bot: Bot, method: str, path: str, given: Mapping[str, Any] | str | None = None
) -> httpx.Response:
    """Send a call signed with the placeholder, as every client of Bybit does."""
    stamp, window = str(int(time.time() * 1000)), "5000"
    posts = method != "GET"
    body = given if isinstance(given, str) else json.dumps(given or {}) if posts else ""
    query = "" if posts or isinstance(given, str) else urlencode(given or {})
    text = f"{stamp}{bot.key}{window}{query}{body}"
    headers = {
        "X-BAPI-API-KEY": bot.key,
        "X-BAPI-TIMESTAMP": stamp,
        "X-BAPI-RECV-WINDOW": window,
        "X-BAPI-SIGN": hmac.new(bot.secret.encode(), text.encode(), hashlib.sha256).hexdigest(),
        "Content-Type": "application/json",
    }
    target = f"{path}?{query}" if query else path
    return await bot.http.request(method, target, content=body or None, headers=headers)


async def test_a_bot_trades_without_the_secret(bot: Bot, holder: Holder) -> None:
    holder.given = held(KEYS["other_account"])
    lever = {**PLACE, "buyLeverage": "7", "sellLeverage": "7"}
    assert (await send(bot, "POST", "/v5/position/set-leverage", lever)).json()["retCode"] == 0
    placed = (await send(bot, "POST", CREATE, LIMIT)).json()["result"]["orderId"]
    rows = (await send(bot, "GET", "/v5/order/realtime", PLACE)).json()["result"]["list"]
    assert placed in [row["orderId"] for row in rows]
    cancelled = await send(bot, "POST", "/v5/order/cancel", {**PLACE, "orderId": placed})
    assert cancelled.json()["result"]["orderId"] == placed
    assert (await send(bot, "POST", CREATE, ORDER)).json()["retCode"] == 0
    (row,) = (await send(bot, "GET", "/v5/position/list", PLACE)).json()["result"]["list"]
    assert (row["side"], row["size"], row["leverage"]) == ("Buy", "0.002", "7")
    back = {**ORDER, "side": "Sell", "reduceOnly": True}
    assert (await send(bot, "POST", CREATE, back)).json()["retCode"] == 0


async def test_market_data_need_no_key(bot: Bot) -> None:
    answer = await bot.http.get("/v5/market/tickers?category=linear&symbol=BTCUSDT")
    assert answer.json()["retCode"] == 0


REFUSED: list[tuple[str, str, str, Any, str]] = [
    ("withdrawal", "POST", "/v5/asset/withdraw/create", {}, "endpoint_not_allowed"),
    ("transfer", "POST", "/v5/asset/transfer/inter-transfer", {}, "endpoint_not_allowed"),
    ("transfer to others", "POST", "/v5/asset/transfer/universal-transfer", {}, "endpoint_not_allowed"),
    ("sub-account", "POST", "/v5/user/create-sub-member", {}, "endpoint_not_allowed"),
    ("API key of a sub-account", "POST", "/v5/user/create-sub-api", {}, "endpoint_not_allowed"),
    ("API key", "POST", "/v5/user/update-api", {}, "endpoint_not_allowed"),
    ("API key's end", "POST", "/v5/user/delete-api", {}, "endpoint_not_allowed"),
    ("API keys of sub-accounts", "GET", "/v5/user/sub-apikeys", {}, "endpoint_not_allowed"),
    ("loan", "POST", "/v5/spot-margin-trade/set-leverage", {}, "endpoint_not_allowed"),
    ("conversion", "POST", "/v5/asset/exchange/quote-apply", {}, "endpoint_not_allowed"),
    ("margin of a position", "POST", "/v5/position/add-margin", {}, "endpoint_not_allowed"),
    ("margin added by itself", "POST", "/v5/position/set-auto-add-margin", {}, "endpoint_not_allowed"),
    ("deposit address", "GET", "/v5/asset/deposit/query-address", {}, "endpoint_not_allowed"),
    ("case of a path", "POST", "/v5/order/Create", ORDER, "endpoint_not_allowed"),
    ("wrong method", "GET", CREATE, {}, "endpoint_not_allowed"),
    ("spot", "POST", CREATE, ORDER | {"category": "spot"}, "symbol_not_enabled"),
    ("spot that reduces", "POST", CREATE, ORDER | {"category": "spot", "reduceOnly": True}, "symbol_not_enabled"),
    ("option", "POST", CREATE, ORDER | {"category": "option"}, "symbol_not_enabled"),
    ("inverse", "POST", CREATE, ORDER | {"category": "inverse"}, "symbol_not_enabled"),
    ("no category", "POST", CREATE, {k: v for k, v in ORDER.items() if k != "category"}, "malformed"),
    ("unknown symbol", "POST", CREATE, ORDER | {"symbol": "XRPUSDT"}, "symbol_not_enabled"),
    ("disabled", "POST", CREATE, ORDER | {"symbol": "ETHUSDT"}, "symbol_not_enabled"),
    ("leverage", "POST", "/v5/position/set-leverage", PLACE | {"buyLeverage": "10", "sellLeverage": "11"}, "leverage_too_high"),
    ("leverage by the margin mode", "POST", "/v5/position/switch-isolated", PLACE | {"tradeMode": 1, "buyLeverage": "11", "sellLeverage": "1"}, "leverage_too_high"),
    ("one leverage", "POST", "/v5/position/set-leverage", PLACE | {"buyLeverage": "1"}, "malformed"),
    ("value of a limit", "POST", CREATE, LIMIT | {"qty": "0.021"}, "order_too_large"),
    ("value at market", "POST", CREATE, ORDER | {"qty": "1"}, "order_too_large"),
    ("best bid or offer", "POST", CREATE, LIMIT | {"qty": "1", "price": "1", "bboSideType": "Counterparty", "bboLevel": "1"}, "order_too_large"),
    ("low sell limit", "POST", CREATE, LIMIT | {"side": "Sell", "qty": "1", "price": "1"}, "order_too_large"),
    ("amended quantity", "POST", AMEND, PLACE | {"orderId": "1", "qty": "1"}, "order_too_large"),
    ("amended price", "POST", AMEND, PLACE | {"orderId": "1", "price": "1"}, "value_unknown"),
    ("amendment of others", "POST", AMEND, PLACE | {"symbol": "XRPUSDT", "qty": "1"}, "symbol_not_enabled"),
    ("batch", "POST", "/v5/order/create-batch", {"category": "linear", "request": [LIMIT, LIMIT | {"qty": "1"}]}, "order_too_large"),
    ("batch of others", "POST", "/v5/order/create-batch", {"category": "linear", "request": [LIMIT | {"symbol": "XRPUSDT"}]}, "symbol_not_enabled"),
    ("batch of two categories", "POST", "/v5/order/create-batch", {"category": "linear", "request": [LIMIT | {"category": "spot"}]}, "malformed"),
    ("batch of spot", "POST", "/v5/order/create-batch", {"category": "spot", "request": [LIMIT]}, "symbol_not_enabled"),
    ("empty batch", "POST", "/v5/order/create-batch", {"category": "linear", "request": []}, "malformed"),
    ("batch amended", "POST", "/v5/order/amend-batch", {"category": "linear", "request": [PLACE | {"qty": "1"}]}, "order_too_large"),
    ("hedged long", "POST", CREATE, ORDER | {"positionIdx": 1, "qty": "1"}, "order_too_large"),
    ("hedged long that reduces", "POST", CREATE, ORDER | {"positionIdx": 1, "qty": "1", "reduceOnly": True}, "order_too_large"),
    ("index of no kind", "POST", CREATE, ORDER | {"positionIdx": 3}, "malformed"),
    ("flag of no kind", "POST", CREATE, ORDER | {"reduceOnly": 1}, "malformed"),
    ("side of no kind", "POST", CREATE, ORDER | {"side": "BUY"}, "malformed"),
    ("number with an exponent", "POST", CREATE, ORDER | {"qty": "1e3"}, "malformed"),
    ("negative number", "POST", CREATE, ORDER | {"qty": "-1"}, "malformed"),
    ("name by case", "POST", CREATE, ORDER | {"Qty": "9"}, "malformed"),
    ("misspelt name", "POST", CREATE, ORDER | {"reduceonly": True}, "malformed"),
    ("member twice", "POST", CREATE, '{"category":"linear","symbol":"BTCUSDT","qty":"1","qty":"2"}', "malformed"),
    ("member twice by an escape", "POST", CREATE, '{"qty":"1","\\u0071ty":"2"}', "malformed"),
    ("not a number", "POST", CREATE, '{"qty":NaN}', "malformed"),
    ("list", "POST", CREATE, "[]", "malformed"),
    ("two documents", "POST", CREATE, "{}{}", "malformed"),
    ("digits that a float loses", "POST", CREATE, '{"qty":0.12345678901234567}', "malformed"),
    ("nested", "POST", CREATE, '{"a":' + "[" * 50 + "]" * 50 + "}", "malformed"),
    ("NUL in a name", "POST", CREATE, '{"qty\\u0000":"1"}', "malformed"),
    ("query and body", "POST", f"{CREATE}?symbol=BTCUSDT", ORDER, "malformed"),
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
    before = simulator.calls("bybit", "testnet", path)
    answer = await send(bot, method, path, given)
    assert refused(answer) == code, answer.text
    assert answer.status_code == 200
    assert answer.json()["retCode"] != 0
    assert answer.json()["retMsg"]
    assert simulator.calls("bybit", "testnet", path) == before


CLOSING: list[tuple[str, str, Any]] = [
    ("reduce only", CREATE, ORDER | {"reduceOnly": True}),
    ("reduce only of others", CREATE, ORDER | {"symbol": "XRPUSDT", "reduceOnly": True}),
    ("reduce only, all", CREATE, ORDER | {"qty": "0", "reduceOnly": True}),
    ("reduce only, inverse", CREATE, ORDER | {"category": "inverse", "symbol": "BTCUSD", "qty": "1", "reduceOnly": True}),
    ("of a hedged long", CREATE, ORDER | {"side": "Sell", "positionIdx": 1}),
    ("of a hedged short", CREATE, ORDER | {"positionIdx": 2}),
    ("stop of a position", "/v5/position/trading-stop", PLACE | {"stopLoss": "1"}),
    ("cancel", "/v5/order/cancel", PLACE | {"orderId": "1"}),
    ("cancel all", "/v5/order/cancel-all", {"category": "linear", "settleCoin": "USDT"}),
    ("cancel a batch", "/v5/order/cancel-batch", {"category": "linear", "request": []}),
    ("batch", "/v5/order/create-batch", {"category": "linear", "request": [ORDER | {"reduceOnly": True}]}),
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
    assert reason in answer.json()["retMsg"]


async def test_only_the_placeholder_is_signed_for(bot: Bot) -> None:
    path = "/v5/account/info"
    assert refused(await bot.http.get(path)) == "not_authenticated"
    for key in (KEYS["trade"]["api_key"], "x", ""):
        answer = await bot.http.get(path, headers={"X-BAPI-API-KEY": key})
        assert refused(answer) == "foreign_credentials"
    for target in (f"{path}?api_key=x", f"{path}?sign=00"):
        assert refused(await bot.http.get(target)) == "foreign_credentials"
    signed = await bot.http.get("/v5/market/time", headers={"X-BAPI-SIGN": "00"})
    assert refused(signed) == "foreign_credentials"


@pytest.mark.parametrize(
    "target",
    [
        "/v5/order%2Frealtime",
        "/v5/../v5/asset/withdraw/create",
        "//v5/account/info",
        "/v5//account/info",
        "/v5/account/info/",
        "/v5/account/inf%6f",
        "http://evil.example/v5/account/info",
        "/v5/order/realtime?category=linear&category=spot",
        "/v5/order/realtime?category=linear&Category=spot",
    ],
)
async def test_a_path_that_reads_two_ways_is_refused(
    bot: Bot, simulator: Simulator, target: str
) -> None:
    before = simulator.calls("bybit", "testnet")
    host = bot.proxy.address.removeprefix("http://")
    lines = [f"GET {target} HTTP/1.1", f"Host: {host}", f"X-BAPI-API-KEY: {bot.key}"]
    answer = await send_raw(bot.proxy, "\r\n".join([*lines, "", ""]).encode())
    assert refused(answer) == "malformed"
    assert simulator.calls("bybit", "testnet") == before


@pytest.mark.parametrize("half", ["\\ud800", "\\udfff", "x\\udc00y"])
def test_half_of_a_character_is_refused(half: str) -> None:
    with pytest.raises(Refusal):
        read_document(f'{{"orderLinkId": "{half}"}}'.encode())
    assert read_document(b'{"orderLinkId": "\\ud83d\\ude00"}') == {"orderLinkId": "\U0001f600"}
