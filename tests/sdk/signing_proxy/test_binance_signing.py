"""What a bot may do at Binance through the signing proxy, and every kind of call that it may not."""

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
from tests.sdk.signing_proxy.trading import Bot, Holder, asset, config, held, refused, send_raw

KEYS = credentials()["binance"]["live"]
ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.002"}
LIMIT = {**ORDER, "type": "LIMIT", "timeInForce": "GTC", "price": "50000"}


@pytest.fixture(scope="module")
def exchange() -> str:
    return "binance"


@pytest.fixture(scope="module")
def environment() -> str:
    return "live"


@pytest.fixture
def holder(trading: tuple[Bot, Holder]) -> Holder:
    """Return what the service says, as if every test were the first."""
    holder = trading[1]
    assets = [asset("BTCUSDT"), asset("ETHUSDT", enabled=False, may_open_positions=False)]
    holder.given, holder.config_age = held(KEYS["trade"]), 1.0
    holder.newest_config = config("binance", ContractType.LINEAR, *assets)
    return holder


async def send(
    bot: Bot, method: str, path: str, given: Mapping[str, Any] | None = None
) -> httpx.Response:
    """Send a call signed with the placeholder, as every client of Binance does."""
    text = urlencode({**(given or {}), "timestamp": int(time.time() * 1000)})
    signature = hmac.new(bot.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    signed, headers = f"{text}&signature={signature}", {"X-MBX-APIKEY": bot.key}
    if method in {"GET", "DELETE"}:
        return await bot.http.request(method, f"{path}?{signed}", headers=headers)
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    return await bot.http.request(method, path, content=signed, headers=headers)


async def test_a_bot_trades_without_the_secret(bot: Bot, holder: Holder) -> None:
    holder.given = held(KEYS["other_account"])
    set_leverage = await send(
        bot, "POST", "/fapi/v1/leverage", {"symbol": "BTCUSDT", "leverage": 7}
    )
    assert set_leverage.json()["leverage"] == 7
    placed = (await send(bot, "POST", "/fapi/v1/order", {**LIMIT, "quantity": "0.01"})).json()
    resting = (await send(bot, "GET", "/fapi/v1/openOrders", {"symbol": "BTCUSDT"})).json()
    assert placed["orderId"] in [each["orderId"] for each in resting]
    named = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}
    assert (await send(bot, "DELETE", "/fapi/v1/order", named)).json()["status"] == "CANCELED"
    assert (await send(bot, "POST", "/fapi/v1/order", ORDER)).json()["status"] == "FILLED"
    (position,) = (await send(bot, "GET", "/fapi/v3/positionRisk", {"symbol": "BTCUSDT"})).json()
    assert position["positionAmt"] == "0.002"
    back = {**ORDER, "side": "SELL", "reduceOnly": "true"}
    assert (await send(bot, "POST", "/fapi/v1/order", back)).json()["reduceOnly"] is True


async def test_market_data_need_no_key(bot: Bot) -> None:
    direct = await bot.http.get("/fapi/v1/exchangeInfo")
    assert direct.status_code == 200
    assert direct.json()["symbols"]
    assert (
        await send(bot, "GET", "/fapi/v1/ticker/24hr", {"symbol": "BTCUSDT"})
    ).status_code == 200


