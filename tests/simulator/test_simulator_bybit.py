"""Bybit: two categories, pages with cursors, refusals under HTTP 200."""

import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from app.simulator import KeyText, Permission, SimulatedKey
from tests.simulator.conftest import KEYS, Market
from tests.simulator.recordings import compare, recorded

QUERY_API = "/v5/user/query-api"
BALANCE = "/v5/account/wallet-balance?accountType=UNIFIED"
CREATE = "/v5/order/create"
INSTRUMENTS = "/v5/market/instruments-info?category="
TICKERS = "/v5/market/tickers?category="
ORDER = {
    "category": "linear",
    "symbol": "BTCUSDT",
    "side": "Buy",
    "orderType": "Market",
    "qty": "0.001",
}


def signed(
    key: dict[str, str], stamp: int | str, payload: str = "", window: str = "5000"
) -> dict[str, str]:
    text = f"{stamp}{key['api_key']}{window}{payload}".encode()
    return {
        "X-BAPI-API-KEY": key["api_key"],
        "X-BAPI-TIMESTAMP": str(stamp),
        "X-BAPI-RECV-WINDOW": window,
        "X-BAPI-SIGN": hmac.new(key["api_secret"].encode(), text, hashlib.sha256).hexdigest(),
    }


async def call(
    market: Market,
    variant: str,
    target: str,
    order: dict[str, Any] | None = None,
    *,
    environment: str = "live",
    host: str | None = None,
) -> httpx.Response:
    """Sign with a key of `environment` and send to the host of `host`, by default the same."""
    method, body = ("GET", "") if order is None else ("POST", json.dumps(order))
    payload = body or target.partition("?")[2]
    headers = signed(KEYS["bybit"][environment][variant], market.clock.ms, payload)
    base = market.simulator.hosts["bybit"][host or environment]
    return await market.http.request(method, base + target, headers=headers, content=body)


def code(response: httpx.Response) -> int:
    """Return the exchange's code; all of these come under HTTP 200."""
    assert response.status_code == 200
    answer = response.json()
    assert set(answer) == {"retCode", "retMsg", "result", "retExtInfo", "time"}
    found: int = answer["retCode"]
    return found


async def result(market: Market, target: str) -> dict[str, Any]:
    answer = await market.get("bybit", target)
    assert code(answer) == 0
    found: dict[str, Any] = answer.json()["result"]
    return found


async def contracts(market: Market, category: str) -> dict[str, dict[str, Any]]:
    found = await result(market, INSTRUMENTS + category)
    assert found["category"] == category
    return {row["symbol"]: row for row in found["list"]}


async def information(market: Market, variant: str, environment: str = "live") -> dict[str, Any]:
    answer = await call(market, variant, QUERY_API, environment=environment)
    assert code(answer) == 0
    found: dict[str, Any] = answer.json()["result"]
    return found


@pytest.mark.parametrize("environment", ["live", "testnet"])
@pytest.mark.parametrize(
    ("variant", "read_only", "withdraw"),
    [("trade", 0, False), ("readonly", 1, False), ("withdraw", 0, True)],
)
async def test_a_key_tells_its_rights_and_keeps_them_listed_when_it_may_only_read(
    market: Market, environment: str, variant: str, read_only: int, *, withdraw: bool
) -> None:
    document = await information(market, variant, environment)
    assert document["readOnly"] == read_only
    assert document["permissions"]["ContractTrade"] == ["Order", "Position"]
    assert ("Withdraw" in document["permissions"]["Wallet"]) is withdraw
    assert document["ips"] == ["*"]
    assert (document["expiredAt"], document["deadlineDay"]) == ("1970-01-01T00:00:00Z", -2)


async def test_an_end_is_shown_and_kept(market: Market) -> None:
    document = await information(market, "expiring")
    assert document["expiredAt"].startswith("2026-12-0")
    assert document["deadlineDay"] == 19
    market.clock.now += 21 * 86_400
    assert code(await call(market, "expiring", QUERY_API)) == 33004
    assert code(await call(market, "trade", QUERY_API)) == 0


async def test_a_second_key_has_the_same_account_and_another_account_another(
    market: Market,
) -> None:
    users = [
        (await information(market, name))["userID"]
        for name in ("trade", "trade_2", "other_account")
    ]
    assert users[0] == users[1] != users[2]


async def test_the_list_of_addresses_is_shown_to_those_who_are_on_it(market: Market) -> None:
    texts = {"api_key": "local", "api_secret": "s"}
    market.simulator.keys.add(
        SimulatedKey(
            "bybit",
            "live",
            KeyText(**texts),
            "1",
            frozenset({Permission.READ}),
            addresses=("127.0.0.1",),
        )
    )
    url = market.simulator.hosts["bybit"]["live"] + QUERY_API
    answer = await market.http.get(url, headers=signed(texts, market.clock.ms))
    assert answer.json()["result"]["ips"] == ["127.0.0.1"]


