"""OKX: one host, two environments, both contract types in one listing."""

import json
from decimal import Decimal
from typing import Any

import httpx
import pytest

from app.simulator import KeyText, Permission, SimulatedKey
from tests.simulator.conftest import KEYS, Clock, Market, okx_headers

CONFIG = "/api/v5/account/config"
SWAPS = "/api/v5/public/instruments?instType=SWAP"
ORDER = {
    "instId": "BTC-USDT-SWAP",
    "tdMode": "cross",
    "side": "buy",
    "ordType": "market",
    "sz": "0.01",
}


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


async def config(market: Market, variant: str, environment: str = "live") -> dict[str, Any]:
    answer = (await market.okx(variant, CONFIG, environment=environment)).json()
    assert answer["code"] == "0"
    (row,) = answer["data"]
    found: dict[str, Any] = row
    return found


def test_both_environments_share_a_host(market: Market) -> None:
    hosts = market.simulator.hosts["okx"]
    assert hosts["live"] == hosts["testnet"]


@pytest.mark.parametrize(
    ("variant", "rights"),
    [
        ("trade", "read_only,trade"),
        ("expiring", "read_only,trade"),
        ("readonly", "read_only"),
        ("withdraw", "read_only,trade,withdraw"),
    ],
)
@pytest.mark.parametrize("environment", ["live", "testnet"])
async def test_the_configuration_tells_the_keys_rights(
    market: Market, variant: str, rights: str, environment: str
) -> None:
    row = await config(market, variant, environment)
    assert (row["perm"], row["ip"], row["acctLv"]) == (rights, "", "2")


async def test_a_second_key_has_the_same_account_and_another_account_another(
    market: Market,
) -> None:
    uids = [(await config(market, name))["uid"] for name in ("trade", "trade_2", "other_account")]
    assert uids[0] == uids[1] != uids[2]
    assert (await config(market, "trade", "testnet"))["uid"] not in uids


@pytest.mark.parametrize(("environment", "host"), [("live", "testnet"), ("testnet", "live")])
async def test_a_key_of_the_other_environment_is_distinguished(
    market: Market, environment: str, host: str
) -> None:
    response = await market.okx("trade", CONFIG, environment=environment, host=host)
    assert refusal(response) == (401, "50101")


@pytest.mark.parametrize(("variant", "code"), [("revoked", "50111"), ("ip_bound", "50110")])
async def test_a_key_that_is_refused_says_why(market: Market, variant: str, code: str) -> None:
    assert refusal(await market.okx(variant, CONFIG)) == (401, code)


async def test_an_unknown_key_is_echoed(market: Market) -> None:
    response = await market.okx("revoked", CONFIG)
    assert KEYS["okx"]["live"]["revoked"]["api_key"] in response.json()["msg"]


async def test_each_missing_header_has_its_code(market: Market, clock: Clock) -> None:
    key = KEYS["okx"]["live"]["trade"]
    codes = {
        "OK-ACCESS-KEY": "50103",
        "OK-ACCESS-PASSPHRASE": "50104",
        "OK-ACCESS-SIGN": "50106",
        "OK-ACCESS-TIMESTAMP": "50107",
    }
    for missing, code in codes.items():
        headers = okx_headers(key, clock.now, "GET", CONFIG)
        del headers[missing]
        url = market.simulator.hosts["okx"]["live"] + CONFIG
        assert refusal(await market.http.get(url, headers=headers)) == (401, code)


@pytest.mark.parametrize(
    ("header", "value", "code"),
    [
        ("OK-ACCESS-PASSPHRASE", "wrong", "50105"),
        ("OK-ACCESS-SIGN", "bm8=", "50113"),
        ("OK-ACCESS-TIMESTAMP", "1795000000", "50112"),
        ("OK-ACCESS-TIMESTAMP", "2026-11-18T11:06:40Z", "50112"),
        ("OK-ACCESS-TIMESTAMP", "2026-13-18T11:06:40.000Z", "50112"),
    ],
)
async def test_a_wrong_header_has_its_code(
    market: Market, header: str, value: str, code: str
) -> None:
    headers = okx_headers(KEYS["okx"]["live"]["trade"], market.clock.now, "GET", CONFIG)
    url = market.simulator.hosts["okx"]["live"] + CONFIG
    response = await market.http.get(url, headers={**headers, header: value})
    assert refusal(response) == (401, code)


