"""Kraken's futures: two services on a host, both contract types in one listing."""

import base64
import hashlib
import hmac
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from app.simulator import KeyText, Permission, SimulatedKey
from tests.simulator.conftest import KEYS, Market
from tests.simulator.recordings import compare, recorded

ROOT = "/derivatives/api/v3"
ACCOUNTS = f"{ROOT}/accounts"
CHECK = "/api/auth/v1/api-keys/v3/check"
ORDER = {"symbol": "PF_XBTUSD", "side": "buy", "orderType": "mkt", "size": "0.0001"}
REFUSED = (200, "authenticationError")


def signed(key: dict[str, str], target: str, body: str = "", nonce: str = "") -> dict[str, str]:
    path, _, query = target.partition("?")
    text = query + body + nonce + path.removeprefix("/derivatives")
    inner = hashlib.sha256(text.encode()).digest()
    secret = base64.b64decode(key["api_secret"])
    headers = {
        "APIKey": key["api_key"],
        "Authent": base64.b64encode(hmac.new(secret, inner, hashlib.sha512).digest()).decode(),
    }
    return {**headers, "Nonce": nonce} if nonce else headers


async def call(
    market: Market,
    variant: str,
    target: str,
    order: dict[str, str] | None = None,
    *,
    environment: str = "live",
    host: str | None = None,
    nonce: str = "",
) -> httpx.Response:
    """Sign with a key of `environment` and send to the host of `host`, by default the same."""
    method, body = ("GET", "") if order is None else ("POST", urlencode(order))
    headers = signed(KEYS["kraken"][environment][variant], target, body, nonce)
    base = market.simulator.hosts["kraken"][host or environment]
    return await market.http.request(method, base + target, headers=headers, content=body)


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]


def known(market: Market, *, traits: tuple[tuple[str, str], ...] = ()) -> dict[str, str]:
    """Return a key of our own that the demo host knows."""
    texts = {"api_key": "own", "api_secret": base64.b64encode(b"own").decode()}
    rights = frozenset({Permission.READ})
    key = SimulatedKey("kraken", "testnet", KeyText(**texts), "1", rights, traits=traits)
    market.simulator.keys.add(key)
    return texts


async def contracts(market: Market) -> dict[str, dict[str, Any]]:
    answer = (await market.get("kraken", f"{ROOT}/instruments")).json()
    assert answer["result"] == "success"
    return {row["symbol"]: row for row in answer["instruments"]}


async def tickers(market: Market) -> dict[str, dict[str, Any]]:
    answer = (await market.get("kraken", f"{ROOT}/tickers")).json()
    return {row["symbol"]: row for row in answer["tickers"]}


@pytest.mark.parametrize("environment", ["live", "testnet"])
@pytest.mark.parametrize(
    ("variant", "general", "transfer"),
    [
        ("trade", "FULL_ACCESS", "NO_ACCESS"),
        ("expiring", "FULL_ACCESS", "NO_ACCESS"),
        ("readonly", "READ_ONLY", "NO_ACCESS"),
        ("withdraw", "FULL_ACCESS", "FULL_ACCESS"),
    ],
)
async def test_the_check_tells_the_levels_of_a_key(
    market: Market, environment: str, variant: str, general: str, transfer: str
) -> None:
    document = (await call(market, variant, CHECK, environment=environment)).json()
    assert document["permissions"] == {"general": general, "transfer": transfer}
    assert (document["allowedCidrBlock"], document["allowedCidrBlocks"]) == (None, [])
    assert "result" not in document


async def test_the_block_of_addresses_is_shown_to_those_within(market: Market) -> None:
    texts = {"api_key": "local", "api_secret": "bG9jYWw="}
    market.simulator.keys.add(
        SimulatedKey(
            "kraken",
            "live",
            KeyText(**texts),
            "1",
            frozenset({Permission.READ}),
            addresses=("127.0.0.1",),
        )
    )
    url = market.simulator.hosts["kraken"]["live"] + CHECK
    document = (await market.http.get(url, headers=signed(texts, CHECK))).json()
    assert document["allowedCidrBlock"] == "127.0.0.1/32"
    assert document["allowedCidrBlocks"] == ["127.0.0.1/32"]