@pytest.mark.parametrize(("variant", "refused"), [("revoked", 10003), ("ip_bound", 10010)])
async def test_a_key_that_is_refused_says_why(market: Market, variant: str, refused: int) -> None:
    assert code(await call(market, variant, QUERY_API)) == refused


async def test_an_unknown_key_is_echoed(market: Market) -> None:
    answer = (await call(market, "revoked", QUERY_API)).json()
    assert KEYS["bybit"]["live"]["revoked"]["api_key"] in answer["retMsg"]


@pytest.mark.parametrize(("environment", "host"), [("live", "testnet"), ("testnet", "live")])
async def test_a_key_of_the_other_environment_is_unknown(
    market: Market, environment: str, host: str
) -> None:
    answer = await call(market, "trade", QUERY_API, environment=environment, host=host)
    assert code(answer) == 10003


@pytest.mark.parametrize(
    ("offset", "window", "refused"),
    [
        (0, "5000", 0),
        (-5000, "5000", 0),
        (-5001, "5000", 10002),
        (-20_000, "30000", 0),
        (999, "5000", 0),
        (1000, "5000", 10002),
    ],
)
async def test_a_timestamp_counts_for_its_window(
    market: Market, offset: int, window: str, refused: int
) -> None:
    key = KEYS["bybit"]["live"]["trade"]
    headers = signed(key, market.clock.ms + offset, window=window)
    url = market.simulator.hosts["bybit"]["live"] + QUERY_API
    assert code(await market.http.get(url, headers=headers)) == refused


@pytest.mark.parametrize(
    ("header", "refused"),
    [("X-BAPI-API-KEY", 10003), ("X-BAPI-TIMESTAMP", 10002), ("X-BAPI-SIGN", 10004)],
)
async def test_a_missing_header_is_refused(market: Market, header: str, refused: int) -> None:
    headers = signed(KEYS["bybit"]["live"]["trade"], market.clock.ms)
    del headers[header]
    url = market.simulator.hosts["bybit"]["live"] + QUERY_API
    assert code(await market.http.get(url, headers=headers)) == refused


async def test_the_window_has_a_default_and_is_signed_only_when_sent(market: Market) -> None:
    key = KEYS["bybit"]["live"]["trade"]
    url = market.simulator.hosts["bybit"]["live"] + QUERY_API
    headers = signed(key, market.clock.ms, window="")
    del headers["X-BAPI-RECV-WINDOW"]
    assert code(await market.http.get(url, headers=headers)) == 0
    with_window = {**headers, "X-BAPI-RECV-WINDOW": "5000"}
    assert code(await market.http.get(url, headers=with_window)) == 10004


async def test_query_and_body_are_signed(market: Market) -> None:
    key, base = KEYS["bybit"]["live"]["trade"], market.simulator.hosts["bybit"]["live"]
    target = f"{BALANCE}&coin=USDT"
    headers = signed(key, market.clock.ms, target.partition("?")[2])
    answer = await market.http.get(base + target, headers=headers)
    assert [row["coin"] for row in answer.json()["result"]["list"][0]["coin"]] == ["USDT"]
    other = await market.http.get(base + target.replace("USDT", "BTC"), headers=headers)
    assert code(other) == 10004
    body = json.dumps(ORDER)
    headers = signed(key, market.clock.ms, body)
    changed = body.replace("0.001", "9.001")
    assert code(await market.http.post(base + CREATE, headers=headers, content=changed)) == 10004


async def test_a_trading_key_may_place_an_order_and_a_reading_key_may_not(market: Market) -> None:
    placed = [
        await call(market, "trade", CREATE, ORDER),
        await call(
            market,
            "trade",
            CREATE,
            {**ORDER, "category": "inverse", "symbol": "BTCUSD", "qty": "9"},
        ),
        await call(market, "trade", CREATE, {**ORDER, "orderType": "Limit", "price": "50000"}),
    ]
    assert [code(answer) for answer in placed] == [0, 0, 0]
    assert len({answer.json()["result"]["orderId"] for answer in placed}) == 3
    assert code(await call(market, "readonly", CREATE, ORDER)) == 10005
    assert code(await call(market, "readonly", BALANCE)) == 0


