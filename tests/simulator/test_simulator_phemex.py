"""Phemex: two contract models, two envelopes, numbers scaled and plain."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.simulator.conftest import KEYS, Market
from tests.simulator.recordings import compare, recorded
from tests.simulator.test_simulator_outside import changed

ACCOUNT = "/g-accounts/accountPositions?currency=USDT"
COIN_ACCOUNT = "/accounts/accountPositions?currency=BTC"
ORDER = {
    "symbol": "BTCUSDT",
    "side": "Buy",
    "ordType": "Market",
    "posSide": "Merged",
    "orderQtyRq": "0.01",
}
COIN_ORDER = {
    "symbol": "BTCUSD",
    "side": "Sell",
    "ordType": "Limit",
    "priceEp": 800_001_000,
    "orderQty": 20,
}


def headers(
    key: Mapping[str, str], expiry: int | str, target: str, body: str = ""
) -> dict[str, str]:
    path, _, query = target.partition("?")
    text = f"{path}{query}{expiry}{body}".encode()
    return {
        "x-phemex-access-token": key["api_key"],
        "x-phemex-request-expiry": str(expiry),
        "x-phemex-request-signature": hmac.new(
            key["api_secret"].encode(), text, hashlib.sha256
        ).hexdigest(),
    }


async def signed(
    market: Market,
    variant: str,
    target: str,
    order: Mapping[str, Any] | str = "",
    *,
    method: str | None = None,
    environment: str = "live",
    host: str | None = None,
) -> httpx.Response:
    body = order if isinstance(order, str) else json.dumps(order)
    key = KEYS["phemex"][environment][variant]
    sent_headers = headers(key, int(market.clock.now) + 60, target, body)
    url = market.simulator.hosts["phemex"][host or environment] + target
    verb = method or ("POST" if body else "GET")
    return await market.http.request(verb, url, headers=sent_headers, content=body)


def refusal(response: httpx.Response) -> tuple[int, int | str, str]:
    body = response.json()
    return response.status_code, body["code"], body["msg"]


@pytest.mark.parametrize("environment", ["live", "testnet"])
@pytest.mark.parametrize("variant", ["trade", "readonly", "withdraw", "expiring"])
async def test_every_key_sees_its_accounts_and_nothing_of_its_rights(
    market: Market, variant: str, environment: str
) -> None:
    answers = [
        (await signed(market, variant, target, environment=environment)).json()
        for target in (ACCOUNT, COIN_ACCOUNT)
    ]
    assert [answer["code"] for answer in answers] == [0, 0]
    linear, inverse = (answer["data"]["account"] for answer in answers)
    assert (linear["currency"], linear["accountBalanceRv"]) == ("USDT", "10000")
    assert (inverse["currency"], inverse["accountBalanceEv"]) == ("BTC", 10**8)
    assert not {"perm", "ip", "permissions", "expires"} & (set(linear) | set(inverse))


async def test_a_second_key_has_the_same_account_and_another_account_another(
    market: Market,
) -> None:
    users = [
        (await signed(market, variant, ACCOUNT)).json()["data"]["account"]["userID"]
        for variant in ("trade", "trade_2", "other_account")
    ]
    assert users[0] == users[1] != users[2]


async def test_a_key_that_is_refused_says_why_and_an_unknown_one_is_echoed(market: Market) -> None:
    unknown = KEYS["phemex"]["live"]["revoked"]["api_key"]
    response = await signed(market, "revoked", ACCOUNT)
    assert refusal(response) == (401, 10500, f"Failed to find api-key {unknown}")
    response = await signed(market, "ip_bound", ACCOUNT)
    assert refusal(response) == (401, "401", "401 Request IP mismatch.")


@pytest.mark.parametrize(("environment", "host"), [("live", "testnet"), ("testnet", "live")])
async def test_a_key_of_the_other_environment_is_not_found(
    market: Market, environment: str, host: str
) -> None:
    response = await signed(market, "trade", ACCOUNT, environment=environment, host=host)
    assert refusal(response)[:2] == (401, 10500)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("x-phemex-access-token", "401 Miss Api Key."),
        ("x-phemex-request-expiry", "Missing required parameter"),
        ("x-phemex-request-signature", "Missing required parameter"),
    ],
)
async def test_a_missing_header_is_named(market: Market, missing: str, message: str) -> None:
    sent_headers = headers(KEYS["phemex"]["live"]["trade"], int(market.clock.now) + 60, ACCOUNT)
    del sent_headers[missing]
    url = market.simulator.hosts["phemex"]["live"] + ACCOUNT
    assert refusal(await market.http.get(url, headers=sent_headers))[2] == message


async def test_an_expiry_counts_until_its_second(market: Market) -> None:
    key = KEYS["phemex"]["live"]["trade"]
    url = market.simulator.hosts["phemex"]["live"] + ACCOUNT
    now = int(market.clock.now)
    for expiry, status in ((now, 200), (now + 60, 200), (now - 1, 401)):
        response = await market.http.get(url, headers=headers(key, expiry, ACCOUNT))
        assert response.status_code == status
    assert refusal(response)[1:] == ("401", f"401 Request Expired at {now - 1}")
    milliseconds = headers(key, f"{now}000", ACCOUNT)
    assert refusal(await market.http.get(url, headers=milliseconds))[0] == 401


async def test_every_character_of_query_and_signature_counts(market: Market) -> None:
    key = KEYS["phemex"]["live"]["trade"]
    sent_headers = headers(key, int(market.clock.now) + 60, ACCOUNT)
    base = market.simulator.hosts["phemex"]["live"]
    name = "x-phemex-request-signature"
    for at in range(len(sent_headers[name])):
        wrong = {**sent_headers, name: changed(sent_headers[name], at)}
        response = await market.http.get(base + ACCOUNT, headers=wrong)
        assert refusal(response)[1:] == (10500, "API Signature verification failed.")
    for at in range(ACCOUNT.index("?") + 1, len(ACCOUNT)):
        response = await market.http.get(base + changed(ACCOUNT, at), headers=sent_headers)
        assert response.status_code == 401


async def test_a_body_is_signed(market: Market) -> None:
    key = KEYS["phemex"]["live"]["trade"]
    body = json.dumps(ORDER)
    sent_headers = headers(key, int(market.clock.now) + 60, "/g-orders", body)
    url = market.simulator.hosts["phemex"]["live"] + "/g-orders"
    more = await market.http.post(url, headers=sent_headers, content=body.replace("0.01", "9.01"))
    assert refusal(more)[1:] == (10500, "API Signature verification failed.")
    done = await market.http.post(url, headers=sent_headers, content=body)
    assert done.json()["data"]["ordStatus"] == "Filled"


async def test_a_trading_key_may_place_orders_and_a_reading_key_may_not(market: Market) -> None:
    linear = (await signed(market, "trade", "/g-orders", ORDER)).json()
    assert (linear["code"], linear["data"]["orderQtyRq"]) == (0, "0.01")
    inverse = (await signed(market, "trade", "/orders", COIN_ORDER)).json()
    assert (inverse["data"]["ordStatus"], inverse["data"]["priceEp"]) == ("New", 800_001_000)
    query = "/g-orders/create?symbol=BTCUSDT&side=Buy&ordType=Limit&orderQtyRq=0.01&priceRp=1000.1"
    preferred = (await signed(market, "trade", query, method="PUT")).json()
    assert preferred["data"]["priceRp"] == "1000.1"
    for target, order in (("/g-orders", ORDER), ("/orders", COIN_ORDER)):
        refused = await signed(market, "readonly", target, order)
        assert refusal(refused) == (401, "401", "401 Insufficient privilege.")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"symbol": "NOPEUSDT"}, 11027),
        ({"symbol": "OLDUSDT"}, 11027),
        ({"symbol": "BTCUSD"}, 11027),
        ({"side": "buy"}, 11034),
        ({"ordType": "Guess"}, 11035),
        ({"orderQtyRq": "0.0001"}, 11058),
        ({"orderQtyRq": "-1"}, 11058),
        ({"ordType": "Limit", "priceRp": "1000.01"}, 11055),
    ],
)
async def test_a_flawed_order_fails_under_http_200(
    market: Market, change: dict[str, str], code: int
) -> None:
    response = await signed(market, "trade", "/g-orders", {**ORDER, **change})
    assert refusal(response)[:2] == (200, code)


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ("{", 30000),
        ("[]", 30000),
        ({**ORDER, "orderQtyRq": "NaN"}, 30000),
        ({**ORDER, "orderQtyRq": "lots"}, 10500),
    ],
)
async def test_an_order_that_cannot_be_read_is_refused(
    market: Market, order: dict[str, str] | str, code: int
) -> None:
    assert refusal(await signed(market, "trade", "/g-orders", order))[:2] == (400, code)


async def test_an_account_wants_a_currency_of_its_own_model(market: Market) -> None:
    response = await signed(market, "trade", "/g-accounts/accountPositions")
    assert refusal(response)[:2] == (400, 10500)
    wrong = await signed(market, "trade", "/g-accounts/accountPositions?currency=BTC")
    assert refusal(wrong)[:2] == (200, 11028)


async def get(market: Market, path: str) -> Any:
    answer = (await market.get("phemex", path)).json()
    if "/md/" in path:
        assert (answer["error"], answer["id"]) == (None, 0)
        return answer["result"]
    assert (answer["code"], answer["msg"]) == (0, "")
    return answer["data"]


async def test_the_listing_holds_both_models_spot_and_what_is_gone(market: Market) -> None:
    data = await get(market, "/public/products")
    linear = {row["symbol"]: row for row in data["perpProductsV2"]}
    others = {row["symbol"]: row for row in data["products"]}
    assert {row["type"] for row in linear.values()} == {"PerpetualV2"}
    assert {row["type"] for row in others.values()} == {"Perpetual", "Spot"}
    inverse = [
        row
        for row in others.values()
        if row["type"] == "Perpetual" and row["settleCurrency"] != row["quoteCurrency"]
    ]
    for kind in (list(linear.values()), inverse):
        assert sum(row["status"] == "Listed" for row in kind) >= 30
    assert not [row for row in inverse if "baseCurrency" in row]
    assert {row["contractUnderlyingAssets"] for row in inverse} == {"USD"}
    assert others["ETHUSD"]["settleCurrency"] == others["ETHUSD"]["quoteCurrency"] == "USD"
    assert (others["ETHUSD"]["contractSize"], others["BTCUSD"]["contractSize"]) == (0.005, 1.0)
    assert others["cETHUSD"]["displaySymbol"] == "ETH / USD"
    assert linear["u1000SHIBUSDT"]["baseCurrency"] == "1000 SHIB"
    assert linear["OLDUSDT"]["status"] == others["sUSDTTRY"]["status"] == "Delisted"
    assert linear["BTCUSDC"]["settleCurrency"] == "USDC"
    assert (linear["BTCUSDT"]["tickSize"], linear["BTCUSDT"]["qtyStepSize"]) == ("0.1", "0.001")
    assert data["perpProductsPilot"] is None


async def test_scales_differ_from_row_to_row(market: Market) -> None:
    data = await get(market, "/public/products")
    scales = {row["currency"]: row["valueScale"] for row in data["currencies"]}
    assert (scales["BTC"], scales["USD"], scales["USDT"]) == (8, 4, 8)
    assert scales["SHIB"] != scales["BTC"]
    rows = {row["symbol"]: row for row in data["products"]}
    assert rows["cSHIBUSD"]["priceScale"] > rows["BTCUSD"]["priceScale"] == 4
    for row in rows.values():
        if row["type"] == "Perpetual":
            tick = Decimal(str(row["tickSize"])).scaleb(row["priceScale"])
            assert tick == row["minPriceEp"] == int(tick), row["symbol"]


async def test_the_longer_list_tells_when_a_product_came_and_went(market: Market) -> None:
    data = await get(market, "/public/products-plus")
    timelines = {row["symbol"]: row["timeline"] for row in data["perpProductsV2"]}
    assert timelines["BTCUSDT"][3] == 0
    assert timelines["OLDUSDT"][3] > timelines["OLDUSDT"][1] > 0


async def test_plain_volumes_fit_their_units(market: Market) -> None:
    rows = {row["symbol"]: row for row in await get(market, "/md/v3/ticker/24hr/all")}
    assert "OLDUSDT" in rows
    assert rows["DAWNUSDT"]["lastRp"] is None
    for row in rows.values():
        if row["lastRp"] is not None:
            price = Decimal(row["turnoverRv"]) / Decimal(row["volumeRq"])
            assert Decimal(row["lowRp"]) <= price <= Decimal(row["highRp"]), row["symbol"]


async def test_scaled_volumes_fit_their_units(market: Market) -> None:
    data = await get(market, "/public/products")
    scales = {row["currency"]: row["valueScale"] for row in data["currencies"]}
    products = {row["symbol"]: row for row in data["products"]}
    for row in await get(market, "/md/v1/ticker/24hr/all"):
        product = products[row["symbol"]]
        if row["lastEp"] is None:
            assert row["symbol"] == "cDAWNUSD"
            continue
        low, high = (
            Decimal(row[name]).scaleb(-product["priceScale"]) for name in ("lowEp", "highEp")
        )
        worth = Decimal(row["turnoverEv"]).scaleb(-scales[product["settleCurrency"]])
        counted = row["volume"] * Decimal(str(product["contractSize"]))
        inverse = product["settleCurrency"] != "USD"
        price = counted / worth if inverse else worth / counted
        assert low * Decimal("0.999") <= price <= high * Decimal("1.001"), row["symbol"]


async def test_older_paths_tell_the_same_under_other_names(market: Market) -> None:
    new = await get(market, "/md/v3/ticker/24hr?symbol=ETHUSDT")
    old = await get(market, "/md/v2/ticker/24hr?symbol=ETHUSDT")
    assert (old["closeRp"], old["markPriceRp"]) == (new["lastRp"], new["markRp"])
    scaled = await get(market, "/md/v1/ticker/24hr?symbol=cETHUSD")
    assert await get(market, "/v1/md/ticker/24hr?symbol=cETHUSD") == scaled
    oldest = await get(market, "/md/ticker/24hr?symbol=cETHUSD")
    assert (oldest["close"], oldest["markPrice"]) == (scaled["lastEp"], scaled["markEp"])
    assert oldest["turnover"] == scaled["turnoverEv"]


async def test_prices_move(market: Market) -> None:
    path = "/md/v3/ticker/24hr?symbol=BTCUSDT"
    before = (await get(market, path))["lastRp"]
    market.clock.now += 1
    assert (await get(market, path))["lastRp"] != before


async def test_an_unknown_symbol_and_an_unknown_path_are_refused_each_its_way(
    market: Market,
) -> None:
    response = await market.get("phemex", "/md/v3/ticker/24hr?symbol=NOPE")
    assert response.status_code == 500
    error = {"code": 6001, "message": "invalid argument"}
    assert response.json() == {"error": error, "id": None, "result": None}
    missing = await market.get("phemex", "/public/nope")
    assert (missing.status_code, missing.content) == (403, b"")


async def test_what_is_left_of_a_minute_is_counted_by_group(market: Market) -> None:
    first = await market.get("phemex", "/public/time")
    second = await market.get("phemex", "/public/time")
    left = [int(answer.headers["x-ratelimit-remaining"]) for answer in (first, second)]
    assert left == [99, 98]
    response = await signed(market, "trade", ACCOUNT)
    assert response.headers["x-ratelimit-remaining-contract"] == "499"
    market.clock.now += 60
    assert (await market.get("phemex", "/public/time")).headers["x-ratelimit-remaining"] == "99"
    prices = await market.get("phemex", "/md/v3/ticker/24hr/all")
    assert "x-ratelimit-remaining" not in prices.headers


async def test_a_rate_limit_tells_when_to_come_again(market: Market) -> None:
    market.simulator.faults.set("phemex", "live", "rate_limited", retry_after=9)
    response = await market.get("phemex", "/public/time")
    assert refusal(response) == (429, 39995, "Too many requests.")
    assert response.headers["x-ratelimit-retry-after"] == "9"


async def test_public_answers_have_the_recorded_fields_and_types(market: Market) -> None:
    ours = await get(market, "/public/products")
    for name in ("phemex-products.json", "phemex-products-usdt.json"):
        theirs = recorded(name)["data"]
        assert set(theirs) <= set(ours)
        for part in set(theirs) & {"products", "perpProductsV2", "currencies"}:
            key = "currency" if part == "currencies" else "symbol"
            known = {row[key]: row for row in ours[part]}
            for row in theirs[part]:
                if row.get("type") != "Spot":
                    compare(known[row[key]], row)


@pytest.mark.parametrize(
    ("name", "path"),
    [("v3", "/md/v3/ticker/24hr"), ("v2", "/md/v2/ticker/24hr"), ("v1", "/md/v1/ticker/24hr")],
)
async def test_tickers_have_the_recorded_fields_and_types(
    market: Market, name: str, path: str
) -> None:
    (theirs,) = recorded(f"phemex-ticker24hr-{name}-all-synthetic.json")["result"]
    compare(await get(market, f"{path}?symbol={theirs['symbol']}"), theirs)


async def test_refusals_have_the_recorded_codes_and_words(market: Market) -> None:
    key = {**KEYS["phemex"]["live"]["trade"], "api_secret": "x"}
    sent_headers = headers(key, int(market.clock.now) + 60, ACCOUNT)
    url = market.simulator.hosts["phemex"]["live"] + ACCOUNT
    answers = [
        await signed(market, "revoked", ACCOUNT),
        await signed(market, "ip_bound", ACCOUNT),
        await signed(market, "readonly", "/g-orders", ORDER),
        await market.http.get(url, headers=sent_headers),
    ]
    market.simulator.faults.set("phemex", "live", "rate_limited")
    answers.append(await market.get("phemex", "/public/time"))
    cases = [
        (case["http"], case["body"]["code"], case["body"]["msg"].partition("-key ")[0])
        for case in recorded("phemex-errors.json")
        if "code" in case["body"]
    ]
    for answer in answers:
        status, code, message = refusal(answer)
        assert (status, code, message.partition("-key ")[0]) in cases