@pytest.mark.parametrize(
    ("offset", "accepted"), [(30, True), (-30, True), (30.001, False), (-30.001, False)]
)
async def test_a_timestamp_counts_for_thirty_seconds(
    market: Market, offset: float, *, accepted: bool
) -> None:
    key = KEYS["okx"]["live"]["trade"]
    headers = okx_headers(key, market.clock.now + offset, "GET", CONFIG)
    url = market.simulator.hosts["okx"]["live"] + CONFIG
    response = await market.http.get(url, headers=headers)
    assert refusal(response) == ((200, "0") if accepted else (401, "50102"))


async def test_query_method_and_body_are_signed(market: Market) -> None:
    key = KEYS["okx"]["live"]["trade"]
    base = market.simulator.hosts["okx"]["live"]
    target = "/api/v5/account/balance?ccy=USDT"
    headers = okx_headers(key, market.clock.now, "GET", target)
    balance = (await market.http.get(base + target, headers=headers)).json()
    assert [row["ccy"] for row in balance["data"][0]["details"]] == ["USDT"]
    other = await market.http.get(base + target.replace("USDT", "BTC"), headers=headers)
    assert refusal(other) == (401, "50113")
    body = json.dumps(ORDER)
    headers = okx_headers(key, market.clock.now, "POST", "/api/v5/trade/order", body)
    changed = await market.http.post(
        base + "/api/v5/trade/order", headers=headers, content=body.replace("0.01", "9.99")
    )
    assert refusal(changed) == (401, "50113")


async def test_a_trading_key_may_place_an_order_and_a_reading_key_may_not(market: Market) -> None:
    done = await market.okx("trade", "/api/v5/trade/order", json.dumps(ORDER))
    (result,) = done.json()["data"]
    assert result["sCode"] == "0"
    assert result["ordId"].isdigit()
    refused = await market.okx("readonly", "/api/v5/trade/order", json.dumps(ORDER))
    assert refusal(refused) == (401, "50120")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"instId": "NOPE-USDT-SWAP"}, "51001"),
        ({"instId": "MERGE-USDT-SWAP"}, "51001"),
        ({"side": "hold"}, "51000"),
        ({"sz": "lots"}, "51000"),
        ({"sz": "0.001"}, "51121"),
        ({"sz": "-1"}, "51121"),
    ],
)
async def test_a_flawed_order_fails_under_http_200(
    market: Market, change: dict[str, str], code: str
) -> None:
    response = await market.okx("trade", "/api/v5/trade/order", json.dumps({**ORDER, **change}))
    assert refusal(response) == (200, "1")
    assert response.json()["data"][0]["sCode"] == code


async def test_orders_of_a_batch_succeed_or_fail_each_for_itself(market: Market) -> None:
    wrong = {**ORDER, "sz": "lots"}
    cases = {"0": [ORDER, ORDER], "1": [wrong], "2": [ORDER, wrong]}
    for code, orders in cases.items():
        response = await market.okx("trade", "/api/v5/trade/batch-orders", json.dumps(orders))
        assert refusal(response) == (200, code)
        results = response.json()["data"]
        assert [bool(result["ordId"]) for result in results] == [order == ORDER for order in orders]
    for unreadable in ("[]", json.dumps(ORDER), "[1]", json.dumps([ORDER] * 21)):
        response = await market.okx("trade", "/api/v5/trade/batch-orders", unreadable)
        assert refusal(response) == (400, "50002")


@pytest.mark.parametrize(
    ("body", "code"), [("{", "50002"), ("[]", "50002"), ('{"instId": "X"}', "50014")]
)
async def test_an_order_that_cannot_be_read_is_refused_whole(
    market: Market, body: str, code: str
) -> None:
    assert refusal(await market.okx("trade", "/api/v5/trade/order", body)) == (400, code)


async def test_an_account_in_spot_mode_trades_no_swaps(market: Market) -> None:
    key = {"api_key": "spot-key", "api_secret": "s", "api_passphrase": "p"}
    rights = frozenset({Permission.READ, Permission.TRADE})
    market.simulator.keys.add(
        SimulatedKey("okx", "live", KeyText(**key), "1", rights, traits=(("acctLv", "1"),))
    )
    body = json.dumps(ORDER)
    headers = okx_headers(key, market.clock.now, "POST", "/api/v5/trade/order", body)
    url = market.simulator.hosts["okx"]["live"] + "/api/v5/trade/order"
    response = await market.http.post(url, headers=headers, content=body)
    assert response.json()["data"][0]["sCode"] == "51010"