async def test_a_key_without_contracts_says_so_and_trades_none(market: Market) -> None:
    texts = {"api_key": "spot", "api_secret": "s"}
    rights = frozenset({Permission.READ, Permission.TRADE})
    market.simulator.keys.add(
        SimulatedKey("bybit", "live", KeyText(**texts), "1", rights, traits=(("contracts", "no"),))
    )
    base = market.simulator.hosts["bybit"]["live"]
    document = await market.http.get(base + QUERY_API, headers=signed(texts, market.clock.ms))
    permissions = document.json()["result"]["permissions"]
    assert permissions["ContractTrade"] == permissions["Derivatives"] == []
    body = json.dumps(ORDER)
    headers = signed(texts, market.clock.ms, body)
    assert code(await market.http.post(base + CREATE, headers=headers, content=body)) == 10005


@pytest.mark.parametrize(
    "change",
    [
        {"category": "futures"},
        {"category": "inverse"},
        {"symbol": "DAWNUSDT"},
        {"side": "buy"},
        {"orderType": "Hope"},
        {"qty": "lots"},
        {"qty": "0"},
        {"qty": "0.0015"},
        {"orderType": "Limit"},
        {"orderType": "Limit", "price": "50000.01"},
    ],
)
async def test_a_flawed_order_is_refused(market: Market, change: dict[str, Any]) -> None:
    assert code(await call(market, "trade", CREATE, {**ORDER, **change})) == 10001


@pytest.mark.parametrize("body", ["{", "[]"])
async def test_an_order_that_cannot_be_read_is_refused(market: Market, body: str) -> None:
    headers = signed(KEYS["bybit"]["live"]["trade"], market.clock.ms, body)
    url = market.simulator.hosts["bybit"]["live"] + CREATE
    assert code(await market.http.post(url, headers=headers, content=body)) == 10001


async def test_only_unified_accounts_have_a_balance(market: Market) -> None:
    wrong = await call(market, "trade", BALANCE.replace("UNIFIED", "CONTRACT"))
    assert code(wrong) == 10001
    document = (await call(market, "trade", "/v5/account/info")).json()["result"]
    assert document["marginMode"] == "REGULAR_MARGIN"


async def test_each_category_lists_its_own_kind_and_odd_rows(market: Market) -> None:
    linear, inverse = [await contracts(market, name) for name in ("linear", "inverse")]
    for rows, kind in ((linear, "Linear"), (inverse, "Inverse")):
        assert sum(row["contractType"] == f"{kind}Perpetual" for row in rows.values()) >= 30
        dated = [row for row in rows.values() if row["contractType"] == f"{kind}Futures"]
        assert len(dated) == 4
        assert all(int(row["deliveryTime"]) > market.clock.ms for row in dated)
        assert {row["status"] for row in rows.values()} == {"Trading"}
    assert linear["BTCUSDT"]["lotSizeFilter"]["qtyStep"] == "0.001"
    assert linear["BTCUSDT"]["priceFilter"]["tickSize"] == "0.10"
    assert linear["BTCPERP"]["settleCoin"] == "USDC"
    assert linear["1000PEPEUSDT"]["baseCoin"] == "1000PEPE"
    assert linear["SHIB1000USDT"]["baseCoin"] == "SHIB1000"
    assert linear["TSLAUSDT"]["symbolType"] == "stock"
    assert inverse["BTCUSD"]["settleCoin"] == "BTC"
    leaving = linear["LEAVINGUSDT"]
    assert leaving["contractType"] == "LinearPerpetual"
    assert int(leaving["deliveryTime"]) > 0
    assert "BTCUSDT-25DEC26" in linear
    assert "BTCUSDZ26" in inverse


async def test_other_states_come_only_when_asked_for(market: Market) -> None:
    for status, symbol in (
        ("PreLaunch", "DAWNUSDT"),
        ("Closed", "GONEUSDT"),
        ("Delivering", "ENDINGUSDT"),
    ):
        (row,) = (await result(market, f"{INSTRUMENTS}linear&status={status}"))["list"]
        assert (row["symbol"], row["isPreListing"]) == (symbol, status == "PreLaunch")


@pytest.mark.parametrize("encoded", [True, False], ids=["encoded once more", "as returned"])
async def test_pages_follow_each_other_by_cursor(market: Market, *, encoded: bool) -> None:
    whole = list(await contracts(market, "linear"))
    found: list[str] = []
    cursor, pages = "", 0
    while pages == 0 or cursor:
        sent = quote(cursor, safe="") if encoded else cursor
        page = await result(market, f"{INSTRUMENTS}linear&limit=20&cursor={sent}")
        found += [row["symbol"] for row in page["list"]]
        assert len(page["list"]) <= 20
        cursor, pages = page["nextPageCursor"], pages + 1
        assert not cursor or cursor.startswith("first%3D")
    assert found == whole
    assert pages == len(whole) // 20 + 1


async def test_a_cursor_may_lead_to_an_empty_page(market: Market) -> None:
    target = f"{INSTRUMENTS}linear&status=PreLaunch"
    first = await result(market, target)
    assert first["nextPageCursor"] == "first%3DDAWNUSDT%26last%3DDAWNUSDT"
    second = await result(market, f"{target}&cursor={first['nextPageCursor']}")
    assert (second["list"], second["nextPageCursor"]) == ([], "")


