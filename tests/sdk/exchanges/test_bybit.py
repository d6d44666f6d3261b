import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from botkeys.exchanges import bybit
from botkeys.exchanges.errors import BadPayload, InvalidKey, NoEndpoint, RateLimited, Unreachable
from botkeys.exchanges.model import ContractType, Credentials, Environment
from botkeys.exchanges.parsing import read_json
from botkeys.exchanges.registry import Exchanges
from botkeys.sealing.secret import Secret
from botkeys.transport.client import HttpTransport, Request

VECTOR_TIME = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEYS = Credentials(Secret("k-test"), Secret("s-test"))
LINEAR = (Environment.LIVE, None, ContractType.LINEAR)
PAGE = "/v5/market/instruments-info?category=linear&limit=1000"


def signed(method: str, url: str, content: bytes = b"", secret: str = "s-test") -> Request:
    auth = bybit.BybitAuth(Credentials(Secret("k-test"), Secret(secret)), lambda: VECTOR_TIME)
    return next(auth.auth_flow(Request(method, url, content=content)))


def test_signatures_equal_those_of_an_independent_implementation(shared: Path) -> None:
    vectors = json.loads((shared / "signing-vectors.json").read_text())["bybit"]
    assert vectors
    for vector in vectors:
        request = signed(vector["method"], vector["url"])
        assert str(request.url) == vector["url"]
        for name, text in vector["headers"].items():
            if name.startswith("X-BAPI-"):
                assert request.headers[name] == text


def test_a_signature_is_that_of_the_documented_text() -> None:
    # printf %s '1700000000000k-test5000accountType=UNIFIED' | openssl dgst -sha256 -hmac s-test
    request = signed("GET", "https://bybit.example/v5/account/wallet-balance?accountType=UNIFIED")
    assert request.headers["X-BAPI-SIGN"] == (
        "7ab58340b91f6fd7c2f0acecec0ea09aaad240c611f1568a3907bc4babcf381c"
    )


def test_a_body_is_signed_in_place_of_a_query() -> None:
    bare, full = [signed("POST", "https://bybit.example/v5/a", body) for body in (b"", b"{}")]
    assert bare.headers["X-BAPI-SIGN"] != full.headers["X-BAPI-SIGN"]


def test_a_pem_secret_signs_with_its_private_key() -> None:
    key = generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    request = signed("GET", "https://bybit.example/v5/user/query-api?a=b", secret=pem)
    signature = base64.b64decode(request.headers["X-BAPI-SIGN"], validate=True)
    key.public_key().verify(signature, b"1700000000000k-test5000a=b", PKCS1v15(), SHA256())


def test_recordings_are_read(shared: Path, error_for: Callable[..., object]) -> None:
    files = {path.stem: path for path in (shared / "recorded").glob("bybit-*.json")}

    def recorded(name: str) -> object:
        return read_json(files.pop(f"bybit-{name}").read_bytes())

    rows, cursor = bybit.parse_page(recorded("instruments-linear"))
    (linear,) = bybit.parse_instruments(rows, ContractType.LINEAR)
    assert (linear.symbol, str(linear.max_leverage), cursor) == ("BTCUSDT", "100.00", None)
    rows, cursor = bybit.parse_page(recorded("instruments-linear-prelaunch"))
    assert cursor == "first%3DBIOUSDT%26last%3DBIOUSDT"
    with pytest.raises(BadPayload):  # its only row is not open yet
        bybit.parse_instruments(rows, ContractType.LINEAR)
    rows, _ = bybit.parse_page(recorded("instruments-inverse-synthetic"))
    inverse = bybit.parse_instruments(rows, ContractType.INVERSE)
    assert [(item.symbol, item.dated) for item in inverse] == [
        ("BTCUSD", False),
        ("BTCUSDM26", True),
    ]
    (ticker,) = bybit.parse_tickers(recorded("tickers-inverse"), ContractType.INVERSE)
    assert ticker.volume_24h == Decimal(13713832)
    (ticker,) = bybit.parse_tickers(recorded("tickers-linear-synthetic"), ContractType.LINEAR)
    assert ticker.volume_24h == Decimal("1570383121.943499")
    report = bybit.parse_key(recorded("query-api"))
    assert (report.permissions.trade, report.permissions.withdraw) == ("no", "no")
    assert (report.permissions.ip_restricted, report.expires_at) == ("yes", None)
    assert report.exchange_account == "1448939"
    invalid = files.pop("bybit-error-invalid-key-synthetic").read_bytes()
    assert error_for("bybit", 200, invalid) is InvalidKey
    # The account's margin mode, which is for bots and not read here.
    assert error_for("bybit", 200, files.pop("bybit-account-info").read_bytes()) is None
    assert not files


def key(**fields: object) -> object:
    return {"retCode": 0, "result": {"readOnly": 0, "userID": 7, **fields}}


