"""BitMEX: two hosts, one listing with both contract types and their prices."""

import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any

import httpx
import pytest

from app.simulator import KeyText, Permission, SimulatedKey
from tests.simulator.conftest import KEYS, Market
from tests.simulator.recordings import compare, recorded

ACTIVE = "/api/v1/instrument/active"
API_KEY = "/api/v1/apiKey"
MARGIN = "/api/v1/user/margin?currency=all"
ORDER = {"symbol": "XBTUSDT", "side": "Buy", "orderQty": 1000, "ordType": "Market"}


def signed(
    key: dict[str, str], expires: int | str, method: str, target: str, body: str = ""
) -> dict[str, str]:
    text = f"{method}{target}{expires}{body}".encode()
    mac = hmac.new(key["api_secret"].encode(), text, hashlib.sha256)
    return {
        "api-key": key["api_key"],
        "api-expires": str(expires),
        "api-signature": mac.hexdigest(),
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
    key = KEYS["bitmex"][environment][variant]
    headers = signed(key, int(market.clock.now) + 5, method, target, body)
    base = market.simulator.hosts["bitmex"][host or environment]
    return await market.http.request(method, base + target, headers=headers, content=body)


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["message"]


async def contracts(market: Market, environment: str = "live") -> dict[str, dict[str, Any]]:
    rows = (await market.get("bitmex", ACTIVE, environment)).json()
    return {row["symbol"]: row for row in rows}


@pytest.mark.parametrize("environment", ["live", "testnet"])
@pytest.mark.parametrize(
    ("variant", "rights", "cidr"),
    [
        ("trade", ["order", "orderCancel"], "0.0.0.0/0"),
        ("expiring", ["order", "orderCancel"], "0.0.0.0/0"),
        ("readonly", [], "0.0.0.0/0"),
        ("withdraw", ["order", "orderCancel", "withdraw"], "0.0.0.0/0"),
        ("ip_bound", ["order", "orderCancel"], "203.0.113.7/32"),
    ],
)
async def test_the_list_of_keys_tells_the_rights_of_each(
    market: Market, environment: str, variant: str, rights: list[str], cidr: str
) -> None:
    rows = (await call(market, "readonly", API_KEY, environment=environment)).json()
    found = {row["id"]: row for row in rows}[KEYS["bitmex"][environment][variant]["api_key"]]
    assert (found["permissions"], found["cidr"], found["cidrs"]) == (rights, cidr, [cidr])
    assert found["enabled"] is True


async def test_an_account_sees_its_own_keys_and_no_others(market: Market) -> None:
    texts = KEYS["bitmex"]["live"]
    seen = {row["id"] for row in (await call(market, "trade_2", API_KEY)).json()}
    assert seen == {
        key["api_key"]
        for variant, key in texts.items()
        if variant not in ("other_account", "revoked")
    }
    (other,) = (await call(market, "other_account", API_KEY)).json()
    assert other["id"] == texts["other_account"]["api_key"]


@pytest.mark.parametrize(
    ("variant", "status", "message"),
    [("revoked", 401, "Invalid API Key."), ("ip_bound", 403, "Access Denied")],
)
async def test_a_key_that_is_refused_says_why(
    market: Market, variant: str, status: int, message: str
) -> None:
    assert refusal(await call(market, variant, API_KEY)) == (status, message)


@pytest.mark.parametrize(("environment", "host"), [("live", "testnet"), ("testnet", "live")])
async def test_a_key_of_the_other_environment_is_unknown(
    market: Market, environment: str, host: str
) -> None:
    response = await call(market, "trade", API_KEY, environment=environment, host=host)
    assert refusal(response) == (401, "Invalid API Key.")


async def test_an_unknown_key_is_echoed(market: Market) -> None:
    response = await call(market, "revoked", API_KEY)
    assert KEYS["bitmex"]["live"]["revoked"]["api_key"] in response.text


@pytest.mark.parametrize(
    ("offset", "accepted"), [(5, True), (3600, True), (0, True), (-1, False), (-3600, False)]
)
async def test_a_request_counts_until_it_expires(
    market: Market, offset: int, *, accepted: bool
) -> None:
    key = KEYS["bitmex"]["live"]["trade"]
    headers = signed(key, int(market.clock.now) + offset, "GET", API_KEY)
    url = market.simulator.hosts["bitmex"]["live"] + API_KEY
    response = await market.http.get(url, headers=headers)
    assert response.status_code == (200 if accepted else 401)
    assert accepted or "expired" in response.json()["error"]["message"]


async def test_missing_and_unreadable_headers_are_refused(market: Market) -> None:
    key, url = KEYS["bitmex"]["live"]["trade"], market.simulator.hosts["bitmex"]["live"] + API_KEY
    whole = signed(key, int(market.clock.now) + 5, "GET", API_KEY)
    for name in whole:
        headers = {other: value for other, value in whole.items() if other != name}
        answer = await market.http.get(url, headers=headers)
        assert refusal(answer) == (401, "Authorization Required")
    headers = signed(key, "tomorrow", "GET", API_KEY)
    assert (await market.http.get(url, headers=headers)).status_code == 401


async def test_query_and_body_are_signed(market: Market) -> None:
    key, base = KEYS["bitmex"]["live"]["trade"], market.simulator.hosts["bitmex"]["live"]
    expires = int(market.clock.now) + 5
    headers = signed(key, expires, "GET", MARGIN)
    assert (await market.http.get(base + MARGIN, headers=headers)).status_code == 200
    other = await market.http.get(base + MARGIN.replace("all", "XBt"), headers=headers)
    assert refusal(other) == (401, "Signature not valid.")
    body = json.dumps(ORDER)
    headers = signed(key, expires, "POST", "/api/v1/order", body)
    changed = await market.http.post(
        base + "/api/v1/order", headers=headers, content=body.replace("1000", "9000")
    )
    assert refusal(changed) == (401, "Signature not valid.")


async def test_a_disabled_key_is_distinguished(market: Market) -> None:
    texts = {"api_key": "disabled", "api_secret": "s"}
    traits = (("enabled", "no"),)
    market.simulator.keys.add(
        SimulatedKey(
            "bitmex", "live", KeyText(**texts), "1", frozenset({Permission.READ}), traits=traits
        )
    )
    headers = signed(texts, int(market.clock.now) + 5, "GET", API_KEY)
    url = market.simulator.hosts["bitmex"]["live"] + API_KEY
    answer = await market.http.get(url, headers=headers)
    assert refusal(answer) == (403, "This key is disabled.")


async def test_a_trading_key_may_place_an_order_and_a_reading_key_may_not(market: Market) -> None:
    filled = (await call(market, "trade", "/api/v1/order", ORDER)).json()
    assert (filled["ordStatus"], filled["cumQty"]) == ("Filled", 1000)
    resting = {**ORDER, "ordType": "Limit", "price": 50_000}
    placed = (await call(market, "trade", "/api/v1/order", resting)).json()
    assert (placed["ordStatus"], placed["leavesQty"]) == ("New", 1000)
    assert filled["orderID"] != placed["orderID"]
    refused = await call(market, "readonly", "/api/v1/order", ORDER)
    assert refusal(refused) == (403, "Access Denied")
    assert (await call(market, "readonly", MARGIN)).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"symbol": "NOPE"},
        {"symbol": "HALTUSDT"},
        {"side": "buy"},
        {"ordType": "Hope"},
        {"orderQty": "lots"},
        {"orderQty": 0},
        {"orderQty": 1500},
        {"ordType": "Limit"},
        {"ordType": "Limit", "price": "much"},
    ],
)
async def test_a_flawed_order_is_a_validation_error(market: Market, change: dict[str, Any]) -> None:
    answer = await call(market, "trade", "/api/v1/order", {**ORDER, **change})
    assert answer.status_code == 400
    assert answer.json()["error"]["name"] == "ValidationError"


