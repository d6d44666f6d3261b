"""KuCoin: account and futures on one address, and an environment that it never had."""

import base64
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

ACTIVE = "/api/v1/contracts/active"
API_KEY = "/api/v1/user/api-key"
OVERVIEW = "/api/v1/account-overview?currency=USDT"
ORDERS = "/api/v1/orders"
ORDER = {
    "clientOid": "own",
    "symbol": "XBTUSDTM",
    "side": "buy",
    "type": "market",
    "size": 1,
    "leverage": 1,
}


def mac(secret: str, text: str) -> str:
    return base64.b64encode(
        hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    ).decode()


def signed(
    key: dict[str, str], stamp: int | str, method: str, target: str, body: str = ""
) -> dict[str, str]:
    secret = key["api_secret"]
    return {
        "KC-API-KEY": key["api_key"],
        "KC-API-KEY-VERSION": "3",
        "KC-API-TIMESTAMP": str(stamp),
        "KC-API-PASSPHRASE": mac(secret, key["api_passphrase"]),
        "KC-API-SIGN": mac(secret, f"{stamp}{method}{target}{body}"),
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
    key = KEYS["kucoin"][environment][variant]
    headers = signed(key, market.clock.ms, method, target, body)
    base = market.simulator.hosts["kucoin"][host or environment]
    return await market.http.request(method, base + target, headers=headers, content=body)


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def known(
    market: Market, *, addresses: tuple[str, ...] = (), traits: tuple[tuple[str, str], ...] = ()
) -> dict[str, str]:
    """Return a key of our own."""
    texts = {"api_key": "own", "api_secret": "s", "api_passphrase": "p"}
    market.simulator.keys.add(
        SimulatedKey(
            "kucoin",
            "live",
            KeyText(**texts),
            "1",
            frozenset(Permission),
            addresses=addresses,
            traits=traits,
        )
    )
    return texts


async def key_information(
    market: Market, key: dict[str, str], version: str = "3"
) -> httpx.Response:
    headers = signed(key, market.clock.ms, "GET", API_KEY)
    url = market.simulator.hosts["kucoin"]["live"] + API_KEY
    return await market.http.get(url, headers={**headers, "KC-API-KEY-VERSION": version})


async def contracts(market: Market) -> dict[str, dict[str, Any]]:
    answer = (await market.get("kucoin", ACTIVE)).json()
    assert answer["code"] == "200000"
    return {row["symbol"]: row for row in answer["data"]}


@pytest.mark.parametrize("environment", ["live", "testnet"])
@pytest.mark.parametrize(
    ("variant", "rights"),
    [
        ("trade", "General,Futures,InnerTransfer"),
        ("expiring", "General,Futures,InnerTransfer"),
        ("readonly", "General"),
        ("withdraw", "General,Futures,InnerTransfer,Transfer"),
    ],
)
async def test_the_account_tells_the_rights_of_a_key(
    market: Market, environment: str, variant: str, rights: str
) -> None:
    data = (await call(market, variant, API_KEY, environment=environment)).json()["data"]
    assert data["permission"] == rights
    assert data["apiVersion"] == 3
    assert "ipWhitelist" not in data


async def test_the_list_of_addresses_is_shown_to_those_who_are_on_it(market: Market) -> None:
    key = known(market, addresses=("10.0.0.1", "127.0.0.1"), traits=(("withdrawal", "Withdrawal"),))
    data = (await key_information(market, key)).json()["data"]
    assert data["ipWhitelist"] == "10.0.0.1,127.0.0.1"
    assert data["permission"].split(",")[-1] == "Withdrawal"


async def test_a_second_key_has_the_same_account_and_another_account_another(
    market: Market,
) -> None:
    names = ("trade", "trade_2", "other_account")
    uids = [(await call(market, name, API_KEY)).json()["data"]["uid"] for name in names]
    assert uids[0] == uids[1] != uids[2]


@pytest.mark.parametrize(
    ("variant", "refused"), [("revoked", (401, "400003")), ("ip_bound", (403, "400006"))]
)
async def test_a_key_that_is_refused_says_why(
    market: Market, variant: str, refused: tuple[int, str]
) -> None:
    assert refusal(await call(market, variant, API_KEY)) == refused


@pytest.mark.parametrize(("environment", "host"), [("live", "testnet"), ("testnet", "live")])
async def test_a_key_of_the_other_environment_is_unknown(
    market: Market, environment: str, host: str
) -> None:
    answer = await call(market, "trade", API_KEY, environment=environment, host=host)
    assert refusal(answer) == (401, "400003")


async def test_an_unknown_key_is_echoed(market: Market) -> None:
    answer = (await call(market, "revoked", API_KEY)).json()
    assert KEYS["kucoin"]["live"]["revoked"]["api_key"] in answer["msg"]


async def test_a_frozen_account_is_distinguished(market: Market) -> None:
    key = known(market, traits=(("frozen", "yes"),))
    assert refusal(await key_information(market, key)) == (403, "411100")


@pytest.mark.parametrize(
    ("traits", "accepted"),
    [
        ((), {"2", "3"}),
        ((("version", "strict"),), {"3"}),
        ((("version", "strict"), ("apiVersion", "2")), {"2"}),
    ],
)
async def test_the_version_of_a_key_counts_only_where_the_key_insists(
    market: Market, traits: tuple[tuple[str, str], ...], accepted: set[str]
) -> None:
    key = known(market, traits=traits)
    for version in ("1", "2", "3", "4"):
        answer = refusal(await key_information(market, key, version))
        assert answer == ((200, "200000") if version in accepted else (401, "400004"))


async def test_a_passphrase_in_clear_is_refused(market: Market) -> None:
    key = KEYS["kucoin"]["live"]["trade"]
    headers = signed(key, market.clock.ms, "GET", API_KEY)
    url = market.simulator.hosts["kucoin"]["live"] + API_KEY
    clear = {**headers, "KC-API-PASSPHRASE": key["api_passphrase"]}
    assert refusal(await market.http.get(url, headers=clear)) == (401, "400004")
    del headers["KC-API-KEY-VERSION"]
    assert refusal(await market.http.get(url, headers=headers)) == (401, "400004")


async def test_another_secret_looks_like_another_passphrase(market: Market) -> None:
    forged = {**KEYS["kucoin"]["live"]["trade"], "api_secret": "another"}
    assert refusal(await key_information(market, forged)) == (401, "400004")


@pytest.mark.parametrize(
    ("header", "value", "code"),
    [
        ("KC-API-KEY", "", "400001"),
        ("KC-API-SIGN", "", "400001"),
        ("KC-API-TIMESTAMP", "", "400001"),
        ("KC-API-PASSPHRASE", "", "400001"),
        ("KC-API-TIMESTAMP", "now", "400002"),
        ("KC-API-PASSPHRASE", "bm8=", "400004"),
        ("KC-API-SIGN", "bm8=", "400005"),
    ],
)
async def test_a_wrong_header_has_its_code(
    market: Market, header: str, value: str, code: str
) -> None:
    headers = signed(KEYS["kucoin"]["live"]["trade"], market.clock.ms, "GET", API_KEY)
    url = market.simulator.hosts["kucoin"]["live"] + API_KEY
    answer = await market.http.get(url, headers={**headers, header: value})
    assert refusal(answer) == (401, code)


@pytest.mark.parametrize(
    ("offset", "accepted"), [(5000, True), (-5000, True), (5001, False), (-5001, False)]
)
async def test_a_timestamp_counts_for_five_seconds(
    market: Market, offset: int, *, accepted: bool
) -> None:
    key = KEYS["kucoin"]["live"]["trade"]
    headers = signed(key, market.clock.ms + offset, "GET", API_KEY)
    url = market.simulator.hosts["kucoin"]["live"] + API_KEY
    answer = refusal(await market.http.get(url, headers=headers))
    assert answer == ((200, "200000") if accepted else (401, "400002"))


async def test_query_method_and_body_are_signed(market: Market) -> None:
    key, base = KEYS["kucoin"]["live"]["trade"], market.simulator.hosts["kucoin"]["live"]
    headers = signed(key, market.clock.ms, "GET", OVERVIEW)
    overview = (await market.http.get(base + OVERVIEW, headers=headers)).json()["data"]
    assert (overview["currency"], overview["accountEquity"]) == ("USDT", 10_000)
    other = await market.http.get(base + OVERVIEW.replace("USDT", "XBT"), headers=headers)
    assert refusal(other) == (401, "400005")
    body = json.dumps(ORDER)
    headers = signed(key, market.clock.ms, "POST", ORDERS, body)
    changed = body.replace("buy", "sell")
    assert refusal(await market.http.post(base + ORDERS, headers=headers, content=changed)) == (
        401,
        "400005",
    )


async def test_a_key_without_futures_sees_the_account_and_no_futures(market: Market) -> None:
    assert refusal(await call(market, "readonly", API_KEY)) == (200, "200000")
    for target, order in ((OVERVIEW, None), (ORDERS, ORDER), (f"{ORDERS}/test", ORDER)):
        assert refusal(await call(market, "readonly", target, order)) == (403, "400007")
        assert refusal(await call(market, "trade", target, order)) == (200, "200000")


async def test_each_order_has_a_number_of_its_own(market: Market) -> None:
    limit = {**ORDER, "type": "limit", "price": "50000", "symbol": "XBTUSDM"}
    placed = [(await call(market, "trade", ORDERS, order)).json() for order in (ORDER, limit)]
    ids = [answer["data"]["orderId"] for answer in placed]
    assert ids[0] != ids[1]
    assert all(len(number) == 24 for number in ids)


@pytest.mark.parametrize(
    "change",
    [
        {"clientOid": ""},
        {"symbol": "NOPEUSDTM"},
        {"symbol": "HALTUSDTM"},
        {"side": "hold"},
        {"type": "hope"},
        {"size": "lots"},
        {"size": 0.5},
        {"size": -1},
        {"type": "limit"},
        {"type": "limit", "price": "50000.01"},
    ],
)
async def test_a_flawed_order_is_refused(market: Market, change: dict[str, Any]) -> None:
    answer = await call(market, "trade", ORDERS, {**ORDER, **change})
    assert refusal(answer) == (400, "400100")


@pytest.mark.parametrize("body", ["{", "[]"])
async def test_an_order_that_cannot_be_read_is_refused(market: Market, body: str) -> None:
    key = KEYS["kucoin"]["live"]["trade"]
    headers = signed(key, market.clock.ms, "POST", ORDERS, body)
    url = market.simulator.hosts["kucoin"]["live"] + ORDERS
    answer = await market.http.post(url, headers=headers, content=body)
    assert refusal(answer) == (400, "400100")


async def test_an_unknown_currency_is_refused(market: Market) -> None:
    answer = await call(market, "trade", OVERVIEW.replace("USDT", "EUR"))
    assert refusal(answer) == (400, "400100")


async def test_the_listing_holds_both_contract_types_and_odd_rows(market: Market) -> None:
    rows = await contracts(market)
    perpetual = [r for r in rows.values() if r["type"] == "FFWCSX" and r["status"] == "Open"]
    assert {row["expireDate"] for row in perpetual} == {None}
    assert sum(row["isInverse"] for row in perpetual) >= 30
    assert sum(not row["isInverse"] for row in perpetual) >= 30
    linear, inverse = rows["XBTUSDTM"], rows["XBTUSDM"]
    assert (linear["multiplier"], linear["tickSize"], linear["lotSize"]) == (0.001, 0.1, 1)
    assert (inverse["multiplier"], inverse["settleCurrency"]) == (-1, "XBT")
    # The trap: settled in its quote currency, and quanto by its own account.
    assert linear["isQuanto"] is True
    assert linear["settleCurrency"] == linear["quoteCurrency"] == "USDT"
    assert rows["XBTUSDCM"]["settleCurrency"] == "USDC"
    assert rows["ALONEUSDTM"]["supportCross"] is False
    dated = [row for row in rows.values() if row["type"] == "FFICSX"]
    assert {row["symbol"] for row in dated} == {"XBTMZ26", "XBTMH27"}
    assert {row["nextFundingRateTime"] for row in dated} == {None}
    assert {row["status"] for row in rows.values()} == {
        "Open",
        "Init",
        "BeingSettled",
        "Settled",
        "Paused",
        "Closed",
        "CancelOnly",
    }
    assert rows["DAWNUSDTM"]["lastTradePrice"] is None


async def test_volumes_fit_their_units(market: Market) -> None:
    for row in (await contracts(market)).values():
        if row["status"] == "Init":
            continue
        volume, turnover = (Decimal(str(row[f"{name}Of24h"])) for name in ("volume", "turnover"))
        price = volume / turnover if row["isInverse"] else turnover / volume
        low, high = Decimal(str(row["lowPrice"])), Decimal(str(row["highPrice"]))
        assert low * Decimal("0.999") <= price <= high * Decimal("1.001"), row["symbol"]


async def test_prices_move_and_are_listed_apart_too(market: Market) -> None:
    before = (await contracts(market))["XBTUSDTM"]["lastTradePrice"]
    market.clock.now += 60
    rows = await contracts(market)
    assert rows["XBTUSDTM"]["lastTradePrice"] != before
    tickers = (await market.get("kucoin", "/api/v1/allTickers")).json()["data"]
    assert {row["symbol"] for row in tickers} == {
        name for name, row in rows.items() if row["status"] == "Open"
    }
    assert {row["symbol"]: float(row["price"]) for row in tickers}["XBTUSDTM"] == (
        rows["XBTUSDTM"]["lastTradePrice"]
    )


async def test_calls_weigh_on_a_pool_that_fills_again(market: Market) -> None:
    left = [(await market.get("kucoin", ACTIVE)).headers["gw-ratelimit-remaining"]]
    answer = await call(market, "trade", API_KEY)
    left.append(answer.headers["gw-ratelimit-remaining"])
    assert left == ["1997", "1977"]
    market.clock.now += 30
    assert (await market.get("kucoin", ACTIVE)).headers["gw-ratelimit-remaining"] == "1997"


async def test_a_rate_limit_tells_when_the_pool_fills_again(market: Market) -> None:
    market.simulator.faults.set("kucoin", "live", "rate_limited", retry_after=2)
    answer = await market.get("kucoin", ACTIVE)
    assert refusal(answer) == (429, "429000")
    assert answer.headers["gw-ratelimit-reset"] == "2000"
    assert answer.headers["gw-ratelimit-remaining"] == "0"


async def test_the_mode_of_an_account_is_shown(market: Market) -> None:
    answer = await call(market, "trade", "/api/ua/v1/account/mode")
    assert answer.json()["data"] == {"selfAccountMode": "CLASSIC"}


async def test_an_unknown_path_and_a_wrong_method_keep_the_envelope(market: Market) -> None:
    assert refusal(await market.get("kucoin", "/api/v1/nothing")) == (404, "404000")
    wrong = await market.http.post(market.simulator.hosts["kucoin"]["live"] + API_KEY)
    assert refusal(wrong) == (405, "405000")


async def test_answers_have_the_recorded_fields_and_types(market: Market) -> None:
    theirs = recorded("kucoin-contracts-active.json")["data"][0]
    # Fields that this service does not need are left out.
    ignored = {
        "fundingBaseSymbol",
        "fundingQuoteSymbol",
        "fundingRateSymbol",
        "premiumsSymbol1M",
        "premiumsSymbol8H",
        "fundingBaseSymbol1M",
        "fundingQuoteSymbol1M",
        "k",
        "m",
        "f",
        "mmrLimit",
        "mmrLevConstant",
        "buyLimit",
        "sellLimit",
    }
    fields = {name: value for name, value in theirs.items() if name not in ignored}
    compare((await contracts(market))["XBTUSDTM"], fields, numbers=True)
    tickers = (await market.get("kucoin", "/api/v1/allTickers")).json()["data"]
    compare(tickers[0], recorded("kucoin-alltickers.json")["data"][0])
    data = (await key_information(market, known(market, addresses=("127.0.0.1",)))).json()["data"]
    compare(data, recorded("kucoin-user-api-key.json")["data"])
    overview = (await call(market, "trade", OVERVIEW)).json()["data"]
    compare(overview, recorded("kucoin-account-overview.json")["data"])


async def test_refusals_have_the_recorded_codes_and_statuses(market: Market) -> None:
    cases = {case["body"]["code"]: case for case in recorded("kucoin-errors-synthetic.json")}
    key = KEYS["kucoin"]["live"]["trade"]
    url = market.simulator.hosts["kucoin"]["live"] + API_KEY
    whole = signed(key, market.clock.ms, "GET", API_KEY)
    answers = [
        await call(market, "revoked", API_KEY),
        await call(market, "ip_bound", API_KEY),
        await call(market, "readonly", ORDERS, ORDER),
        await market.http.get(url, headers={**whole, "KC-API-SIGN": "x"}),
        await market.http.get(url, headers={**whole, "KC-API-PASSPHRASE": "x"}),
        await market.http.get(url, headers={**whole, "KC-API-TIMESTAMP": "1"}),
    ]
    market.simulator.faults.set("kucoin", "live", "rate_limited")
    answers.append(await market.get("kucoin", ACTIVE))
    for answer in answers:
        case = cases.pop(answer.json()["code"])
        assert answer.status_code == case["http"]
        assert set(answer.json()) == set(case["body"])
    assert cases == {}
