"""What Binance returns, and what it does not reveal."""

import asyncio
import hashlib
import hmac
from decimal import Decimal
from typing import Any

import httpx
import pytest

from app.simulator import KeyText, Permission, SimulatedKey
from tests.simulator.conftest import KEYS, Clock, Market, binance_query

CHECKS = ("/fapi/v1/accountConfig", "/dapi/v1/account")
ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.002"}


def refusal(response: httpx.Response) -> tuple[int, int]:
    return response.status_code, response.json()["code"]


@pytest.mark.parametrize("path", CHECKS)
@pytest.mark.parametrize("environment", ["live", "testnet"])
@pytest.mark.parametrize("variant", ["trade", "trade_2", "other_account", "readonly", "withdraw"])
async def test_a_known_key_passes_the_check_and_its_flags_are_the_accounts(
    market: Market, path: str, environment: str, variant: str
) -> None:
    response = await market.binance(variant, path, environment=environment)
    assert response.status_code == 200
    answer = response.json()
    assert answer["canTrade"] is answer["canWithdraw"] is True


async def test_the_spot_account_alone_identifies_the_account(market: Market) -> None:
    accounts = {
        variant: (await market.binance(variant, "/api/v3/account")).json()["uid"]
        for variant in ("trade", "trade_2", "readonly", "other_account")
    }
    assert accounts["trade"] == accounts["trade_2"] == accounts["readonly"]
    assert accounts["trade"] != accounts["other_account"]
    for path in (*CHECKS, "/sapi/v1/account/apiRestrictions", "/fapi/v2/balance"):
        first = await market.binance("trade", path)
        other = await market.binance("other_account", path)
        assert first.status_code == 200
        assert first.json() == other.json()


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("trade", {"enableFutures": True, "enableWithdrawals": False, "ipRestrict": False}),
        ("readonly", {"enableFutures": False, "enableReading": True, "enableWithdrawals": False}),
        ("withdraw", {"enableFutures": True, "enableWithdrawals": True}),
    ],
)
async def test_restrictions_tell_the_keys_rights(
    market: Market, variant: str, expected: dict[str, bool]
) -> None:
    answer = (await market.binance(variant, "/sapi/v1/account/apiRestrictions")).json()
    assert {name: answer[name] for name in expected} == expected
    assert "tradingAuthorityExpirationTime" not in answer


async def test_an_expiring_key_says_when_its_spot_trading_ends_and_trades_futures_on(
    market: Market, clock: Clock
) -> None:
    answer = (await market.binance("expiring", "/sapi/v1/account/apiRestrictions")).json()
    expires = answer["tradingAuthorityExpirationTime"]
    assert 1 < (expires - clock.ms) / 86_400_000 < 30
    accepted = await market.binance("expiring", "/fapi/v1/order", ORDER, method="POST")
    assert accepted.status_code == 200
    clock.now = expires / 1000
    lapsed = await market.binance("expiring", "/fapi/v1/order", ORDER, method="POST")
    assert lapsed.status_code == 200


PAPI = {
    "/fapi/v1/accountConfig": "/papi/v1/um/accountConfig",
    "/fapi/v1/leverageBracket": "/papi/v1/um/leverageBracket",
    "/dapi/v1/account": "/papi/v1/cm/account",
    "/dapi/v2/leverageBracket": "/papi/v1/cm/leverageBracket",
}


@pytest.mark.parametrize("portfolio", [True, False], ids=("portfolio margin", "none"))
async def test_portfolio_margin_is_served_by_its_own_host_and_no_other(
    market: Market, *, portfolio: bool
) -> None:
    text = KeyText("P" * 64, "s" * 64)
    rights = frozenset({Permission.READ, Permission.TRADE})
    traits = (("portfolio_margin", "yes"),) if portfolio else ()
    market.simulator.keys.add(SimulatedKey("binance", "live", text, "17", rights, traits=traits))

    async def ask(path: str) -> httpx.Response:
        query = binance_query(text.api_secret, {"timestamp": market.clock.ms})
        base = market.simulator.hosts["binance"]["live"]
        return await market.http.get(
            f"{base}{path}?{query}", headers={"X-MBX-APIKEY": text.api_key}
        )

    for futures, papi in PAPI.items():
        served, other = (papi, futures) if portfolio else (futures, papi)
        assert (await ask(served)).status_code == 200
        assert refusal(await ask(other)) == (401, -2015)
    rights_of_key = (await ask("/sapi/v1/account/apiRestrictions")).json()
    assert rights_of_key["enablePortfolioMarginTrading"] is portfolio
    assert rights_of_key["enableFutures"] is not portfolio