async def test_a_second_key_has_the_same_account_and_another_account_another(
    market: Market,
) -> None:
    names = ("trade", "trade_2", "other_account")
    uids = [(await call(market, name, CHECK)).json()["accountUid"] for name in names]
    assert uids[0] == uids[1] != uids[2]


async def test_a_demo_host_may_know_no_check(market: Market) -> None:
    texts = known(market, traits=(("check", "absent"),))
    base = market.simulator.hosts["kraken"]["testnet"]
    absent = await market.http.get(base + CHECK, headers=signed(texts, CHECK))
    assert absent.status_code == 404
    there = await market.http.get(base + ACCOUNTS, headers=signed(texts, ACCOUNTS))
    assert there.json()["result"] == "success"


@pytest.mark.parametrize("variant", ["revoked", "ip_bound"])
async def test_no_reason_is_given_for_a_refused_key(market: Market, variant: str) -> None:
    assert refusal(await call(market, variant, ACCOUNTS)) == REFUSED
    assert refusal(await call(market, variant, CHECK)) == (401, "unauthorized")


@pytest.mark.parametrize(("environment", "host"), [("live", "testnet"), ("testnet", "live")])
async def test_a_key_of_the_other_environment_is_unknown(
    market: Market, environment: str, host: str
) -> None:
    for target, refused in ((ACCOUNTS, REFUSED), (CHECK, (401, "unauthorized"))):
        answer = await call(market, "trade", target, environment=environment, host=host)
        assert refusal(answer) == refused


async def test_an_unknown_key_is_echoed_by_the_service_of_the_keys(market: Market) -> None:
    answer = await call(market, "revoked", CHECK)
    assert KEYS["kraken"]["live"]["revoked"]["api_key"] in answer.json()["message"]


@pytest.mark.parametrize("header", ["APIKey", "Authent"])
async def test_a_missing_header_is_refused(market: Market, header: str) -> None:
    headers = signed(KEYS["kraken"]["live"]["trade"], ACCOUNTS)
    del headers[header]
    url = market.simulator.hosts["kraken"]["live"] + ACCOUNTS
    assert refusal(await market.http.get(url, headers=headers)) == REFUSED


async def test_a_nonce_is_optional_signed_and_must_grow(market: Market) -> None:
    assert (await call(market, "trade", ACCOUNTS, nonce="1000")).json()["result"] == "success"
    assert (await call(market, "trade", ACCOUNTS)).json()["result"] == "success"
    duplicate = await call(market, "trade", ACCOUNTS, nonce="1000")
    assert refusal(duplicate) == (200, "nonceDuplicate")
    below = await call(market, "trade", ACCOUNTS, nonce="999")
    assert refusal(below) == (200, "nonceBelowThreshold")
    words = await call(market, "trade", ACCOUNTS, nonce="soon")
    assert refusal(words) == (200, "nonceBelowThreshold")
    assert (await call(market, "trade_2", ACCOUNTS, nonce="999")).json()["result"] == "success"
    headers = signed(KEYS["kraken"]["live"]["trade"], ACCOUNTS, nonce="2000")
    url = market.simulator.hosts["kraken"]["live"] + ACCOUNTS
    changed = await market.http.get(url, headers={**headers, "Nonce": "2001"})
    assert refusal(changed) == REFUSED


async def test_query_form_and_path_are_signed(market: Market) -> None:
    key, base = KEYS["kraken"]["live"]["trade"], market.simulator.hosts["kraken"]["live"]
    target = f"{ROOT}/leveragepreferences?symbol=PF_XBTUSD"
    headers = signed(key, target)
    assert (await market.http.get(base + target, headers=headers)).json()["result"] == "success"
    other = target.replace("XBT", "ETH")
    assert refusal(await market.http.get(base + other, headers=headers)) == REFUSED
    body = urlencode(ORDER)
    headers = signed(key, f"{ROOT}/sendorder", body)
    changed = await market.http.post(
        f"{base}{ROOT}/sendorder", headers=headers, content=body.replace("0.0001", "9.0001")
    )
    assert refusal(changed) == REFUSED
    whole_path = signed(key, "/derivatives" + ACCOUNTS)
    assert refusal(await market.http.get(base + ACCOUNTS, headers=whole_path)) == REFUSED