REFUSED: list[tuple[str, str, str, dict[str, Any], str]] = [
    ("withdrawal", "POST", "/sapi/v1/capital/withdraw/apply", {}, "endpoint_not_allowed"),
    ("transfer", "POST", "/sapi/v1/asset/transfer", {}, "endpoint_not_allowed"),
    ("futures transfer", "POST", "/sapi/v1/futures/transfer", {}, "endpoint_not_allowed"),
    ("sub-account", "POST", "/sapi/v1/sub-account/virtualSubAccount", {}, "endpoint_not_allowed"),
    ("API key", "POST", "/sapi/v1/apiKey", {}, "endpoint_not_allowed"),
    ("API key of a broker", "POST", "/sapi/v1/broker/subAccountApi", {}, "endpoint_not_allowed"),
    ("spot order", "POST", "/api/v3/order", ORDER, "endpoint_not_allowed"),
    ("portfolio transfer", "POST", "/papi/v1/auto-collection", {}, "endpoint_not_allowed"),
    ("margin loan", "POST", "/papi/v1/marginLoan", {}, "endpoint_not_allowed"),
    ("margin of a position", "POST", "/fapi/v1/positionMargin", {}, "endpoint_not_allowed"),
    ("asset mode", "POST", "/fapi/v1/multiAssetsMargin", {}, "endpoint_not_allowed"),
    ("conversion", "POST", "/fapi/v1/convert/acceptQuote", {}, "endpoint_not_allowed"),
    ("unknown reading", "GET", "/fapi/v1/income/asyn", {}, "endpoint_not_allowed"),
    ("wrong method", "PUT", "/fapi/v1/leverage", {}, "endpoint_not_allowed"),
    ("case of a path", "POST", "/fapi/v1/Order", ORDER, "endpoint_not_allowed"),
    ("unknown symbol", "POST", "/fapi/v1/order", ORDER | {"symbol": "XRPUSDT"}, "symbol_not_enabled"),
    ("disabled", "POST", "/fapi/v1/order", ORDER | {"symbol": "ETHUSDT"}, "symbol_not_enabled"),
    ("case of a symbol", "POST", "/fapi/v1/order", ORDER | {"symbol": "btcusdt"}, "symbol_not_enabled"),
    ("other host", "POST", "/dapi/v1/order", ORDER, "symbol_not_enabled"),
    ("portfolio inverse", "POST", "/papi/v1/cm/order", ORDER, "symbol_not_enabled"),
    ("leverage", "POST", "/fapi/v1/leverage", {"symbol": "BTCUSDT", "leverage": 11}, "leverage_too_high"),
    ("leverage of others", "POST", "/fapi/v1/leverage", {"symbol": "XRPUSDT", "leverage": 1}, "symbol_not_enabled"),
    ("leverage in words", "POST", "/fapi/v1/leverage", {"symbol": "BTCUSDT", "leverage": "1e2"}, "malformed"),
    ("value of a limit", "POST", "/fapi/v1/order", LIMIT | {"quantity": "0.021"}, "order_too_large"),
    ("value at market", "POST", "/fapi/v1/order", ORDER | {"quantity": "0.1"}, "order_too_large"),
    ("price of the book", "POST", "/fapi/v1/order", LIMIT | {"quantity": "1", "price": "1", "priceMatch": "OPPONENT"}, "order_too_large"),
    ("limit with what is unknown", "POST", "/fapi/v1/order", LIMIT | {"quantity": "1", "price": "1", "pegged": "1"}, "order_too_large"),
    ("low sell limit", "POST", "/fapi/v1/order", LIMIT | {"side": "SELL", "quantity": "1", "price": "1"}, "order_too_large"),
    ("stop", "POST", "/fapi/v1/order", ORDER | {"type": "STOP_MARKET", "stopPrice": "900000"}, "order_too_large"),
    ("no quantity", "POST", "/fapi/v1/order", {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "closePosition": "true"}, "value_unknown"),
    ("amendment", "PUT", "/fapi/v1/order", LIMIT | {"orderId": 1, "quantity": "1"}, "order_too_large"),
    ("amendment of price alone", "PUT", "/fapi/v1/order", {"symbol": "BTCUSDT", "side": "BUY", "orderId": 1, "price": "1"}, "value_unknown"),
    ("algo order", "POST", "/fapi/v1/algoOrder", ORDER | {"algoType": "CONDITIONAL", "triggerPrice": "1", "quantity": "1"}, "order_too_large"),
    ("batch", "POST", "/fapi/v1/batchOrders", {"batchOrders": json.dumps([LIMIT, LIMIT | {"quantity": "1"}])}, "order_too_large"),
    ("batch of others", "POST", "/fapi/v1/batchOrders", {"batchOrders": json.dumps([LIMIT, LIMIT | {"symbol": "XRPUSDT"}])}, "symbol_not_enabled"),
    ("batch with a member twice", "POST", "/fapi/v1/batchOrders", {"batchOrders": '[{"symbol":"BTCUSDT","symbol":"XRPUSDT"}]'}, "malformed"),
    ("batch that is none", "POST", "/fapi/v1/batchOrders", {"batchOrders": "{}"}, "malformed"),
    ("hedge opening", "POST", "/fapi/v1/order", ORDER | {"positionSide": "LONG", "reduceOnly": "true", "quantity": "1"}, "order_too_large"),
    ("flag of no kind", "POST", "/fapi/v1/order", ORDER | {"reduceOnly": "yes"}, "malformed"),
    ("side of no kind", "POST", "/fapi/v1/order", ORDER | {"side": "buy"}, "malformed"),
    ("position side of no kind", "POST", "/fapi/v1/order", ORDER | {"positionSide": "long"}, "malformed"),
    ("names by case", "POST", "/fapi/v1/order", ORDER | {"Quantity": "9"}, "malformed"),
    ("name by case alone", "POST", "/fapi/v1/order", {**ORDER, "quantity": "", "QUANTITY": "9"}, "malformed"),
    ("misspelt name", "POST", "/fapi/v1/order", ORDER | {"ReduceOnly": "true"}, "malformed"),
    ("name of no kind", "POST", "/fapi/v1/order", ORDER | {"symbol[]": "ETHUSDT"}, "malformed"),
    ("method in a parameter", "POST", "/fapi/v1/order", ORDER | {"_method": "PUT"}, "malformed"),
    ("control character", "POST", "/fapi/v1/order", ORDER | {"symbol": "BTCUSDT\x00"}, "malformed"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "given", "code"),
    [row[1:] for row in REFUSED],
    ids=[row[0] for row in REFUSED],
)
async def test_a_call_is_refused(
    bot: Bot, simulator: Simulator, method: str, path: str, given: dict[str, Any], code: str
) -> None:
    """R69."""
    before = simulator.calls("binance", "live", path)
    answer = await send(bot, method, path, given)
    assert refused(answer) == code, answer.text
    assert answer.status_code >= 400
    assert isinstance(answer.json()["code"], int)
    assert answer.json()["msg"]
    assert simulator.calls("binance", "live", path) == before