async def test_an_account_may_be_allowed_less_leverage_than_others(market: Market) -> None:
    text = KeyText("L" * 64, "s" * 64)
    key = SimulatedKey(
        "binance",
        "live",
        text,
        "18",
        frozenset({Permission.READ}),
        traits=(("most_leverage", "20"),),
    )
    market.simulator.keys.add(key)
    query = binance_query(text.api_secret, {"timestamp": market.clock.ms})
    answer = await market.http.get(
        f"{market.simulator.hosts['binance']['live']}/fapi/v1/leverageBracket?{query}",
        headers={"X-MBX-APIKEY": text.api_key},
    )
    most = {max(b["initialLeverage"] for b in row["brackets"]) for row in answer.json()}
    assert max(most) == 20


async def test_a_bound_key_says_so_where_it_is_let_in(market: Market) -> None:
    text = KeyText("B" * 64, "s" * 64)
    rights = frozenset({Permission.READ})
    key = SimulatedKey("binance", "live", text, "1", rights, addresses=("127.0.0.1",))
    market.simulator.keys.add(key)
    query = binance_query(text.api_secret, {"timestamp": market.clock.ms})
    response = await market.http.get(
        f"{market.simulator.hosts['binance']['live']}/sapi/v1/account/apiRestrictions?{query}",
        headers={"X-MBX-APIKEY": text.api_key},
    )
    assert response.json()["ipRestrict"] is True


@pytest.mark.parametrize(
    ("path", "asset"), [("/fapi/v3/account", "USDT"), ("/dapi/v1/account", "BTC")]
)
async def test_an_account_has_funds_and_no_positions(market: Market, path: str, asset: str) -> None:
    answer = (await market.binance("readonly", path)).json()
    assert [row["asset"] for row in answer["assets"]] == [asset]
    assert answer["positions"] == []


async def test_test_hosts_have_no_sapi(market: Market) -> None:
    path = "/sapi/v1/account/apiRestrictions"
    response = await market.binance("trade", path, environment="testnet")
    assert response.status_code == 404
    assert "json" not in response.headers["content-type"]


@pytest.mark.parametrize(
    ("variant", "environment", "host"),
    [
        ("revoked", "live", "live"),
        ("ip_bound", "live", "live"),
        ("trade", "testnet", "live"),
        ("trade", "live", "testnet"),
    ],
)
async def test_unknown_keys_and_wrong_addresses_look_alike(
    market: Market, variant: str, environment: str, host: str
) -> None:
    response = await market.binance(variant, CHECKS[0], environment=environment, host=host)
    assert refusal(response) == (401, -2015)
    assert KEYS["binance"][environment][variant]["api_key"] in response.json()["msg"]


async def signed_by_hand(
    market: Market, query: str, *, key: str | None = None, secret: str | None = None
) -> httpx.Response:
    own = KEYS["binance"]["live"]["trade"]
    mac = hmac.new((secret or own["api_secret"]).encode(), query.encode(), hashlib.sha256)
    base = market.simulator.hosts["binance"]["live"] + CHECKS[0]
    headers = {"X-MBX-APIKEY": own["api_key"] if key is None else key}
    return await market.http.get(f"{base}?{query}&signature={mac.hexdigest()}", headers=headers)


async def test_each_flaw_of_a_signed_call_has_its_code(market: Market) -> None:
    now = market.clock.ms
    ok = await signed_by_hand(market, f"timestamp={now}")
    assert ok.status_code == 200
    flaws = {
        (401, -2014): await signed_by_hand(market, f"timestamp={now}", key="too-short"),
        (400, -1022): await signed_by_hand(market, f"timestamp={now}", secret="another"),
        (400, -1102): await signed_by_hand(market, "recvWindow=5000"),
        (400, -1131): await signed_by_hand(market, f"timestamp={now}&recvWindow=60001"),
    }
    for expected, response in flaws.items():
        assert refusal(response) == expected


async def test_a_call_without_a_signature_or_key_is_refused(market: Market) -> None:
    base = market.simulator.hosts["binance"]["live"] + CHECKS[0]
    key = {"X-MBX-APIKEY": KEYS["binance"]["live"]["trade"]["api_key"]}
    bare = f"{base}?timestamp={market.clock.ms}"
    assert refusal(await market.http.get(bare, headers=key)) == (400, -1102)
    assert refusal(await market.http.get(bare)) == (401, -2014)


@pytest.mark.parametrize(
    ("offset", "window", "accepted"),
    [
        (0, None, True),
        (-5_000, None, True),
        (-5_001, None, False),
        (999, None, True),
        (1_000, None, False),
        (-60_000, 60_000, True),
        (-60_001, 60_000, False),
        (-11, 10, False),
    ],
)
async def test_a_timestamp_counts_within_its_window(
    market: Market, offset: int, window: int | None, *, accepted: bool
) -> None:
    query = f"timestamp={market.clock.ms + offset}"
    if window is not None:
        query += f"&recvWindow={window}"
    response = await signed_by_hand(market, query)
    if accepted:
        assert response.status_code == 200
    else:
        assert refusal(response) == (400, -1021)