@pytest.mark.parametrize(
    "query",
    ["futures", "", "linear&limit=0", "linear&limit=1001", "linear&limit=all", "linear&cursor=x"],
)
async def test_a_wrong_question_is_refused(market: Market, query: str) -> None:
    assert code(await market.get("bybit", INSTRUMENTS + query)) == 10001


async def test_one_contract_can_be_asked_for(market: Market) -> None:
    (row,) = (await result(market, f"{INSTRUMENTS}linear&symbol=ETHUSDT"))["list"]
    (ticker,) = (await result(market, f"{TICKERS}linear&symbol=ETHUSDT"))["list"]
    assert row["symbol"] == ticker["symbol"] == "ETHUSDT"
    assert code(await market.get("bybit", f"{TICKERS}linear&symbol=NOPE")) == 10001
    assert (await result(market, f"{INSTRUMENTS}spot"))["list"] == []


@pytest.mark.parametrize("category", ["linear", "inverse"])
async def test_volumes_fit_their_units(market: Market, category: str) -> None:
    tickers = (await result(market, TICKERS + category))["list"]
    assert {row["symbol"] for row in tickers} == set(await contracts(market, category))
    for row in tickers:
        volume, turnover = Decimal(row["volume24h"]), Decimal(row["turnover24h"])
        price = turnover / volume if category == "linear" else volume / turnover
        low, high = Decimal(row["lowPrice24h"]), Decimal(row["highPrice24h"])
        assert low * Decimal("0.999") <= price <= high * Decimal("1.001"), row["symbol"]


async def test_prices_move(market: Market) -> None:
    target = f"{TICKERS}linear&symbol=BTCUSDT"
    before = (await result(market, target))["list"][0]["lastPrice"]
    market.clock.now += 60
    assert (await result(market, target))["list"][0]["lastPrice"] != before


async def test_signed_answers_tell_what_is_left_of_the_budget(market: Market) -> None:
    left = [
        (await call(market, "trade", QUERY_API)).headers["x-bapi-limit-status"] for _ in range(2)
    ]
    assert left == ["9", "8"]
    market.clock.now += 1
    assert (await call(market, "trade", QUERY_API)).headers["x-bapi-limit-status"] == "9"
    assert "x-bapi-limit-status" not in (await market.get("bybit", TICKERS + "linear")).headers


async def test_a_rate_limit_comes_under_http_200_and_tells_when_it_ends(market: Market) -> None:
    market.simulator.faults.set("bybit", "live", "rate_limited", retry_after=3)
    answer = await market.get("bybit", TICKERS + "linear")
    assert code(answer) == 10006
    assert int(answer.headers["x-bapi-limit-reset-timestamp"]) == market.clock.ms + 3000
    assert answer.headers["x-bapi-limit-status"] == "0"


async def test_too_many_calls_from_an_address_are_a_403(market: Market) -> None:
    market.simulator.faults.set("bybit", "live", "banned")
    answer = await market.get("bybit", TICKERS + "linear")
    assert (answer.status_code, answer.text) == (403, "access too frequent")
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("bybit-instruments-linear.json", f"{INSTRUMENTS}linear"),
        ("bybit-instruments-inverse-synthetic.json", f"{INSTRUMENTS}inverse"),
        ("bybit-instruments-linear-prelaunch.json", f"{INSTRUMENTS}linear&status=PreLaunch"),
        ("bybit-tickers-linear-synthetic.json", f"{TICKERS}linear"),
        ("bybit-tickers-inverse.json", f"{TICKERS}inverse"),
    ],
)
async def test_public_rows_have_the_recorded_fields_and_types(
    market: Market, name: str, target: str
) -> None:
    theirs = recorded(name)["result"]
    ours = await result(market, target)
    compare(ours, theirs)
    row = {key: value for key, value in theirs["list"][0].items() if key != "symbolId"}
    compare(ours["list"][0], row)


async def test_signed_answers_have_the_recorded_fields_and_types(market: Market) -> None:
    theirs = recorded("bybit-query-api.json")["result"]
    ours = await information(market, "expiring")
    extra = {name for name in theirs if name.endswith("Int64")}
    compare(ours, {name: value for name, value in theirs.items() if name not in extra})
    unknown = recorded("bybit-error-invalid-key-synthetic.json")
    answer = (await call(market, "revoked", QUERY_API)).json()
    compare(answer, unknown)
    assert answer["retCode"] == unknown["retCode"]
    assert (await call(market, "trade", "/v5/account/info")).json()["result"].keys() >= recorded(
        "bybit-account-info.json"
    )["result"].keys()
