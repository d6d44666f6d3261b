import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from botkeys.exchanges import kraken
from botkeys.exchanges.errors import (
    BadPayload,
    ClockSkew,
    CredentialsRefused,
    InvalidKey,
    RateLimited,
    Unreachable,
)
from botkeys.exchanges.model import ContractType, Credentials, Environment, Instrument
from botkeys.exchanges.parsing import read_json
from botkeys.exchanges.registry import Exchanges
from botkeys.sealing.secret import Secret
from botkeys.transport.client import HttpTransport, Request

SECRET = "c2VjcmV0LXRlc3Qtc2VjcmV0LXRlc3Qtc2VjcmV0LXRlc3QtMDEyMzQ1Njc4OWFiY2RlZg=="
KEYS = Credentials(Secret("k-test"), Secret(SECRET))
LINEAR = (Environment.TESTNET, None, ContractType.LINEAR)
CHECK = "/api/auth/v1/api-keys/v3/check"
ACCOUNTS = "/derivatives/api/v3/accounts"


def signed(method: str, url: str, content: bytes = b"") -> Request:
    return next(kraken.KrakenAuth(KEYS).auth_flow(Request(method, url, content=content)))


def as_sent(content: object) -> object:
    return read_json(json.dumps(content).encode())


def test_signatures_equal_those_of_an_independent_implementation(shared: Path) -> None:
    vectors = json.loads((shared / "signing-vectors.json").read_text())["kraken"]
    futures = [vector for vector in vectors if "futures.kraken.com" in vector["url"]]
    spot = [vector for vector in vectors if vector not in futures]
    assert len(futures) >= 4
    assert {vector["purpose"] for vector in spot} == {
        "spot key permissions (spot key, not a futures key)"  # keys for spot are not accepted
    }
    for vector in futures:
        assert vector["secret"] == SECRET
        request = signed(vector["method"], vector["url"])
        assert str(request.url) == vector["url"]
        for name in ("APIKey", "Authent"):
            assert request.headers[name] == vector["headers"][name]


def test_a_signature_is_that_of_the_documented_text() -> None:
    # printf %s /api/v3/accounts | openssl dgst -sha256 -binary | openssl dgst -sha512 -binary
    #     -mac HMAC -macopt hexkey:$(printf %s "$SECRET" | base64 -d | xxd -p -c99) | base64
    request = signed("GET", f"https://kraken.example{ACCOUNTS}")
    assert request.headers["Authent"] == (
        "OJij5L1Xoc2Q3JrgYwfKQv/zEHZ/3Z+WtP3uP35dfTFA04ePTp8LNYkAAbW88RbkVpT7svrf6Ip57H5e1dy0Vw=="
    )
    assert "Nonce" not in request.headers


def test_a_body_is_signed_in_place_of_a_query() -> None:
    bare, full = [signed("POST", "https://kraken.example/a", body) for body in (b"", b"a=b")]
    query = signed("GET", "https://kraken.example/a?a=b")
    assert bare.headers["Authent"] != full.headers["Authent"]
    assert query.headers["Authent"] == full.headers["Authent"]


async def test_a_secret_that_is_not_base64_is_not_sent(exchanges: Exchanges, fake: Any) -> None:
    bent = Credentials(Secret("k-test"), Secret("not base64!"))
    with pytest.raises(InvalidKey):
        await exchanges.adapter("kraken").check_credentials(bent, *LINEAR)
    assert fake.received == []