async def test_the_query_is_checked_as_it_was_sent(market: Market) -> None:
    """Escapes and order matter: texts that are equal after decoding are not the same text."""
    now = market.clock.ms
    key = KEYS["binance"]["live"]["trade"]
    query = f"timestamp={now}&symbol=BTC%55SDT"
    mac = hmac.new(key["api_secret"].encode(), query.encode(), hashlib.sha256).hexdigest()
    target = "/fapi/v1/leverageBracket?{}&signature=" + mac
    accepted = await raw_get(market, target.format(query), key["api_key"])
    assert accepted.startswith(b"HTTP/1.1 200")
    for changed in (f"timestamp={now}&symbol=BTCUSDT", f"symbol=BTC%55SDT&timestamp={now}"):
        refused = await raw_get(market, target.format(changed), key["api_key"])
        assert b'"code":-1022' in refused


async def raw_get(market: Market, target: str, api_key: str) -> bytes:
    """Use a bare socket, since an HTTP client may rewrite a query."""
    host = httpx.URL(market.simulator.hosts["binance"]["live"])
    reader, writer = await asyncio.open_connection(host.host, host.port)
    head = (
        f"GET {target} HTTP/1.1\r\nHost: x\r\nX-MBX-APIKEY: {api_key}\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_a_trading_key_may_place_an_order_and_a_reading_key_may_not(market: Market) -> None:
    for environment in ("live", "testnet"):
        done = await market.binance(
            "trade", "/fapi/v1/order", ORDER, environment=environment, method="POST"
        )
        assert done.json()["orderId"] > 0
        assert done.json()["status"] == "FILLED"
        refused = await market.binance(
            "readonly", "/fapi/v1/order", ORDER, environment=environment, method="POST"
        )
        assert refusal(refused) == (401, -2015)


async def test_an_order_may_be_signed_in_its_body(market: Market) -> None:
    key = KEYS["binance"]["live"]["trade"]
    body = binance_query(key["api_secret"], {**ORDER, "timestamp": market.clock.ms})
    headers = {
        "X-MBX-APIKEY": key["api_key"],
        "content-type": "application/x-www-form-urlencoded",
    }
    url = market.simulator.hosts["binance"]["live"] + "/fapi/v1/order"
    done = await market.http.post(url, headers=headers, content=body)
    assert done.json()["symbol"] == "BTCUSDT"
    changed = await market.http.post(url, headers=headers, content=body.replace("BUY", "SELL"))
    assert refusal(changed) == (400, -1022)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"symbol": "NOPEUSDT"}, -1121),
        ({"symbol": "OLDUSDT"}, -1121),
        ({"side": "HOLD"}, -1117),
        ({"type": "DREAM"}, -1116),
        ({"quantity": ""}, -1102),
        ({"quantity": "-1"}, -4003),
        ({"quantity": "NaN"}, -4003),
        ({"quantity": "0.0001"}, -1111),
        ({"type": "LIMIT"}, -1102),
    ],
)
async def test_a_flawed_order_is_refused_with_its_code(
    market: Market, change: dict[str, str], code: int
) -> None:
    response = await market.binance("trade", "/fapi/v1/order", {**ORDER, **change}, method="POST")
    assert refusal(response) == (400, code)


async def test_a_test_order_is_checked_and_not_placed(market: Market) -> None:
    path = "/fapi/v1/order/test"
    assert (await market.binance("trade", path, ORDER, method="POST")).json() == {}
    wrong = await market.binance("trade", path, {**ORDER, "symbol": "X"}, method="POST")
    assert refusal(wrong) == (400, -1121)


async def rows(market: Market, path: str) -> list[dict[str, Any]]:
    answer = (await market.get("binance", path)).json()
    found: list[dict[str, Any]] = answer["symbols"] if isinstance(answer, dict) else answer
    return found


@pytest.mark.parametrize(("family", "state"), [("fapi", "status"), ("dapi", "contractStatus")])
async def test_a_listing_has_perpetuals_and_odd_rows(
    market: Market, family: str, state: str
) -> None:
    listed = await rows(market, f"/{family}/v1/exchangeInfo")
    trading = [r for r in listed if r["contractType"] == "PERPETUAL" and r[state] == "TRADING"]
    assert len(trading) >= 30
    assert len({row["symbol"] for row in listed}) == len(listed)
    assert {row["contractType"] for row in listed} >= {"CURRENT_QUARTER", "NEXT_QUARTER"}
    assert len({row[state] for row in listed}) > 1
    dated = next(row for row in listed if row["contractType"] == "CURRENT_QUARTER")
    assert market.clock.ms < dated["deliveryDate"] < 4_133_404_800_000


