"""Deribit: one list of every kind, two ways to authenticate a key, scopes in a text."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.simulator import KeyText, Permission, SimulatedKey, Simulator
from tests.simulator.conftest import KEYS, Clock, Market, client
from tests.simulator.recordings import compare, recorded
from tests.simulator.test_simulator_outside import changed, vectors

ROOT = "/api/v2"
SUMMARIES = f"{ROOT}/private/get_account_summaries"
ORDER = {"instrument_name": "BTC_USDC-PERPETUAL", "amount": "0.001", "type": "market"}


def mac(secret: str, *lines: str) -> str:
    return hmac.new(secret.encode(), "\n".join(lines).encode(), hashlib.sha256).hexdigest()


def header(
    key: Mapping[str, str], ms: int, method: str, target: str, body: str = ""
) -> dict[str, str]:
    signature = mac(key["api_secret"], str(ms), "n1", method, target, body, "")
    fields = f"id={key['api_key']},ts={ms},sig={signature},nonce=n1"
    return {"Authorization": f"deri-hmac-sha256 {fields}"}


async def signed(
    market: Market,
    variant: str,
    method: str,
    params: Mapping[str, Any] | None = None,
    *,
    environment: str = "live",
    host: str | None = None,
) -> httpx.Response:
    target = f"{ROOT}/{method}" + (f"?{urlencode(params)}" if params else "")
    key = KEYS["deribit"][environment][variant]
    base = market.simulator.hosts["deribit"][host or environment]
    headers = header(key, market.clock.ms, "GET", target)
    return await market.http.get(base + target, headers=headers)


def signature_grant(key: Mapping[str, str], ms: int) -> dict[str, Any]:
    return {
        "grant_type": "client_signature",
        "client_id": key["api_key"],
        "timestamp": ms,
        "nonce": "n2",
        "data": "",
        "signature": mac(key["api_secret"], str(ms), "n2", ""),
    }


async def call(
    market: Market, method: str, params: Any, environment: str = "live", **headers: str
) -> httpx.Response:
    body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
    url = f"{market.simulator.hosts['deribit'][environment]}{ROOT}/{method}"
    return await market.http.post(url, content=body, headers=headers)


async def authenticated(
    market: Market, variant: str, environment: str = "live", host: str | None = None
) -> httpx.Response:
    params = signature_grant(KEYS["deribit"][environment][variant], market.clock.ms)
    return await call(market, "public/auth", params, host or environment)


def refusal(response: httpx.Response) -> tuple[int, int]:
    return response.status_code, response.json()["error"]["code"]


async def result(market: Market, method: str, **params: str) -> Any:
    answer = (await market.get("deribit", f"{ROOT}/{method}?{urlencode(params)}")).json()
    assert answer["testnet"] is False
    return answer["result"]


@pytest.mark.parametrize(
    ("variant", "trade", "wallet"),
    [
        ("trade", "read_write", "none"),
        ("expiring", "read_write", "none"),
        ("readonly", "read", "none"),
        ("withdraw", "read_write", "read_write"),
    ],
)
@pytest.mark.parametrize("environment", ["live", "testnet"])
async def test_a_grant_tells_the_keys_scopes(
    market: Market, variant: str, trade: str, wallet: str, environment: str
) -> None:
    answer = (await authenticated(market, variant, environment)).json()
    scopes = dict(part.partition(":")[::2] for part in answer["result"]["scope"].split())
    assert (scopes["account"], scopes["trade"], scopes["wallet"]) == ("read", trade, wallet)
    assert "mainaccount" in scopes
    assert answer["id"] == 7
    assert answer["testnet"] is (environment == "testnet")


async def test_a_keys_scopes_can_be_set(market: Market) -> None:
    key = {"api_key": "custom", "api_secret": "s"}
    rights = frozenset({Permission.READ})
    market.simulator.keys.add(
        SimulatedKey(
            "deribit", "live", KeyText(**key), "1", rights, traits=(("scope", "trade:read"),)
        )
    )
    answer = await call(market, "public/auth", signature_grant(key, market.clock.ms))
    assert answer.json()["result"]["scope"] == "trade:read"


async def test_a_secret_is_taken_for_a_token_that_lasts_fifteen_minutes(market: Market) -> None:
    key = KEYS["deribit"]["live"]["trade"]
    params = {
        "grant_type": "client_credentials",
        "client_id": key["api_key"],
        "client_secret": key["api_secret"],
    }
    granted = (await call(market, "public/auth", params)).json()["result"]
    bearer = {"Authorization": f"Bearer {granted['access_token']}"}
    answer = await call(market, "private/get_account_summaries", {}, **bearer)
    assert {row["currency"] for row in answer.json()["result"]["summaries"]} >= {"BTC", "USDC"}
    market.clock.now += granted["expires_in"]
    late = await call(market, "private/get_account_summaries", {}, **bearer)
    assert refusal(late) == (400, 13009)
    params["client_secret"] = changed(key["api_secret"], 3)
    assert refusal(await call(market, "public/auth", params)) == (400, 13004)


@pytest.mark.parametrize("variant", ["revoked", "ip_bound"])
async def test_a_key_that_does_not_count_here_is_no_credential(
    market: Market, variant: str
) -> None:
    assert refusal(await authenticated(market, variant)) == (400, 13004)
    assert refusal(await signed(market, variant, "private/get_account_summaries")) == (400, 13004)


async def test_an_unknown_key_is_echoed(market: Market) -> None:
    response = await authenticated(market, "revoked")
    assert KEYS["deribit"]["live"]["revoked"]["api_key"] in response.text


@pytest.mark.parametrize(("environment", "host"), [("live", "testnet"), ("testnet", "live")])
async def test_a_key_of_the_other_environment_is_refused(
    market: Market, environment: str, host: str
) -> None:
    assert refusal(await authenticated(market, "trade", environment, host)) == (400, 13004)
    method = "private/get_account_summaries"
    response = await signed(market, "trade", method, environment=environment, host=host)
    assert refusal(response) == (400, 13004)


@pytest.mark.parametrize(
    ("offset", "accepted"), [(60, True), (-60, True), (60.001, False), (-60.001, False)]
)
async def test_a_timestamp_counts_for_a_minute(
    market: Market, offset: float, *, accepted: bool
) -> None:
    key = KEYS["deribit"]["live"]["trade"]
    ms = market.clock.ms + round(offset * 1000)
    url = market.simulator.hosts["deribit"]["live"] + SUMMARIES
    answer = await market.http.get(url, headers=header(key, ms, "GET", SUMMARIES))
    granted = await call(market, "public/auth", signature_grant(key, ms))
    if accepted:
        assert (answer.status_code, granted.status_code) == (200, 200)
    else:
        assert refusal(answer) == refusal(granted) == (400, 13009)


@pytest.mark.parametrize(
    ("headers_sent", "code"),
    [
        ({}, 13009),
        ({"Authorization": "Bearer nonsense"}, 13009),
        ({"Authorization": "Basic a2V5"}, 10000),
        ({"Authorization": "deri-hmac-sha256 id=k,ts=1"}, 10000),
    ],
)
async def test_a_private_method_wants_a_signature_or_a_token(
    market: Market, headers_sent: dict[str, str], code: int
) -> None:
    url = market.simulator.hosts["deribit"]["live"] + SUMMARIES
    assert refusal(await market.http.get(url, headers=headers_sent)) == (400, code)


async def test_method_query_and_body_are_signed(market: Market) -> None:
    key = KEYS["deribit"]["live"]["trade"]
    base = market.simulator.hosts["deribit"]["live"]
    target = f"{ROOT}/private/get_account_summary?currency=BTC"
    headers = header(key, market.clock.ms, "GET", target)
    assert (await market.http.get(base + target, headers=headers)).json()["result"]["equity"] == 1
    other = await market.http.get(base + target.replace("BTC", "ETH"), headers=headers)
    assert refusal(other) == (400, 13009)
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "params": ORDER})
    target = f"{ROOT}/private/buy"
    headers = header(key, market.clock.ms, "POST", target, body)
    done = await market.http.post(base + target, content=body, headers=headers)
    assert done.json()["result"]["order"]["order_state"] == "filled"
    more = await market.http.post(
        base + target, content=body.replace("0.001", "9.001"), headers=headers
    )
    assert refusal(more) == (400, 13009)


async def test_the_account_is_shown_to_who_asks_for_more(market: Market) -> None:
    method = "private/get_account_summaries"
    assert "id" not in (await signed(market, "trade", method)).json()["result"]
    ids = [
        (await signed(market, variant, method, {"extended": "true"})).json()["result"]["id"]
        for variant in ("trade", "trade_2", "other_account")
    ]
    assert ids[0] == ids[1] != ids[2]


async def test_the_list_of_keys_wants_a_second_factor(market: Market) -> None:
    assert refusal(await signed(market, "trade", "private/list_api_keys")) == (400, 13003)


async def test_a_trading_key_may_place_an_order_and_a_reading_key_may_not(market: Market) -> None:
    done = (await signed(market, "trade", "private/sell", ORDER)).json()["result"]["order"]
    assert (done["direction"], done["order_state"], done["amount"]) == ("sell", "filled", 0.001)
    limit = {**ORDER, "type": "limit", "price": "80000.1"}
    open_order = (await signed(market, "trade", "private/buy", limit)).json()["result"]["order"]
    assert (open_order["order_state"], open_order["price"]) == ("open", 80000.1)
    refused = await signed(market, "readonly", "private/buy", ORDER)
    assert refusal(refused) == (400, 13021)
    assert (await signed(market, "readonly", "private/get_account_summaries")).status_code == 200


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"instrument_name": "NOPE-PERPETUAL"}, -32602),
        ({"instrument_name": "OLD_USDC-PERPETUAL"}, 13019),
        ({"amount": "0.00001"}, -32602),
        ({"amount": "lots"}, -32602),
        ({"amount": "NaN"}, -32602),
        ({"type": "guess"}, -32602),
        ({"type": "limit"}, -32602),
        ({"type": "limit", "price": "0.00001"}, 10043),
    ],
)
async def test_a_flawed_order_is_refused(market: Market, change: dict[str, str], code: int) -> None:
    response = await signed(market, "trade", "private/buy", {**ORDER, **change})
    assert refusal(response) == (400, code)


async def test_the_listing_holds_two_inverse_perpetuals_many_linear_ones_and_other_kinds(
    market: Market,
) -> None:
    rows = {row["instrument_name"]: row for row in await result(market, "public/get_instruments")}
    kinds = {"future", "option", "spot", "future_combo", "option_combo"}
    assert {row["kind"] for row in rows.values()} == kinds
    perpetual = {n: r for n, r in rows.items() if r.get("settlement_period") == "perpetual"}
    inverse = {n for n, row in perpetual.items() if row["instrument_type"] == "reversed"}
    assert inverse == {"BTC-PERPETUAL", "ETH-PERPETUAL"}
    assert sum(row["instrument_type"] == "linear" for row in perpetual.values()) >= 30
    assert (rows["BTC-PERPETUAL"]["contract_size"], rows["BTC-PERPETUAL"]["tick_size"]) == (10, 0.5)
    assert rows["BTC_USDC-PERPETUAL"]["contract_size"] == 0.0001
    assert rows["1000SHIB_USDC-PERPETUAL"]["base_currency"] == "1000SHIB"
    assert "settlement_currency" not in rows["BTC_USDC"]
    assert rows["OLD_USDC-PERPETUAL"]["is_active"] is False
    assert {row["expiration_timestamp"] for row in perpetual.values()} == {32503708800000}


async def test_a_listing_can_be_asked_for_by_currency_kind_and_age(market: Market) -> None:
    method = "public/get_instruments"
    futures = await result(market, method, currency="any", kind="future", expired="false")
    assert {row["kind"] for row in futures} == {"future"}
    usdc = await result(market, method, currency="USDC", kind="future")
    assert {row["settlement_currency"] for row in usdc} == {"USDC"}
    gone = await result(market, method, currency="BTC", kind="future", expired="true")
    assert gone
    assert all(row["expiration_timestamp"] < market.clock.ms for row in gone)
    assert await result(market, method, currency="EURR") == []
    for wrong in ("currency=NOPE", "kind=swap"):
        assert refusal(await market.get("deribit", f"{ROOT}/{method}?{wrong}")) == (400, -32602)


async def test_volumes_fit_their_units(market: Market) -> None:
    for currency in ("BTC", "ETH", "USDC"):
        rows = await result(
            market, "public/get_book_summary_by_currency", currency=currency, kind="future"
        )
        for row in rows:
            if row["last"] is None:
                assert row["volume"] == row["volume_notional"] == 0
                continue
            price = row["volume_notional"] / row["volume"]
            assert row["low"] * 0.999 <= price <= row["high"] * 1.001, row["instrument_name"]
    assert {row["instrument_name"] for row in rows if row["last"] is None} == {
        "DAWN_USDC-PERPETUAL"
    }


async def test_a_summary_wants_one_currency(market: Market) -> None:
    path = f"{ROOT}/public/get_book_summary_by_currency"
    for query in ("", "?currency=any"):
        assert refusal(await market.get("deribit", path + query)) == (400, -32602)


async def test_prices_move_and_the_ticker_agrees_with_the_summary(market: Market) -> None:
    name = "BTC_USDC-PERPETUAL"
    first = await result(market, "public/ticker", instrument_name=name)
    (row,) = [
        row
        for row in await result(market, "public/get_book_summary_by_currency", currency="USDC")
        if row["instrument_name"] == name
    ]
    assert (first["last_price"], first["mark_price"]) == (row["last"], row["mark_price"])
    assert first["stats"]["volume_usd"] == row["volume_usd"]
    market.clock.now += 1
    assert (await result(market, "public/ticker", instrument_name=name))["last_price"] != row[
        "last"
    ]


async def test_unknown_methods_and_broken_messages_keep_the_envelope(market: Market) -> None:
    assert refusal(await market.get("deribit", f"{ROOT}/public/nope")) == (400, -32601)
    url = f"{market.simulator.hosts['deribit']['live']}{ROOT}/public/auth"
    for body, code in (("{", -32700), ('{"params": []}', -32600), ("{}", -32602)):
        assert refusal(await market.http.post(url, content=body)) == (400, code)
    assert refusal(await market.http.put(url)) == (400, -32600)


async def test_a_rate_limit_and_an_outage_have_their_codes(market: Market) -> None:
    faults = market.simulator.faults
    faults.set("deribit", "live", "rate_limited", times=1)
    faults.set("deribit", "live", "server_error", times=1)
    path = f"{ROOT}/public/get_time"
    assert refusal(await market.get("deribit", path)) == (429, 10028)
    assert refusal(await market.get("deribit", path)) == (503, 11051)


@pytest.mark.parametrize(
    "vector",
    [
        pytest.param(p.values[1], id=str(p.id), marks=p.marks)
        for p in vectors()
        if p.values[0] in ("deribit", "") and (p.marks or p.values[1]["body"])
    ],
)
async def test_every_character_of_a_grant_counts(vector: dict[str, Any]) -> None:
    clock = Clock()
    clock.now = vector["fixed_time_ms"] / 1000
    key = KeyText(vector["api_key"], vector["secret"])
    message = json.loads(vector["body"])
    environment = vector["environment"]
    async with Simulator(clock=clock) as simulator, client() as http:
        simulator.keys.add(SimulatedKey("deribit", environment, key, "1", frozenset()))
        market = Market(simulator, clock, http)
        params = message["params"]
        answer = await call(market, "public/auth", params, environment)
        assert answer.status_code == 200
        for name in ("client_id", "signature", "nonce", "timestamp"):
            written = str(params[name])
            for at in range(len(written)):
                altered = changed(written, at)
                wrong = {**params, name: int(altered) if name == "timestamp" else altered}
                response = await call(market, "public/auth", wrong, environment)
                assert response.status_code == 400, (name, at)
        wrong = {**params, "data": "x"}
        assert refusal(await call(market, "public/auth", wrong, environment)) == (400, 13004)


async def test_public_rows_have_the_recorded_fields_and_types(market: Market) -> None:
    for name in ("instruments", "instruments-docs", "instruments-usdc-synthetic"):
        ours = {
            row["instrument_name"]: row for row in await result(market, "public/get_instruments")
        }
        for theirs in recorded(f"deribit-{name}.json")["result"]:
            if theirs["instrument_name"] in ours:
                like = ours[theirs["instrument_name"]]
                assert set(theirs) <= set(like)
                for field, value in theirs.items():
                    number = isinstance(value, int | float) and not isinstance(value, bool)
                    assert isinstance(like[field], (int, float) if number else type(value)), field
    summaries = recorded("deribit-book-summary.json")["result"]
    ours = {
        row["instrument_name"]: row
        for row in await result(market, "public/get_book_summary_by_currency", currency="BTC")
    }
    compare(ours["BTC-PERPETUAL"], summaries[0])


async def test_answers_of_authentication_have_the_recorded_fields(market: Market) -> None:
    ours = (await authenticated(market, "trade")).json()
    compare(ours, recorded("deribit-auth-scope-synthetic.json"))
    compare(ours["result"], recorded("deribit-auth-scope-synthetic.json")["result"])
    refused = (await authenticated(market, "ip_bound")).json()
    theirs = recorded("deribit-error-invalid-credentials-synthetic.json")
    compare(refused, theirs)
    assert refused["error"] == theirs["error"]


async def test_a_registered_key_logs_in_by_its_signature_and_by_nothing_else(
    market: Market,
) -> None:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    read = frozenset({Permission.READ})
    market.simulator.keys.add(
        SimulatedKey(
            "deribit", "live", KeyText("own", ""), "123456789", read, public_key=public.decode()
        )
    )
    ms = market.clock.ms
    text = f"{ms}\nn2\n".encode()
    signature = base64.urlsafe_b64encode(private.sign(text)).rstrip(b"=").decode()
    grant = {**signature_grant({"api_key": "own", "api_secret": ""}, ms), "signature": signature}

    login = await call(market, "public/auth", grant)
    token = login.json()["result"]["access_token"]
    account = await call(
        market, "private/get_account_summaries", {}, Authorization=f"Bearer {token}"
    )
    assert (login.status_code, account.status_code) == (200, 200)

    mac_grant = signature_grant({"api_key": "own", "api_secret": ""}, ms)
    secret_grant = {"grant_type": "client_credentials", "client_id": "own", "client_secret": "x"}
    for wrong in (mac_grant, {**grant, "signature": changed(signature, 5)}, secret_grant):
        assert refusal(await call(market, "public/auth", wrong)) == (400, 13004)
    headers = header({"api_key": "own", "api_secret": ""}, ms, "GET", SUMMARIES)
    answer = await market.http.get(
        market.simulator.hosts["deribit"]["live"] + SUMMARIES, headers=headers
    )
    assert refusal(answer) == (400, 13009)