async def test_balances_are_in_minor_units(market: Market) -> None:
    rows = (await call(market, "trade", MARGIN)).json()
    assert {row["currency"]: row["walletBalance"] for row in rows} == {
        "XBt": 100_000_000,
        "USDt": 10_000_000_000,
    }
    one = (await call(market, "trade", MARGIN.replace("all", "USDt"))).json()
    assert one["currency"] == "USDt"
    assert (await call(market, "trade", MARGIN.replace("all", "EUR"))).status_code == 400


async def test_the_listing_holds_both_contract_types_and_odd_rows(market: Market) -> None:
    rows = await contracts(market)
    perpetuals = [r for r in rows.values() if r["typ"] == "FFWCSX" and r["state"] == "Open"]
    assert {row["expiry"] for row in perpetuals} == {None}
    linear = [r for r in perpetuals if not (r["isInverse"] or r["isQuanto"])]
    inverse = [r for r in perpetuals if r["isInverse"]]
    assert len(linear) >= 30
    assert len(inverse) >= 30
    assert {row["settlCurrency"] for row in linear} == {"USDt"}
    assert {(row["settlCurrency"], row["underlying"]) for row in inverse} == {("XBt", "XBT")}
    assert (rows["XBTUSD"]["tickSize"], rows["XBTUSD"]["lotSize"]) == (0.1, 100)
    assert rows["XBTUSDT"]["underlyingToPositionMultiplier"] == 1_000_000
    assert rows["ETHUSD"]["isQuanto"] is True
    assert rows["ETHUSD"]["settlCurrency"] == "XBt"
    assert {row["typ"] for row in rows.values()} == {
        "FFWCSX",
        "FFSCSX",
        "FFCCSX",
        "FFMCSX",
        "FFICSX",
        "IFXXXP",
    }
    assert {row["state"] for row in rows.values()} == {"Open", "Closed", "Settled"}
    assert all(row["expiry"] for row in rows.values() if row["typ"] in ("FFCCSX", "FFMCSX"))