def test_recordings_are_read(shared: Path, error_for: Callable[..., object]) -> None:
    files = {path.stem: path for path in (shared / "recorded").glob("kraken-*.json")}

    def recorded(name: str) -> Any:
        return read_json(files.pop(f"kraken-{name}").read_bytes())

    listing = recorded("futures-instruments")
    linear = kraken.parse_instruments(listing, ContractType.LINEAR)
    assert [(item.symbol, str(item.lot_size)) for item in linear] == [
        ("PF_ETHUSD", "0.001"),
        ("PF_PEPEUSD", "1000"),
        ("PF_AAPLxUSD", "0.01"),
    ]
    assert [str(item.max_leverage) for item in linear] == ["50", "50", "5"]
    (inverse,) = kraken.parse_instruments(listing, ContractType.INVERSE)
    assert (inverse.symbol, inverse.base, inverse.settle) == ("PI_XBTUSD", "BTC", "BTC")
    assert {item.margin_modes for item in linear} == {("cross", "isolated")}
    assert inverse.margin_modes == ("cross",)
    old = kraken.parse_instruments(recorded("futures-instruments-2021"), ContractType.INVERSE)
    assert [(item.symbol, item.base, item.quote) for item in old if not item.dated] == [
        ("pi_xbtusd", "BTC", "USD"),
        ("pi_ethusd", "ETH", "USD"),
        ("pi_ltcusd", "LTC", "USD"),
        ("pi_bchusd", "BCH", "USD"),
        ("pi_xrpusd", "XRP", "USD"),
    ]
    dated = {item.symbol for item in old if item.dated}
    assert {symbol[:2] for symbol in dated} == {"fi"}
    assert {symbol[-6:] for symbol in dated} == {"210730", "210924", "211231"}
    volumes = {
        ticker.symbol: ticker.volume_24h
        for ticker in kraken.parse_tickers(recorded("futures-tickers"))
    }
    assert volumes == {"PI_XBTUSD": 21118140, "PF_ETHUSD": 1600000}
    report = kraken.parse_key(recorded("futures-checkv3"))
    assert (report.permissions.trade, report.permissions.withdraw) == ("yes", "no")
    assert report.permissions.ip_restricted == "yes"
    assert [
        error_for("kraken", answer["http"], json.dumps(answer["body"]).encode())
        for answer in recorded("futures-errors-synthetic")
    ] == [CredentialsRefused, ClockSkew, RateLimited, CredentialsRefused]
    del files["kraken-spot-getapikeyinfo"]  # of a spot key, which is another object
    assert not files


def key(**fields: object) -> object:
    return {"accountUid": "a-1", "permissions": {"general": "FULL_ACCESS"}, **fields}


@pytest.mark.parametrize(
    ("general", "transfer", "stated"),
    [
        ("FULL_ACCESS", "NO_ACCESS", ("yes", "yes", "no")),
        ("FULL_ACCESS", "FULL_ACCESS", ("yes", "yes", "yes")),
        ("READ_ONLY", "READ_ONLY", ("yes", "no", "no")),
        ("NO_ACCESS", "FULL_ACCESS", ("no", "no", "yes")),
        ("SOME_ACCESS", "SOME_ACCESS", ("unknown", "unknown", "unknown")),
        ("FULL_ACCESS", None, ("yes", "yes", "unknown")),
        (None, "NO_ACCESS", ("unknown", "unknown", "no")),
    ],
)
def test_permissions_are_read_and_never_guessed(
    general: object, transfer: object, stated: tuple[str, str, str]
) -> None:
    levels = {"general": general, "transfer": transfer}
    permissions = kraken.parse_key(key(permissions=levels)).permissions
    assert (permissions.read, permissions.trade, permissions.withdraw) == stated


@pytest.mark.parametrize("levels", [None, {}, {"general": None}, "FULL_ACCESS"])
def test_a_key_without_any_level_is_no_answer(levels: object) -> None:
    with pytest.raises(BadPayload):
        kraken.parse_key(key(permissions=levels))