TRADER = {"ContractTrade": ["Order", "Position"], "Derivatives": [], "Wallet": []}


@pytest.mark.parametrize(
    ("read_only", "permissions", "trade", "withdraw"),
    [
        (0, TRADER, "yes", "no"),
        ("0", TRADER, "yes", "no"),
        (1, TRADER, "no", "no"),
        (1, TRADER | {"Wallet": ["Withdraw"]}, "no", "no"),
        (None, TRADER, "unknown", "no"),
        (2, TRADER | {"Wallet": ["Withdraw"]}, "unknown", "unknown"),
        (0, TRADER | {"ContractTrade": [], "Derivatives": ["DerivativesTrade"]}, "yes", "no"),
        (0, TRADER | {"ContractTrade": ["Position"]}, "no", "no"),
        (0, TRADER | {"ContractTrade": ["Position", "Trade2"]}, "unknown", "no"),
        (0, TRADER | {"ContractTrade": [], "Derivatives": ["Trade2"]}, "unknown", "no"),
        (0, {"ContractTrade": [], "Wallet": ["AccountTransfer"]}, "unknown", "no"),
        (0, TRADER | {"Wallet": ["AccountTransfer", "Withdraw"]}, "yes", "yes"),
        (0, TRADER | {"Wallet": ["FastWithdraw"]}, "yes", "unknown"),
        (0, {}, "unknown", "unknown"),
        (0, "all", "unknown", "unknown"),
        (1, None, "no", "no"),
    ],
)
def test_permissions_are_read_and_never_guessed(
    read_only: object, permissions: object, trade: str, withdraw: str
) -> None:
    stated = bybit.parse_key(key(readOnly=read_only, permissions=permissions)).permissions
    assert (stated.trade, stated.withdraw) == (trade, withdraw)
    assert stated.read == "yes"


@pytest.mark.parametrize(
    ("addresses", "restricted"),
    [
        (["203.0.113.7"], "yes"),
        (["203.0.113.7", "*"], "yes"),
        (["*"], "no"),
        ([], "no"),
        ([7], "unknown"),
        ("*", "unknown"),
        (None, "unknown"),
    ],
)
def test_addresses_are_restricted_if_a_list_says_so(addresses: object, restricted: str) -> None:
    assert bybit.parse_key(key(ips=addresses)).permissions.ip_restricted == restricted


@pytest.mark.parametrize(
    ("fields", "expires_at"),
    [
        (
            {"deadlineDay": 83, "expiredAt": "2027-02-13T12:00:00Z"},
            datetime(2027, 2, 13, 12, tzinfo=UTC),
        ),
        ({"deadlineDay": -2, "expiredAt": "1970-01-01T00:00:00Z"}, None),
        ({"deadlineDay": 83}, None),
        ({"expiredAt": "soon"}, None),
    ],
)
def test_1970_is_no_end_of_a_key(fields: dict[str, object], expires_at: datetime | None) -> None:
    assert bybit.parse_key(key(**fields)).expires_at == expires_at


def test_the_exchange_account_is_the_users_id() -> None:
    assert bybit.parse_key(key()).exchange_account == "7"
    assert bybit.parse_key(key(userID=0, userIDInt64="8")).exchange_account == "8"
    assert bybit.parse_key(key(userID=0, userIDInt64="0")).exchange_account is None


async def test_every_page_is_followed_with_the_cursor_as_it_came(
    exchanges: Exchanges, fake: Any, sample: Callable[[str], Any], reply_of: Callable[..., Any]
) -> None:
    routes = sample("bybit")["routes"]
    fake.routes = {path: reply_of(answer) for path, answer in routes.items()}
    await exchanges.adapter("bybit").instruments(*LINEAR)
    cursor = "&cursor=first%3DBTCUSDT%26last%3DSOONUSDT"
    assert [request.target for request in fake.received] == [PAGE, PAGE + cursor]


@pytest.mark.parametrize("cursor", ["a=b&category=option", "a b#c", 'a"\\%'])
async def test_a_cursor_cannot_break_out_of_the_query(
    exchanges: Exchanges,
    fake: Any,
    sample: Callable[[str], Any],
    reply_of: Callable[..., Any],
    cursor: str,
) -> None:
    routes = sample("bybit")["routes"]
    page = routes[PAGE]
    page["result"]["nextPageCursor"] = cursor
    fake.routes = {PAGE: reply_of(page)}
    with pytest.raises(BadPayload):  # the second page does not exist here
        await exchanges.adapter("bybit").instruments(*LINEAR)
    assert fake.received[1].target.startswith(f"{PAGE}&cursor=")
    assert fake.received[1].target.count("&") == 2