CLOSING: list[tuple[str, str, str, dict[str, Any]]] = [
    ("reduce only", "POST", "/fapi/v1/order", ORDER | {"reduceOnly": "true"}),
    ("reduce only as Python writes it", "POST", "/fapi/v1/order", ORDER | {"reduceOnly": "True"}),
    ("reduce only of others", "POST", "/fapi/v1/order", ORDER | {"symbol": "XRPUSDT", "reduceOnly": "true"}),
    ("reduce only, large", "POST", "/fapi/v1/order", ORDER | {"quantity": "50", "reduceOnly": "true"}),
    ("of a long", "POST", "/fapi/v1/order", ORDER | {"side": "SELL", "positionSide": "LONG"}),
    ("of a short", "POST", "/fapi/v1/order", ORDER | {"positionSide": "SHORT"}),
    ("inverse", "POST", "/dapi/v1/order", ORDER | {"symbol": "BTCUSD_PERP", "quantity": "1", "reduceOnly": "true"}),
    ("close position", "POST", "/fapi/v1/algoOrder", {"symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET", "closePosition": "true", "triggerPrice": "1"}),
    ("cancel", "DELETE", "/fapi/v1/order", {"symbol": "BTCUSDT", "orderId": 1}),
    ("cancel all", "DELETE", "/fapi/v1/allOpenOrders", {"symbol": "XRPUSDT"}),
    ("cancel a batch", "DELETE", "/fapi/v1/batchOrders", {"symbol": "BTCUSDT", "orderIdList": "[1,2]"}),
    ("cancel later", "POST", "/fapi/v1/countdownCancelAll", {"symbol": "BTCUSDT", "countdownTime": 1000}),
    ("batch", "POST", "/fapi/v1/batchOrders", {"batchOrders": json.dumps([ORDER | {"reduceOnly": "true"}])}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "given"), [row[1:] for row in CLOSING], ids=[row[0] for row in CLOSING]
)
@pytest.mark.parametrize("state", ["frozen", "away", "no assets"])
async def test_closing_passes_in_every_state(
    bot: Bot, holder: Holder, method: str, path: str, given: dict[str, Any], state: str
) -> None:
    """R69."""
    if state == "frozen":
        holder.set(may_open_positions=False, blocked_by=("frozen",))
    elif state == "away":
        holder.config_age = 3600.0
    else:
        holder.set(assets=())
    assert refused(await send(bot, method, path, given)) is None


