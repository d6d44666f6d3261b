"""Gemini: signed headers, increasing nonces, field names with an unexpected meaning."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import httpx
import pytest

from app.simulator import KeyText, Permission, SimulatedKey
from tests.simulator.conftest import KEYS, Market
from tests.simulator.recordings import compare, recorded
from tests.simulator.test_simulator_outside import changed

ROLES = "/v1/roles"
ORDER = {
    "symbol": "btcgusdperp",
    "amount": "0.001",
    "price": "10000.5",
    "side": "buy",
    "type": "exchange limit",
}
READ = frozenset({Permission.READ})


def headers(key: Mapping[str, str], payload: Mapping[str, Any]) -> dict[str, str]:
    written = base64.b64encode(json.dumps(payload).encode()).decode()
    signature = hmac.new(key["api_secret"].encode(), written.encode(), hashlib.sha384)
    return {
        "Content-Type": "text/plain",
        "X-GEMINI-APIKEY": key["api_key"],
        "X-GEMINI-PAYLOAD": written,
        "X-GEMINI-SIGNATURE": signature.hexdigest(),
    }


async def send(
    market: Market, key: Mapping[str, str], path: str, payload: Mapping[str, Any], host: str
) -> httpx.Response:
    url = market.simulator.hosts["gemini"][host] + path
    return await market.http.post(url, headers=headers(key, payload))


async def signed(
    market: Market,
    variant: str,
    path: str,
    *,
    environment: str = "live",
    host: str | None = None,
    **params: Any,
) -> httpx.Response:
    market.clock.now += 0.002
    payload = {"request": path, "nonce": market.clock.ms, **params}
    key = KEYS["gemini"][environment][variant]
    return await send(market, key, path, payload, host or environment)


def refusal(response: httpx.Response) -> tuple[int, str]:
    assert response.json()["result"] == "error"
    return response.status_code, response.json()["reason"]


@pytest.mark.parametrize(
    ("variant", "roles"),
    [
        ("trade", {"isTrader"}),
        ("expiring", {"isTrader"}),
        ("readonly", {"isAuditor"}),
        ("withdraw", {"isTrader", "isFundManager"}),
    ],
)
@pytest.mark.parametrize("environment", ["live", "testnet"])
async def test_a_key_is_shown_its_roles(
    market: Market, variant: str, roles: set[str], environment: str
) -> None:
    document = (await signed(market, variant, ROLES, environment=environment)).json()
    assert set(document) == {"isAuditor", "isFundManager", "isTrader"}
    assert {name for name, has in document.items() if has} == roles


@pytest.mark.parametrize("variant", ["revoked", "ip_bound"])
async def test_a_key_that_does_not_count_here_is_invalid(market: Market, variant: str) -> None:
    assert refusal(await signed(market, variant, ROLES)) == (400, "InvalidApiKey")


@pytest.mark.parametrize(("environment", "host"), [("live", "testnet"), ("testnet", "live")])
async def test_a_key_of_the_other_environment_is_invalid(
    market: Market, environment: str, host: str
) -> None:
    response = await signed(market, "trade", ROLES, environment=environment, host=host)
    assert refusal(response) == (400, "InvalidApiKey")


async def test_each_missing_header_has_its_reason(market: Market) -> None:
    reasons = {
        "X-GEMINI-APIKEY": "MissingApikeyHeader",
        "X-GEMINI-PAYLOAD": "MissingPayloadHeader",
        "X-GEMINI-SIGNATURE": "MissingSignatureHeader",
    }
    url = market.simulator.hosts["gemini"]["live"] + ROLES
    for missing, reason in reasons.items():
        sent_headers = headers(KEYS["gemini"]["live"]["trade"], {"request": ROLES, "nonce": 1})
        del sent_headers[missing]
        assert refusal(await market.http.post(url, headers=sent_headers)) == (400, reason)


async def test_every_character_of_payload_and_signature_counts(market: Market) -> None:
    key = KEYS["gemini"]["live"]["trade"]
    sent_headers = headers(key, {"request": ROLES, "nonce": "1"})
    url = market.simulator.hosts["gemini"]["live"] + ROLES
    for name in ("X-GEMINI-PAYLOAD", "X-GEMINI-SIGNATURE"):
        for at in range(len(sent_headers[name])):
            wrong = {**sent_headers, name: changed(sent_headers[name], at)}
            assert refusal(await market.http.post(url, headers=wrong)) == (400, "InvalidSignature")
    # None of them has used up the nonce.
    assert (await market.http.post(url, headers=sent_headers)).status_code == 200


async def test_a_nonce_must_grow_for_its_key_alone(market: Market) -> None:
    async def reason(variant: str, nonce: int | str) -> str:
        key = KEYS["gemini"]["live"][variant]
        payload = {"request": ROLES, "nonce": nonce}
        answer = (await send(market, key, ROLES, payload, "live")).json()
        return str(answer.get("reason", "taken"))

    assert [await reason("trade", nonce) for nonce in (10, 10, 9, "11", "12.5", -1)] == [
        "taken",
        "InvalidNonce",
        "InvalidNonce",
        "taken",
        "InvalidNonce",
        "InvalidNonce",
    ]
    assert await reason("readonly", 10) == "taken"


async def test_a_time_based_nonce_is_seconds_near_the_servers_time(market: Market) -> None:
    key = {"api_key": "account-timely", "api_secret": "s"}
    market.simulator.keys.add(
        SimulatedKey("gemini", "live", KeyText(**key), "1", READ, traits=(("nonce", "time_based"),))
    )
    now = int(market.clock.now)
    for nonce, status in ((now, 200), (now, 200), (now - 31, 400), (now * 1000, 400)):
        payload = {"request": ROLES, "nonce": nonce}
        response = await send(market, key, ROLES, payload, "live")
        assert response.status_code == status
    assert "is not within 30 seconds of server time" in response.json()["message"]


async def test_a_key_of_a_group_must_say_which_account(market: Market) -> None:
    key = {"api_key": "master-group", "api_secret": "s"}
    market.simulator.keys.add(SimulatedKey("gemini", "live", KeyText(**key), "1", READ))
    payload: dict[str, Any] = {"request": ROLES, "nonce": 1}
    without = await send(market, key, ROLES, payload, "live")
    assert refusal(without) == (400, "MissingAccounts")
    payload |= {"nonce": 2, "account": "primary"}
    document = (await send(market, key, ROLES, payload, "live")).json()
    assert set(document) == {"isAccountAdmin", "isAuditor", "isFundManager", "isTrader"}


async def test_a_payload_must_name_its_own_path(market: Market) -> None:
    key = KEYS["gemini"]["live"]["trade"]
    payload = {"request": "/v1/balances", "nonce": 1}
    response = await send(market, key, ROLES, payload, "live")
    assert refusal(response) == (400, "EndpointMismatch")


@pytest.mark.parametrize("written", ["bm8", base64.b64encode(b"[]").decode(), "bm8="])
async def test_a_payload_that_is_no_json_is_refused(market: Market, written: str) -> None:
    key = KEYS["gemini"]["live"]["trade"]
    sent_headers = headers(key, {})
    sent_headers["X-GEMINI-PAYLOAD"] = written
    signature = hmac.new(key["api_secret"].encode(), written.encode(), hashlib.sha384)
    sent_headers["X-GEMINI-SIGNATURE"] = signature.hexdigest()
    url = market.simulator.hosts["gemini"]["live"] + ROLES
    assert refusal(await market.http.post(url, headers=sent_headers)) == (400, "InvalidJson")


async def test_a_trading_key_may_place_an_order_and_a_reading_key_may_not(market: Market) -> None:
    done = (await signed(market, "trade", "/v1/order/new", **ORDER)).json()
    assert (done["is_live"], done["executed_amount"]) == (True, "0")
    crossing = {**ORDER, "price": "900000"}
    filled = (await signed(market, "trade", "/v1/order/new", **crossing)).json()
    assert (filled["is_live"], filled["executed_amount"]) == (False, "0.001")
    refused = await signed(market, "readonly", "/v1/order/new", **ORDER)
    assert refusal(refused) == (403, "MissingRole")
    assert KEYS["gemini"]["live"]["readonly"]["api_key"] in refused.json()["message"]


@pytest.mark.parametrize("variant", ["trade", "readonly", "withdraw"])
async def test_any_role_sees_the_balances(market: Market, variant: str) -> None:
    rows = (await signed(market, variant, "/v1/balances")).json()
    assert {row["currency"]: row["available"] for row in rows} == {"BTC": "1", "GUSD": "10000"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"symbol": "nopegusdperp"}, "InvalidSymbol"),
        ({"symbol": "haltgusdperp"}, "MarketNotOpen"),
        ({"side": "hold"}, "InvalidSide"),
        ({"type": "exchange market"}, "InvalidOrderType"),
        ({"amount": "0.00001"}, "InvalidQuantity"),
        ({"amount": "lots"}, "InvalidQuantity"),
        ({"price": "10000.3"}, "InvalidPrice"),
        ({"price": ""}, "MissingOrderField"),
    ],
)
async def test_a_flawed_order_is_refused(
    market: Market, change: dict[str, str], reason: str
) -> None:
    response = await signed(market, "trade", "/v1/order/new", **{**ORDER, **change})
    assert refusal(response) == (400, reason)


async def get(market: Market, path: str) -> Any:
    return (await market.get("gemini", path)).json()


async def test_the_listing_holds_perpetuals_and_spot_pairs(market: Market) -> None:
    rows = {row["symbol"]: row for row in await get(market, "/v1/symbols/details/all")}
    swaps = {name: row for name, row in rows.items() if row["product_type"] == "swap"}
    assert sum(row["status"] == "open" for row in swaps.values()) >= 30
    assert all(name.endswith("PERP") for name in swaps)
    assert {row["contract_type"] for row in swaps.values()} == {"linear"}
    assert {row["status"] for row in rows.values()} >= {"closed", "cancel_only", "limit_only"}
    btc = rows["BTCGUSDPERP"]
    assert (btc["tick_size"], btc["quote_increment"], btc["min_order_size"]) == (
        0.0001,
        0.5,
        "0.0001",
    )
    assert rows["BTCUSDCPERP"]["contract_price_currency"] == "GUSD"
    assert rows["BTCUSD"]["contract_price_currency"] == "USD"


async def test_small_steps_are_numbers_with_exponents(market: Market) -> None:
    response = await market.get("gemini", "/v1/symbols/details/pepegusdperp")
    assert response.json()["quote_increment"] == 1e-09
    assert isinstance(response.json()["tick_size"], int)
    assert json.loads(response.content, parse_float=str)["quote_increment"].lower().startswith("1e")


async def test_symbols_and_their_details_tell_the_same_as_all_at_once(market: Market) -> None:
    rows = await get(market, "/v1/symbols/details/all")
    symbols = await get(market, "/v1/symbols")
    assert symbols == [row["symbol"].lower() for row in rows]
    for row in rows[:3]:
        for written in (row["symbol"], row["symbol"].lower()):
            assert await get(market, f"/v1/symbols/details/{written}") == row


async def test_prices_of_feed_and_ticker_agree_and_move(market: Market) -> None:
    feed = {row["pair"]: row["price"] for row in await get(market, "/v1/pricefeed")}
    assert "OLDGUSDPERP" not in feed
    ticker = await get(market, "/v1/pubticker/btcgusdperp")
    assert ticker["last"] == feed["BTCGUSDPERP"]
    market.clock.now += 60
    assert (await get(market, "/v1/pubticker/BTCGUSDPERP"))["last"] != ticker["last"]


async def test_volumes_fit_their_units(market: Market) -> None:
    for pair, base, quote in (("BTCGUSDPERP", "BTC", "GUSD"), ("ETHBTC", "ETH", "BTC")):
        ticker = await get(market, f"/v1/pubticker/{pair}")
        volume = ticker["volume"]
        price = Decimal(volume[quote]) / Decimal(volume[base])
        assert abs(price / Decimal(ticker["last"]) - 1) < Decimal("0.1")
        assert volume["timestamp"] == market.clock.ms


async def test_risk_is_returned_for_perpetuals_alone(market: Market) -> None:
    risk = await get(market, "/v1/riskstats/btcgusdperp")
    ratio = Decimal(risk["open_interest_notional"]) / Decimal(risk["open_interest"])
    assert ratio == Decimal(risk["mark_price"])
    for path in ("/v1/riskstats/btcusd", "/v1/riskstats/nope", "/v1/symbols/details/nope"):
        assert refusal(await market.get("gemini", path)) == (400, "InvalidSymbol")


async def test_errors_have_the_recorded_reasons_and_statuses(market: Market) -> None:
    cases = {case["body"]["reason"]: case for case in recorded("gemini-errors-synthetic.json")}
    faults = market.simulator.faults
    key = KEYS["gemini"]["live"]["trade"]
    forged = {**key, "api_secret": "x"}
    answers = [
        await signed(market, "revoked", ROLES),
        await send(market, forged, ROLES, {"request": ROLES, "nonce": 1}, "live"),
        await send(market, key, ROLES, {"request": ROLES, "nonce": 0}, "live"),
        await signed(market, "readonly", "/v1/order/new", **ORDER),
    ]
    faults.set("gemini", "live", "rate_limited", times=1)
    answers.append(await market.get("gemini", "/v1/symbols"))
    assert {answer.json()["reason"] for answer in answers} == set(cases)
    for answer in answers:
        case = cases[answer.json()["reason"]]
        assert answer.status_code == case["http"]
        assert set(answer.json()) == set(case["body"])
    wrong = await market.get("gemini", "/v1/pubticker/bla")
    assert refusal(wrong) == (400, recorded("gemini-error-bad-request.json")["reason"])


async def test_maintenance_an_outage_and_an_unknown_path_have_reasons(market: Market) -> None:
    faults = market.simulator.faults
    faults.set("gemini", "live", "server_error", times=1)
    faults.set("gemini", "live", "server_error", times=1, status=500)
    assert refusal(await market.get("gemini", "/v1/symbols")) == (503, "Maintenance")
    assert refusal(await market.get("gemini", "/v1/symbols")) == (500, "System")
    for path in ("/v1/riskstats", "/v1/roles"):
        assert refusal(await market.get("gemini", path)) == (404, "EndpointNotFound")


async def test_answers_have_the_recorded_fields_and_types(market: Market) -> None:
    ours = {row["symbol"]: row for row in await get(market, "/v1/symbols/details/all")}
    for theirs in recorded("gemini-symbols-details-all.json"):
        if theirs["symbol"] in ours:
            compare(ours[theirs["symbol"]], theirs)
    compare((await get(market, "/v1/pricefeed"))[0], recorded("gemini-pricefeed.json")[0])
    ticker = await get(market, "/v1/pubticker/BTCUSD")
    compare(ticker, recorded("gemini-pubticker-btcusd.json"))
    compare(ticker["volume"], recorded("gemini-pubticker-btcusd.json")["volume"])
    risk = await get(market, "/v1/riskstats/btcgusdperp")
    compare(risk, recorded("gemini-riskstats-synthetic.json"))
    roles = (await signed(market, "trade", ROLES)).json()
    assert roles == recorded("gemini-roles-synthetic.json")