async def test_a_trading_key_may_place_an_order_and_a_reading_key_may_not(market: Market) -> None:
    done = (await call(market, "trade", f"{ROOT}/sendorder", ORDER)).json()["sendStatus"]
    assert done["status"] == "placed"
    (event,) = done["orderEvents"]
    assert (event["type"], event["amount"]) == ("EXECUTION", 0.0001)
    in_query = f"{ROOT}/sendorder?" + urlencode(
        {**ORDER, "symbol": "pi_xbtusd", "size": "10", "orderType": "lmt", "limitPrice": "50000"}
    )
    placed = (await call(market, "trade", in_query, {})).json()["sendStatus"]
    assert placed["orderEvents"][0]["order"]["limitPrice"] == 50_000
    refused = await call(market, "readonly", f"{ROOT}/sendorder", ORDER)
    assert refusal(refused) == REFUSED
    assert (await call(market, "readonly", ACCOUNTS)).json()["result"] == "success"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"symbol": "PF_GONEUSD"}, "marketInactive"),
        ({"size": "lots"}, "invalidSize"),
        ({"size": "0.00015"}, "invalidSize"),
        ({"size": "-1"}, "invalidSize"),
        ({"symbol": "PF_PEPEUSD", "size": "500"}, "invalidSize"),
        ({"orderType": "lmt"}, "invalidPrice"),
    ],
)
async def test_a_flawed_order_fails_within_a_success(
    market: Market, change: dict[str, str], status: str
) -> None:
    answer = (await call(market, "trade", f"{ROOT}/sendorder", {**ORDER, **change})).json()
    assert (answer["result"], answer["sendStatus"]["status"]) == ("success", status)
    assert "order_id" not in answer["sendStatus"]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"symbol": "PF_NOPEUSD"}, "contractNotFound"),
        ({"side": ""}, "requiredArgumentMissing"),
        ({"side": "hold"}, "invalidArgument: side or orderType"),
    ],
)
async def test_an_order_that_cannot_be_read_is_an_error(
    market: Market, change: dict[str, str], error: str
) -> None:
    answer = await call(market, "trade", f"{ROOT}/sendorder", {**ORDER, **change})
    assert refusal(answer) == (200, error)


async def test_the_listing_holds_both_contract_types_and_odd_rows(market: Market) -> None:
    rows = await contracts(market)
    perpetual = [r for r in rows.values() if r["tradeable"] and "lastTradingTime" not in r]
    for kind, unit in (
        ("flexible_futures", "numNonContractUnits"),
        ("futures_inverse", "contracts"),
    ):
        listed = [row for row in perpetual if row["type"] == kind]
        assert len(listed) >= 30
        assert unit in listed[0]["marginLevels"][0]
    assert rows["PF_XBTUSD"]["base"] == "BTC"
    assert rows["PF_XBTUSD"]["contractValueTradePrecision"] == 4
    assert rows["PF_PEPEUSD"]["contractValueTradePrecision"] == -3
    assert rows["PF_PEPEUSD"]["tickSize"] == 1e-10
    assert rows["PI_XBTUSD"]["tickSize"] == 0.5
    assert rows["PF_TSLAxUSD"]["base"] == "TSLAx"
    assert rows["PF_GONEUSD"]["tradeable"] is False
    assert not {"base", "quote", "pair"} & set(rows["pi_dashusd"])
    assert {row["type"] for row in rows.values()} == {
        "flexible_futures",
        "futures_inverse",
        "futures_vanilla",
        "spot index",
    }
    dated = [name for name, row in rows.items() if "lastTradingTime" in row]
    assert {name[:3] for name in dated} == {"FI_", "FF_", "FV_"}