@pytest.mark.parametrize("reason", ["frozen", "key_inactive", "bot_paused", "account_closing"])
async def test_nothing_opens_while_the_service_forbids_it(
    bot: Bot, holder: Holder, reason: str
) -> None:
    holder.set(may_open_positions=False, blocked_by=(reason,))
    answer = await send(bot, "POST", "/fapi/v1/order", ORDER)
    assert refused(answer) == "may_not_open"
    assert reason in answer.json()["msg"]


async def test_nothing_opens_while_an_asset_is_blocked(bot: Bot, holder: Holder) -> None:
    holder.set(assets=(asset("BTCUSDT", may_open_positions=False, blocked_by=("frozen",)),))
    assert refused(await send(bot, "POST", "/fapi/v1/order", ORDER)) == "may_not_open"


@pytest.mark.parametrize("age", [None, 46.0])
async def test_nothing_opens_once_the_service_is_silent(
    bot: Bot, holder: Holder, age: float | None
) -> None:
    holder.config_age = 44.0
    assert refused(await send(bot, "POST", "/fapi/v1/order", ORDER)) is None
    holder.config_age = age
    assert refused(await send(bot, "POST", "/fapi/v1/order", ORDER)) == "rules_unknown"


async def test_without_a_key_nothing_is_signed(bot: Bot, holder: Holder) -> None:
    holder.given = None
    answer = await send(bot, "DELETE", "/fapi/v1/order", {"symbol": "BTCUSDT", "orderId": 1})
    assert refused(answer) == "no_credentials"


async def test_only_the_placeholder_is_signed_for(bot: Bot) -> None:
    path = "/fapi/v3/balance"
    assert refused(await bot.http.get(path)) == "not_authenticated"
    for key in (KEYS["trade"]["api_key"], "x", "", bot.key[:-1]):
        answer = await bot.http.get(path, headers={"X-MBX-APIKEY": key})
        assert refused(answer) == "foreign_credentials"
        public = await bot.http.get("/fapi/v1/time", headers={"X-MBX-APIKEY": key})
        assert refused(public) == "foreign_credentials"
    signed = await bot.http.get(f"{path}?signature=00")
    assert refused(signed) == "foreign_credentials"
    basic = await bot.http.get("/fapi/v1/time", headers={"Authorization": "Basic eDp5"})
    assert refused(basic) == "foreign_credentials"