async def test_pages_without_an_end_are_a_bad_answer(
    exchanges: Exchanges, fake: Any, sample: Callable[[str], Any], reply_of: Callable[..., Any]
) -> None:
    page = sample("bybit")["routes"][PAGE]
    fake.routes = {"/v5/market/instruments-info": reply_of(page)}
    with pytest.raises(BadPayload):
        await exchanges.adapter("bybit").instruments(*LINEAR)
    assert len(fake.received) == 2


async def test_a_page_that_fails_leaves_no_half_catalogue(
    exchanges: Exchanges,
    fake: Any,
    sample: Callable[[str], Any],
    reply_of: Callable[..., Any],
    make_reply: Callable[..., Any],
) -> None:
    page = sample("bybit")["routes"][PAGE]
    fake.routes = {PAGE: reply_of(page), "/v5/market/instruments-info": make_reply(503)}
    with pytest.raises(Unreachable):
        await exchanges.adapter("bybit").instruments(*LINEAR)


async def test_a_keys_own_limit_tells_when_it_is_full_again_and_holds_back_no_other_key(
    exchanges: Exchanges, fake: Any, make_reply: Callable[..., Any], sample: Callable[[str], Any]
) -> None:
    full_again = int(NOW.timestamp() * 1000) + 4_500
    limited = make_reply(
        body=b'{"retCode":10006,"retMsg":"Too many visits!","result":{}}',
        headers={"X-Bapi-Limit-Status": "0", "X-Bapi-Limit-Reset-Timestamp": str(full_again)},
    )
    good = json.dumps(sample("bybit")["routes"]["/v5/user/query-api"]).encode()
    adapter = exchanges.adapter("bybit")
    with fake.failing(limited), pytest.raises(RateLimited) as caught:
        await adapter.check_credentials(KEYS, *LINEAR)
    assert caught.value.retry_after == 4.5
    fake.routes = {"/v5/user/query-api": make_reply(body=good)}
    assert (await adapter.check_credentials(KEYS, *LINEAR)).permissions.trade == "yes"


async def test_a_ban_of_the_address_keeps_every_call_away(
    exchanges: Exchanges, fake: Any, make_reply: Callable[..., Any]
) -> None:
    adapter = exchanges.adapter("bybit")
    banned = make_reply(403, body=b"403, access too frequent. Please try again later.")
    with fake.failing(banned), pytest.raises(RateLimited) as caught:
        await adapter.tickers(*LINEAR)
    assert caught.value.retry_after == 600
    asked = len(fake.received)
    with pytest.raises(RateLimited) as caught:
        await adapter.check_credentials(KEYS, *LINEAR)
    assert caught.value.retry_after == pytest.approx(600, abs=5)
    assert len(fake.received) == asked


async def test_each_region_has_its_own_site_and_the_testnet_has_one(http: HttpTransport) -> None:
    adapter = Exchanges(http).adapter("bybit")

    def hosts(environment: Environment, region: str | None) -> tuple[str | None, str | None]:
        found = adapter.endpoints(environment, region, ContractType.INVERSE)
        return found.rest, found.websocket

    assert hosts(Environment.LIVE, None) == hosts(Environment.LIVE, "global")
    assert hosts(Environment.LIVE, None) == ("https://api.bybit.com", "wss://stream.bybit.com/v5")
    assert hosts(Environment.LIVE, "tr") == (
        "https://api.bybit-tr.com",
        "wss://stream.bybit-tr.com/v5",
    )
    assert hosts(Environment.LIVE, "eu") == ("https://api.bybit.eu", "wss://stream.bybit.eu/v5")
    testnet = ("https://api-testnet.bybit.com", "wss://stream-testnet.bybit.com/v5")
    assert {hosts(Environment.TESTNET, region) for region in (None, *bybit.REGIONS)} == {testnet}


async def test_demo_trading_is_a_region_of_the_testnet(http: HttpTransport) -> None:
    adapter = Exchanges(http).adapter("bybit")
    found = adapter.endpoints(Environment.TESTNET, "demo", ContractType.LINEAR)
    assert (found.rest, found.websocket) == (
        "https://api-demo.bybit.com",
        "wss://stream-demo.bybit.com/v5",
    )
    assert adapter.endpoints(Environment.LIVE, "demo", ContractType.LINEAR).rest is None
    with pytest.raises(NoEndpoint):
        await adapter.instruments(Environment.LIVE, "demo", ContractType.LINEAR)


async def test_the_host_of_demo_trading_can_be_set(http: HttpTransport) -> None:
    hosts = {"bybit": {"testnet": {"rest_demo": "https://demo.example"}}}
    adapter = Exchanges(http, hosts=hosts).adapter("bybit")
    demo, testnet = (
        adapter.endpoints(Environment.TESTNET, region, ContractType.LINEAR)
        for region in ("demo", None)
    )
    assert (demo.rest, testnet.rest) == ("https://demo.example", "https://api-testnet.bybit.com")