async def test_margin_levels_may_stand_elsewhere(market: Market) -> None:
    rows = await contracts(market)
    assert rows["PF_XBTUSD"]["marginLevels"][0]["initialMargin"] == 0.02
    assert rows["PF_XBTUSD"]["retailMarginLevels"][0]["initialMargin"] == 0.2
    retail, laws = rows["PF_RETAILUSD"], rows["PF_LAWSUSD"]
    assert "marginLevels" not in {*retail, *laws}
    assert retail["retailMarginLevels"][0]["initialMargin"] == 0.5
    assert laws["marginSchedules"]["europa"]["professional"][0]["initialMargin"] == 0.05


async def test_volumes_fit_their_units(market: Market) -> None:
    rows, kinds = await tickers(market), await contracts(market)
    for symbol, row in rows.items():
        if kinds[symbol]["type"] == "flexible_futures" and "last" in row:
            price = Decimal(str(row["volumeQuote"])) / Decimal(str(row["vol24h"]))
            low, high = Decimal(str(row["low24h"])), Decimal(str(row["high24h"]))
            assert low * Decimal("0.999") <= price <= high * Decimal("1.001"), symbol
    # An inverse contract is worth a dollar: a day's volume in contracts differs from one in coins.
    inverse, flexible = rows["PI_XBTUSD"], rows["PF_XBTUSD"]
    assert inverse["vol24h"] > 100 * flexible["vol24h"]
    assert inverse["vol24h"] == int(inverse["vol24h"])


async def test_quiet_rows_and_indices_lack_prices(market: Market) -> None:
    rows = await tickers(market)
    assert not {"last", "lastTime", "bid", "ask"} & set(rows["PF_DAWNUSD"])
    assert set(rows["in_xbtusd"]) == {"symbol", "last", "lastTime"}
    assert rows["PF_GONEUSD"]["suspended"] is True


async def test_prices_move(market: Market) -> None:
    before = (await tickers(market))["PF_ETHUSD"]["last"]
    market.clock.now += 60
    assert (await tickers(market))["PF_ETHUSD"]["last"] != before


async def test_a_rate_limit_tells_no_time_unless_asked_for(market: Market) -> None:
    market.simulator.faults.set("kraken", "live", "rate_limited", times=1)
    answer = await market.get("kraken", f"{ROOT}/tickers")
    assert refusal(answer) == (429, "apiLimitExceeded")
    assert "retry-after" not in answer.headers
    market.simulator.faults.set("kraken", "live", "rate_limited", retry_after=2)
    assert (await market.get("kraken", f"{ROOT}/tickers")).headers["retry-after"] == "2"


async def test_answers_have_the_recorded_fields_and_types(market: Market) -> None:
    rows, prices = await contracts(market), await tickers(market)
    for theirs in recorded("kraken-futures-instruments.json")["instruments"]:
        ours = rows.get(theirs["symbol"], rows["PF_TSLAxUSD"])
        compare(ours, theirs, numbers=True)
    for theirs in recorded("kraken-futures-tickers.json")["tickers"]:
        compare(prices[theirs["symbol"]], theirs, numbers=True)
    theirs = recorded("kraken-futures-checkv3.json")
    ours = (await call(market, "trade", CHECK)).json()
    compare({**ours, "allowedCidrBlock": "10.0.0.0/8"}, theirs)


async def test_refusals_have_the_recorded_words_and_statuses(market: Market) -> None:
    cases = {
        case["body"]["error"]: case for case in recorded("kraken-futures-errors-synthetic.json")
    }
    await call(market, "trade", ACCOUNTS, nonce="7")
    answers = [
        await call(market, "revoked", ACCOUNTS),
        await call(market, "revoked", CHECK),
        await call(market, "trade", ACCOUNTS, nonce="6"),
    ]
    market.simulator.faults.set("kraken", "live", "rate_limited")
    answers.append(await market.get("kraken", ACCOUNTS))
    for answer in answers:
        case = cases.pop(answer.json()["error"])
        assert answer.status_code == case["http"]
        assert set(answer.json()) == set(case["body"])
    assert cases == {}