TRICKS: list[tuple[str, str, list[str], str]] = [
    ("encoded slash", "GET /fapi%2Fv1/balance", [], ""),
    ("encoded letter", "GET /fapi/v3/balanc%65", [], ""),
    ("dot segment", "GET /fapi/v1/../../sapi/v1/capital/withdraw/apply", [], ""),
    ("single dot", "GET /fapi/./v3/balance", [], ""),
    ("encoded dots", "GET /fapi/v1/%2e%2e/v3/balance", [], ""),
    ("double slash", "GET //fapi/v3/balance", [], ""),
    ("double slash inside", "GET /fapi//v3/balance", [], ""),
    ("slash at the end", "GET /fapi/v3/balance/", [], ""),
    ("semicolon", "GET /fapi/v3/balance;x=y", [], ""),
    ("backslash", "GET /fapi\\v3\\balance", [], ""),
    ("absolute form", "GET http://evil.example/fapi/v3/balance", [], ""),
    ("asterisk", "OPTIONS *", [], ""),
    ("connect", "CONNECT fapi.binance.com:443", [], ""),
    ("fragment", "GET /fapi/v3/balance#x", [], ""),
    ("doubled parameter", "GET /fapi/v1/order?symbol=BTCUSDT&symbol=ETHUSDT", [], ""),
    ("doubled by case", "GET /fapi/v1/order?symbol=BTCUSDT&Symbol=ETHUSDT", [], ""),
    ("doubled by an escape", "GET /fapi/v1/order?symbol=BTCUSDT&s%79mbol=ETHUSDT", [], ""),
    ("query and body", "POST /fapi/v1/order?symbol=BTCUSDT", [], "symbol=ETHUSDT"),
    ("no value", "GET /fapi/v1/order?symbol", [], ""),
    ("broken escape", "GET /fapi/v1/order?symbol=%4", [], ""),
    ("not UTF-8", "GET /fapi/v1/order?symbol=%ff", [], ""),
    ("method override", "POST /fapi/v1/order", ["X-HTTP-Method-Override: DELETE"], "a=b"),
    ("rewritten path", "GET /fapi/v3/balance", ["X-Original-URL: /sapi/v1/x"], ""),
    ("underscore for a hyphen", "GET /fapi/v3/balance", ["X_MBX_APIKEY: x"], ""),
    ("key twice", "GET /fapi/v3/balance", ["X-MBX-APIKEY: x"], ""),
    ("compressed body", "POST /fapi/v1/order", ["Content-Encoding: gzip"], "a=b"),
    ("body of a GET", "GET /fapi/v3/balance", [], "symbol=BTCUSDT"),
    ("form as text", "POST /fapi/v1/order", ["Content-Type: text/plain"], "symbol=BTCUSDT"),
    ("form as JSON", "POST /fapi/v1/order", ["Content-Type: application/json"], "a=b"),
    ("JSON", "POST /fapi/v1/order", ["Content-Type: application/json"], '{"symbol":"BTCUSDT"}'),
    ("multipart", "POST /fapi/v1/order", ["Content-Type: multipart/form-data; boundary=x"], "a"),
    ("other charset", "POST /fapi/v1/order", ["Content-Type: application/x-www-form-urlencoded; charset=utf-7"], "a=b"),
    ("length and chunks", "POST /fapi/v1/order", ["Transfer-Encoding: chunked"], "0\r\n\r\n"),
    ("two lengths", "POST /fapi/v1/order", ["Content-Length: 3"], "a=b&c=d"),
    ("unknown coding", "POST /fapi/v1/order", ["Transfer-Encoding: gzip, chunked"], "0\r\n\r\n"),
    ("TRACE", "TRACE /fapi/v3/balance", [], ""),
    ("HEAD", "HEAD /fapi/v3/balance", [], ""),
    ("space before a colon", "GET /fapi/v3/balance", ["X-Test : x"], ""),
    ("upgrade to h2c", "GET /fapi/v3/balance", ["Connection: Upgrade", "Upgrade: h2c"], ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "headers", "body"), [row[1:] for row in TRICKS], ids=[row[0] for row in TRICKS]
)
async def test_a_trick_is_refused(
    bot: Bot, simulator: Simulator, line: str, headers: list[str], body: str
) -> None:
    before = simulator.calls("binance", "live")
    usual = [f"Host: {bot.proxy.address.removeprefix('http://')}", f"X-MBX-APIKEY: {bot.key}"]
    if body:
        usual.append(f"Content-Length: {len(body)}")
    if body and not any(name.startswith("Content-Type") for name in headers):
        usual.append("Content-Type: application/x-www-form-urlencoded")
    head = "\r\n".join([f"{line} HTTP/1.1", *usual, *headers, "", ""])
    answer = await send_raw(bot.proxy, (head + body).encode())
    assert answer.status >= 400
    assert refused(answer) == "malformed"
    assert answer.headers["connection"] == "close"
    assert simulator.calls("binance", "live") == before


async def test_a_page_in_a_browser_reaches_nothing(bot: Bot) -> None:
    answer = await bot.http.get("/fapi/v1/time", headers={"Host": "rebound.example"})
    assert refused(answer) == "wrong_host"


async def test_the_secret_is_in_no_answer_and_no_repr(bot: Bot) -> None:
    secret, key = KEYS["trade"]["api_secret"], KEYS["trade"]["api_key"]
    answers = [
        await send(bot, "GET", "/fapi/v3/balance"),
        await send(bot, "POST", "/fapi/v1/order", ORDER | {"symbol": "X"}),
        await send(bot, "POST", "/sapi/v1/asset/transfer"),
    ]
    seen = "".join(f"{answer.text}{answer.headers}" for answer in answers)
    assert secret not in seen
    assert key not in seen
    assert bot.secret not in seen + repr(bot.proxy.placeholder)