async def test_the_odd_rows_of_2026_are_there(market: Market) -> None:
    linear = {row["symbol"]: row for row in await rows(market, "/fapi/v1/exchangeInfo")}
    assert linear["TSLAUSDT"]["contractType"] == "TRADIFI_PERPETUAL"
    assert linear["NEWUSDT"]["status"] == "PENDING_TRADING"
    assert linear["NEWUSDT"]["contractType"] == ""
    assert linear["1000SHIBUSDT"]["baseAsset"] == "1000SHIB"
    assert linear["BTCUSDC"]["marginAsset"] == "USDC"
    inverse = {row["symbol"]: row for row in await rows(market, "/dapi/v1/exchangeInfo")}
    assert inverse["WAVESUSD_PERP"]["contractType"] == "PERPETUAL DELIVERING"
    assert inverse["BTCUSD_PERP"]["contractSize"] == 100
    assert inverse["ETHUSD_PERP"]["contractSize"] == 10


async def test_volumes_fit_their_units(market: Market) -> None:
    for row in await rows(market, "/fapi/v1/ticker/24hr"):
        traded = Decimal(row["volume"]) * Decimal(row["weightedAvgPrice"])
        assert abs(traded - Decimal(row["quoteVolume"])) <= Decimal("0.01")
        assert Decimal(row["lowPrice"]) <= Decimal(row["lastPrice"]) <= Decimal(row["highPrice"])
    sizes = {r["symbol"]: r["contractSize"] for r in await rows(market, "/dapi/v1/exchangeInfo")}
    for row in await rows(market, "/dapi/v1/ticker/24hr"):
        usd = Decimal(row["volume"]) * sizes[row["symbol"]]
        coins = Decimal(row["baseVolume"]) * Decimal(row["weightedAvgPrice"])
        assert abs(coins / usd - 1) < Decimal("0.001")
        assert "quoteVolume" not in row


@pytest.mark.parametrize("family", ["fapi", "dapi"])
async def test_what_does_not_trade_has_no_ticker_and_what_trades_has(
    market: Market, family: str
) -> None:
    listed = await rows(market, f"/{family}/v1/exchangeInfo")
    trading = {
        row["symbol"] for row in listed if row.get("status", row.get("contractStatus")) == "TRADING"
    }
    for path in ("ticker/24hr", "premiumIndex"):
        assert {row["symbol"] for row in await rows(market, f"/{family}/v1/{path}")} == trading


async def test_one_symbol_can_be_asked_for(market: Market) -> None:
    one = (await market.get("binance", "/fapi/v1/ticker/24hr?symbol=ETHUSDT")).json()
    assert one["symbol"] == "ETHUSDT"
    several = (await market.get("binance", "/dapi/v1/premiumIndex?symbol=ETHUSD_PERP")).json()
    assert [row["symbol"] for row in several] == ["ETHUSD_PERP"]
    wrong = await market.get("binance", "/fapi/v1/ticker/24hr?symbol=NOPE")
    assert refusal(wrong) == (400, -1121)


async def test_maximum_leverage_is_returned_to_signed_calls_only(market: Market) -> None:
    for path in ("/fapi/v1/leverageBracket", "/dapi/v2/leverageBracket"):
        assert (await market.get("binance", path)).status_code == 401
        listed = (await market.binance("readonly", path)).json()
        assert len(listed) >= 30
        for row in listed:
            levels = [bracket["initialLeverage"] for bracket in row["brackets"]]
            assert levels == sorted(levels, reverse=True)
    pairs = (await market.binance("trade", "/dapi/v1/leverageBracket", {"pair": "BTCUSD"})).json()
    assert [row["pair"] for row in pairs] == ["BTCUSD"]


async def test_weights_add_up_within_a_minute(market: Market, clock: Clock) -> None:
    header = "x-mbx-used-weight-1m"
    clock.now = 1_795_000_020.0
    first = await market.get("binance", "/fapi/v1/ticker/24hr")
    second = await market.get("binance", "/dapi/v1/premiumIndex")
    assert (first.headers[header], second.headers[header]) == ("40", "50")
    clock.now += 60
    third = await market.get("binance", "/fapi/v1/time")
    assert third.headers[header] == "1"


async def test_an_unknown_path_and_a_wrong_method_are_no_json(market: Market) -> None:
    assert (await market.get("binance", "/fapi/v9/nothing")).status_code == 404
    wrong = await market.http.delete(
        market.simulator.hosts["binance"]["live"] + "/fapi/v1/exchangeInfo"
    )
    assert wrong.status_code == 405