async def data(market: Market, target: str) -> list[dict[str, Any]]:
    answer = (await market.get("okx", target)).json()
    assert answer["code"] == "0"
    found: list[dict[str, Any]] = answer["data"]
    return found


async def test_the_listing_holds_both_contract_types_and_odd_rows(market: Market) -> None:
    rows = {row["instId"]: row for row in await data(market, SWAPS)}
    live = [row for row in rows.values() if row["state"] == "live"]
    for kind in ("linear", "inverse"):
        assert sum(row["ctType"] == kind for row in live) >= 30
    assert {row["baseCcy"] for row in live} == {row["expTime"] for row in live} == {""}
    assert rows["BTC-USD-SWAP"]["ctVal"] == "100"
    assert rows["BTC-USDT-SWAP"]["ctVal"] == rows["BTC-USDT-SWAP"]["lotSz"] == "0.01"
    assert rows["BTC-USD_UM-SWAP"]["ctType"] == "linear"
    assert rows["BTC-USD_UM-SWAP"]["instFamily"] == "BTC-USD_UM"
    assert rows["SHIB-USDT-SWAP"]["ctVal"] == "10000000"
    unborn = rows["DAWN-USDT-SWAP"]
    assert unborn["state"] == "preopen"
    assert {unborn[name] for name in ("ctType", "ctVal", "tickSz", "lever", "uly")} == {""}


async def test_futures_are_x_perps_with_a_far_expiry_and_dated_ones(market: Market) -> None:
    futures = await data(market, SWAPS.replace("SWAP", "FUTURES"))
    assert {row["instType"] for row in futures} == {"FUTURES"}
    bitcoin = next(row for row in futures if row["instId"] == "BTC-USD_UM_XPERP-310404")
    shown = ("uly", "settleCcy", "ctType", "ctVal", "ctValCcy", "ruleType", "expTime")
    assert [bitcoin[name] for name in shown] == [
        "BTC-USD",
        "USDC",
        "linear",
        "0.0001",
        "BTC",
        "xperp",
        "1933056000000",
    ]
    assert [row["instId"] for row in futures if row["ruleType"] == "normal"] == ["BTC-USDT-270326"]
    swaps = await data(market, SWAPS)
    assert not {row["instId"] for row in swaps} & {row["instId"] for row in futures}
    tickers = await data(market, "/api/v5/market/tickers?instType=FUTURES")
    assert {ticker["instId"] for ticker in tickers} == {row["instId"] for row in futures}


async def test_volumes_fit_their_units(market: Market) -> None:
    rows = {row["instId"]: row for row in await data(market, SWAPS)}
    for ticker in await data(market, "/api/v5/market/tickers?instType=SWAP"):
        row = rows[ticker["instId"]]
        size = Decimal(row["ctVal"]) * Decimal(row["ctMult"])
        counted = Decimal(ticker["vol24h"]) * size
        coins = Decimal(ticker["volCcy24h"])
        if row["ctType"] == "linear":
            assert abs(coins - counted) <= Decimal("0.0001")
        else:
            assert Decimal(ticker["low24h"]) <= counted / coins <= Decimal(ticker["high24h"])


async def test_prices_can_be_asked_for_alone(market: Market) -> None:
    ticker = await data(market, "/api/v5/market/tickers?instType=SWAP&instId=BTC-USDT-SWAP")
    mark = await data(market, "/api/v5/public/mark-price?instType=SWAP&instId=BTC-USDT-SWAP")
    assert len(ticker) == len(mark) == 1
    distance = Decimal(mark[0]["markPx"]) / Decimal(ticker[0]["last"]) - 1
    assert abs(distance) < Decimal("0.005")


async def test_other_kinds_are_empty_and_a_missing_kind_is_an_error(market: Market) -> None:
    assert await data(market, SWAPS.replace("SWAP", "OPTION")) == []
    assert refusal(await market.get("okx", "/api/v5/public/instruments")) == (400, "50014")
    assert refusal(await market.get("okx", "/api/v5/public/instruments?instType=X")) == (
        400,
        "51000",
    )


async def test_an_unknown_path_and_a_wrong_method_keep_the_envelope(market: Market) -> None:
    assert (await market.get("okx", "/api/v5/nothing")).json()["code"] == "404"
    wrong = await market.http.post(market.simulator.hosts["okx"]["live"] + CONFIG)
    assert refusal(wrong) == (405, "50115")