async def test_volumes_fit_their_units(market: Market) -> None:
    for row in (await contracts(market)).values():
        if row["typ"] != "FFWCSX" or row["isQuanto"]:
            continue
        counted = Decimal(row["volume24h"])
        home, foreign = (Decimal(str(row[f"{name}Notional24h"])) for name in ("home", "foreign"))
        if row["isInverse"]:
            assert foreign == counted
        else:
            assert home == counted / Decimal(str(row["underlyingToPositionMultiplier"]))
        low, high = (Decimal(str(row[name])) for name in ("lowPrice", "highPrice"))
        assert low * Decimal("0.999") <= foreign / home <= high * Decimal("1.001"), row["symbol"]


async def test_prices_move(market: Market) -> None:
    before = (await contracts(market))["XBTUSDT"]["lastPrice"]
    market.clock.now += 60
    assert (await contracts(market))["XBTUSDT"]["lastPrice"] != before


async def test_the_whole_listing_comes_in_pages(market: Market) -> None:
    listed = list(await contracts(market))
    found: list[str] = []
    while True:
        page = await market.get("bitmex", f"/api/v1/instrument?count=30&start={len(found)}")
        if not page.json():
            break
        found += [row["symbol"] for row in page.json()]
    assert found == listed
    (one,) = (await market.get("bitmex", "/api/v1/instrument?symbol=XBTUSD")).json()
    assert one["isInverse"] is True
    for wrong in ("count=501", "count=few"):
        assert (await market.get("bitmex", f"/api/v1/instrument?{wrong}")).status_code == 400


async def test_indices_stand_in_a_listing_of_their_own(market: Market) -> None:
    rows = (await market.get("bitmex", "/api/v1/instrument/activeAndIndices")).json()
    extra = {row["symbol"]: row for row in rows if row["symbol"] not in await contracts(market)}
    assert set(extra) == {".BXBT", ".BETH"}
    assert {row["state"] for row in extra.values()} == {"Unlisted"}


async def test_each_answer_tells_what_is_left_of_the_budget(market: Market) -> None:
    left = [
        int((await market.get("bitmex", ACTIVE)).headers["x-ratelimit-remaining"]) for _ in range(2)
    ]
    assert left == [29, 28]
    assert (await call(market, "trade", API_KEY)).headers["x-ratelimit-remaining"] == "119"
    market.clock.now += 60
    assert (await market.get("bitmex", ACTIVE)).headers["x-ratelimit-remaining"] == "29"


async def test_a_rate_limit_tells_how_long_to_wait(market: Market) -> None:
    market.simulator.faults.set("bitmex", "live", "rate_limited", retry_after=3)
    answer = await market.get("bitmex", ACTIVE)
    assert answer.status_code == 429
    assert answer.json()["error"]["name"] == "RateLimitError"
    assert answer.headers["retry-after"] == "3"


async def test_an_unknown_path_and_a_wrong_method_are_not_found(market: Market) -> None:
    assert refusal(await market.get("bitmex", "/api/v1/nothing")) == (404, "Not Found")
    wrong = await market.http.post(market.simulator.hosts["bitmex"]["live"] + API_KEY)
    assert refusal(wrong) == (404, "Not Found")


async def test_answers_have_the_recorded_fields_and_types(market: Market) -> None:
    rows = await contracts(market)
    (linear,) = recorded("bitmex-instruments-2022-linear.json")
    compare(rows["LTCUSDT"], linear, numbers=True)
    keys = (await call(market, "trade", API_KEY)).json()
    compare(keys[0], recorded("bitmex-apikeys-synthetic.json")[0])
    refused = recorded("bitmex-error-invalid-key.json")
    assert refusal(await call(market, "revoked", API_KEY))[1] == refused["error"]["message"]