@pytest.mark.parametrize(
    ("fields", "restricted"),
    [
        ({"allowedCidrBlock": "192.0.2.0/24"}, "yes"),
        ({"allowedCidrBlock": None, "allowedCidrBlocks": ["192.0.2.0/24"]}, "yes"),
        ({"allowedCidrBlock": None}, "no"),
        ({"allowedCidrBlock": None, "allowedCidrBlocks": []}, "no"),
        ({"allowedCidrBlocks": []}, "no"),
        ({"allowedCidrBlocks": ["0.0.0.0/0"]}, "no"),
        ({"allowedCidrBlock": 7}, "unknown"),
        ({"allowedCidrBlocks": [{}, 7]}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_addresses_are_restricted_if_a_block_says_so(
    fields: dict[str, object], restricted: str
) -> None:
    assert kraken.parse_key(key(**fields)).permissions.ip_restricted == restricted


def listed(sample: Callable[[str], Any], **fields: object) -> Any:
    payload = sample("kraken")["routes"]["/derivatives/api/v3/instruments"]
    rows = [row | fields for row in payload["instruments"]]
    return as_sent(payload | {"instruments": rows})


def perpetuals(payload: Any) -> list[Instrument]:
    found = kraken.parse_instruments(payload, ContractType.LINEAR)
    assert [item.symbol for item in found if item.dated] == ["FF_XBTUSD_261225"]
    return [item for item in found if not item.dated]


def test_a_negative_precision_is_a_step_of_thousands(sample: Callable[[str], Any]) -> None:
    found = perpetuals(listed(sample))
    assert [str(item.lot_size) for item in found] == ["0.0001", "1000", "0.01"]


@pytest.mark.parametrize("precision", [0.5, 19, -19, "x", None, 1e30])
def test_a_precision_that_cannot_be_is_no_instrument(
    sample: Callable[[str], Any], precision: object
) -> None:
    with pytest.raises(BadPayload):
        kraken.parse_instruments(
            listed(sample, contractValueTradePrecision=precision), ContractType.LINEAR
        )


def test_the_maximum_leverage_comes_from_the_best_levels_that_are_stated(
    sample: Callable[[str], Any],
) -> None:
    found = perpetuals(listed(sample))
    assert [str(item.max_leverage) for item in found] == ["50", "20", "5"]
    bare = perpetuals(
        listed(sample, marginLevels=None, retailMarginLevels="?", marginSchedules=[[]])
    )
    assert {item.max_leverage for item in bare} == {None}


def test_a_pair_is_found_wherever_it_stands(sample: Callable[[str], Any]) -> None:
    for fields in ({"base": None}, {"base": None, "pair": None}):
        first, second, third = perpetuals(listed(sample, **fields))
        assert (first.base, first.quote) == ("BTC", "USD")
        assert second.base == "PEPE"
        assert third.base in {"AAPLx", "AAPLX"}


def test_a_ticker_of_coins_alone_is_valued_at_its_price() -> None:
    row = {"symbol": "PF_XBTUSD", "last": "60000", "vol24h": "2"}
    (ticker,) = kraken.parse_tickers({"tickers": [row]})
    assert ticker.volume_24h == Decimal(120000)
    (ticker,) = kraken.parse_tickers({"tickers": [row | {"last": None}]})
    assert (ticker.price, ticker.volume_24h) == (None, None)


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"error":"notFound","message":"?"}'])
async def test_a_host_that_does_not_tell_permissions_still_proves_a_key(
    exchanges: Exchanges,
    fake: Any,
    make_reply: Callable[..., Any],
    reply_of: Callable[..., Any],
    body: bytes,
) -> None:
    fake.routes = {
        CHECK: make_reply(404, body=body),
        ACCOUNTS: reply_of({"result": "success", "accounts": {"flex": {}}}),
    }
    report = await exchanges.adapter("kraken").check_credentials(KEYS, *LINEAR)
    permissions = report.permissions
    assert (permissions.read, permissions.trade, permissions.withdraw) == (
        "yes",
        "unknown",
        "unknown",
    )
    fake.routes[ACCOUNTS] = reply_of({"result": "error", "error": "authenticationError"})
    with pytest.raises(CredentialsRefused):
        await exchanges.adapter("kraken").check_credentials(KEYS, *LINEAR)


async def test_no_other_failure_falls_back(
    exchanges: Exchanges, fake: Any, make_reply: Callable[..., Any], reply_of: Callable[..., Any]
) -> None:
    fake.routes = {ACCOUNTS: reply_of({"result": "success", "accounts": {}})}
    faults = [
        (make_reply(503), Unreachable),
        (make_reply(200, body=b"<html>"), BadPayload),
        (reply_of({"error": "unauthorized", "message": "?"}, 401), CredentialsRefused),
    ]
    for reply, error in faults:
        fake.routes[CHECK] = reply
        with pytest.raises(error):
            await exchanges.adapter("kraken").check_credentials(KEYS, *LINEAR)
    assert fake.asked(ACCOUNTS) == []


async def test_live_and_demo_are_two_hosts(http: HttpTransport) -> None:
    adapter = Exchanges(http).adapter("kraken")
    found = [
        adapter.endpoints(environment, None, ContractType.INVERSE) for environment in Environment
    ]
    assert [(endpoints.rest, endpoints.websocket) for endpoints in found] == [
        ("https://futures.kraken.com", "wss://futures.kraken.com/ws/v1"),
        ("https://demo-futures.kraken.com", "wss://demo-futures.kraken.com/ws/v1"),
    ]
