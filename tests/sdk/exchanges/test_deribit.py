import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings

from botkeys import base64url
from botkeys.exchanges import deribit
from botkeys.exchanges.errors import BadPayload, CredentialsRefused
from botkeys.exchanges.model import ContractType, CredentialReport, Credentials, Environment
from botkeys.exchanges.parsing import read_json
from botkeys.exchanges.registry import Exchanges
from botkeys.sealing.secret import Secret
from botkeys.transport.client import Request
from tests.support.any_json import any_json

VECTOR_TIME = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
KEYS = Credentials(Secret("k-test"), Secret("s-test"))
LOGIN = "/api/v2/public/auth"
ACCOUNT = "/api/v2/private/get_account_summaries"
BOOKS = "/api/v2/public/get_book_summary_by_currency"


def signed(method: str, url: str, content: bytes = b"", nonce: str = "1700000000000") -> Request:
    auth = deribit.DeribitAuth(KEYS, lambda: VECTOR_TIME, lambda: nonce)
    return next(auth.auth_flow(Request(method, url, content=content)))


def test_signatures_equal_those_of_an_independent_implementation(shared: Path) -> None:
    vectors = json.loads((shared / "signing-vectors.json").read_text())["deribit"]
    assert vectors
    for vector in vectors:
        assert vector["secret"] == "s-test"
        request = signed(vector["method"], vector["url"])
        assert str(request.url) == vector["url"]
        for name, text in vector["headers"].items():
            assert request.headers[name] == text
        assert request.content.decode() == (vector["body"] or "")


def test_a_signature_is_that_of_the_documented_text() -> None:
    # printf '1700000000000\nn\nGET\n/api/v2/private/a?b=c\n\n' | openssl dgst -sha256 -hmac s-test
    request = signed("GET", "https://deribit.example/api/v2/private/a?b=c", nonce="n")
    assert request.headers["Authorization"] == (
        "deri-hmac-sha256 id=k-test,ts=1700000000000,"
        "sig=4ab9922ffad98f3e3121c1170bc771b7f8a88c37f78be7211cd3c29ea7d43873,nonce=n"
    )


def test_the_body_is_signed_too() -> None:
    url = "https://deribit.example/api/v2/private/a"
    bare, full = signed("POST", url), signed("POST", url, b'{"a":1}')
    assert bare.headers["Authorization"] != full.headers["Authorization"]


def test_every_signature_has_a_nonce_of_its_own() -> None:
    auth = deribit.DeribitAuth(KEYS, lambda: VECTOR_TIME)
    url = "https://deribit.example/api/v2/private/a"
    signatures = {
        next(auth.auth_flow(Request("GET", url))).headers["Authorization"] for _ in range(20)
    }
    assert len(signatures) == 20


def test_a_login_keeps_the_times_of_its_request_and_sends_no_secret() -> None:
    auth = deribit.DeribitAuth(KEYS, lambda: VECTOR_TIME)
    request = Request("POST", f"https://d.example{LOGIN}", extensions={"timeout": {"read": 7}})
    sent = next(auth.auth_flow(request))
    assert sent.extensions["timeout"] == {"read": 7}
    assert sent.headers["content-length"] == str(len(sent.content))
    assert b"s-test" not in sent.content
    assert "Authorization" not in sent.headers


EDWARDS_PEM = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
"""


def login_of(pem: str) -> dict[str, Any]:
    keys = Credentials(Secret("k-test"), Secret(pem))
    auth = deribit.DeribitAuth(keys, lambda: VECTOR_TIME, lambda: "n")
    sent = next(auth.auth_flow(Request("POST", f"https://d.example{LOGIN}")))
    parameters: dict[str, Any] = json.loads(sent.content)["params"]
    return parameters


def test_a_login_with_an_ed25519_key_is_signed_as_documented() -> None:
    # One key and text have one signature (RFC 8032), which OpenSSL gives too:
    # printf '1700000000000\nn\n' > text; openssl pkeyutl -sign -rawin -inkey key.pem -in text |
    #     base64 -w0 | tr '+/' '-_' | tr -d =
    stated = login_of(EDWARDS_PEM)
    assert (stated["grant_type"], stated["timestamp"], stated["nonce"], stated["data"]) == (
        "client_signature",
        1_700_000_000_000,
        "n",
        "",
    )
    assert (
        stated["signature"]
        == "BBPaU9cGzTETUjAEaT0IuuU7t9ryj2j_qwowwCsMj5KUOimmvMI4ZC5JD-yP4QutIz4IquyOKMXwfrUB8RbSAg"
    )


def test_a_login_with_an_rsa_key_is_signed_with_its_private_half() -> None:
    key = generate_rsa(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    signature = base64url.decode(login_of(pem)["signature"])
    assert signature is not None
    key.public_key().verify(signature, b"1700000000000\nn\n", PKCS1v15(), SHA256())


async def test_a_key_with_a_private_half_asks_for_its_account_with_the_token_of_its_login(
    exchanges: Exchanges, world: Any
) -> None:
    """Deribit takes no signature but the login's from such keys."""
    report = await check(exchanges, Credentials(Secret("k"), Secret(EDWARDS_PEM)))
    assert report.exchange_account is not None
    (asked,) = world.asked(ACCOUNT)
    assert asked.headers["authorization"] == "Bearer t"


@pytest.mark.parametrize("token", [None, "", 7, "a b", "a\r\nHost: x", "é"])
async def test_a_login_without_a_usable_token_leaves_the_account_unknown(
    exchanges: Exchanges, world: Any, reply_of: Callable[..., Any], token: object
) -> None:
    answer = json.loads(world.routes[LOGIN].body)
    answer["result"]["access_token"] = token
    world.routes[LOGIN] = reply_of(answer)
    report = await check(exchanges, Credentials(Secret("k"), Secret(EDWARDS_PEM)))
    assert (report.permissions.read, report.exchange_account) == ("yes", None)
    assert world.asked(ACCOUNT) == []


def test_recordings_are_read(shared: Path) -> None:
    def recorded(name: str) -> object:
        return read_json((shared / "recorded" / f"deribit-{name}.json").read_bytes())

    def symbols(name: str, kind: ContractType) -> list[str]:
        return [item.symbol for item in deribit.parse_instruments(recorded(name), kind)]

    inverse = deribit.parse_instruments(recorded("instruments"), ContractType.INVERSE)
    assert [(item.symbol, item.dated) for item in inverse] == [
        ("BTC-PERPETUAL", False),
        ("BTC-27DEC24", True),
    ]
    assert symbols("instruments-docs", ContractType.INVERSE) == ["BTC-29SEP23", "BTC-PERPETUAL"]
    assert symbols("instruments-usdc-synthetic", ContractType.LINEAR) == ["BTC_USDC-PERPETUAL"]
    with pytest.raises(BadPayload):
        deribit.parse_instruments(recorded("instruments"), ContractType.LINEAR)
    perpetual = frozenset({"BTC-PERPETUAL"})
    (ticker,) = deribit.parse_tickers([recorded("book-summary")], perpetual)
    assert (str(ticker.price), str(ticker.volume_24h)) == ("29698.0", "223275080.0")
    stated = deribit.parse_login(recorded("auth-scope-synthetic"))
    assert (stated.read, stated.trade, stated.withdraw) == ("yes", "yes", "no")
    assert set(vars_of(deribit.parse_login(recorded("auth")))) == {"unknown"}


async def test_the_recorded_refusal_is_one_and_the_list_of_keys_is_no_login(
    shared: Path, exchanges: Exchanges, fake: Any, make_reply: Callable[..., Any]
) -> None:
    """`private/list_api_keys` needs a second factor, so no adapter calls it."""
    recorded = shared / "recorded"
    refusal = (recorded / "deribit-error-invalid-credentials-synthetic.json").read_bytes()
    fake.routes[LOGIN] = make_reply(400, refusal)
    with pytest.raises(CredentialsRefused) as caught:
        await check(exchanges)
    assert "invalid_key" in caught.value.possible
    keys = read_json((recorded / "deribit-list-api-keys.json").read_bytes())
    with pytest.raises(BadPayload):
        deribit.parse_login(keys)


def vars_of(permissions: Any) -> list[str]:
    return [
        permissions.read,
        permissions.trade,
        permissions.withdraw,
        permissions.ip_restricted,
    ]


@pytest.mark.parametrize(
    ("scope", "stated"),
    [
        ("account:read trade:read_write wallet:none", ["yes", "yes", "no", "unknown"]),
        ("account:read_write trade:read wallet:read", ["yes", "no", "no", "unknown"]),
        (
            "trade:read_write wallet:read_write account:read",
            ["yes", "yes", "yes", "unknown"],
        ),
        ("trade:read_write connection mainaccount", ["no", "yes", "no", "unknown"]),
        ("account:read block_trade:read_write", ["no", "no", "no", "unknown"]),
        ("account:read trade:all wallet:none", ["unknown", "unknown", "no", "unknown"]),
        ("account:some trade:none wallet:some", ["no", "no", "unknown", "unknown"]),
        ("connection mainaccount", ["unknown", "unknown", "unknown", "unknown"]),
        ("", ["unknown", "unknown", "unknown", "unknown"]),
        (": :read account:", ["no", "no", "no", "unknown"]),
    ],
)
def test_the_scope_is_read_and_never_guessed(scope: str, stated: list[str]) -> None:
    assert vars_of(deribit.parse_login({"result": {"scope": scope}})) == stated


@pytest.fixture
def world(sample: Callable[[str], Any], fake: Any, reply_of: Callable[..., Any]) -> Any:
    routes = sample("deribit")["routes"]
    fake.routes = {path: reply_of(answer) for path, answer in routes.items()}
    return fake


async def check(exchanges: Exchanges, keys: Credentials = KEYS) -> CredentialReport:
    adapter = exchanges.adapter("deribit")
    return await adapter.check_credentials(keys, Environment.LIVE, None, ContractType.LINEAR)


async def test_a_check_logs_in_by_signature_and_tells_the_account(
    exchanges: Exchanges, world: Any
) -> None:
    report = await check(exchanges)
    assert report.exchange_account == "1234"
    (login,) = world.asked(LOGIN)
    sent = json.loads(login.body)
    assert login.method == "POST"
    assert sent["params"]["grant_type"] == "client_signature"
    assert sent["params"]["client_id"] == "k-test"
    (account,) = world.asked(ACCOUNT)
    assert account.headers["authorization"].startswith("deri-hmac-sha256 id=k-test,")


async def test_a_login_decides_alone_whether_the_key_is_taken(
    exchanges: Exchanges, world: Any, make_reply: Callable[..., Any], reply_of: Callable[..., Any]
) -> None:
    refused = {"jsonrpc": "2.0", "error": {"code": 13021, "message": "forbidden"}}
    for fault in (make_reply(503), make_reply(body=b"<html>"), reply_of(refused, 403)):
        world.routes[f"{ACCOUNT}?extended=true"] = fault
        report = await check(exchanges)
        assert (report.exchange_account, report.permissions.trade) == (None, "yes")


async def test_a_key_that_may_not_read_is_not_asked_for_its_account(
    exchanges: Exchanges, world: Any, reply_of: Callable[..., Any]
) -> None:
    world.routes[LOGIN] = reply_of({"result": {"scope": "trade:read_write"}})
    assert (await check(exchanges)).exchange_account is None
    assert world.asked(ACCOUNT) == []


@pytest.mark.parametrize(
    ("kind", "currencies"),
    [(ContractType.LINEAR, ["USDC", "USDT"]), (ContractType.INVERSE, ["BTC", "ETH"])],
)
async def test_prices_are_asked_for_once_for_each_settlement_currency(
    exchanges: Exchanges, world: Any, kind: ContractType, currencies: list[str]
) -> None:
    tickers = await exchanges.adapter("deribit").tickers(Environment.LIVE, None, kind)
    asked = sorted(request.target.rpartition("=")[2] for request in world.asked(BOOKS))
    assert asked == currencies
    assert "BTC-25DEC26" not in [ticker.symbol for ticker in tickers]


async def test_a_contract_that_was_never_traded_has_no_price(
    exchanges: Exchanges, world: Any
) -> None:
    assert world.routes
    adapter = exchanges.adapter("deribit")
    tickers = await adapter.tickers(Environment.LIVE, None, ContractType.INVERSE)
    found = {ticker.symbol: ticker for ticker in tickers}
    assert (found["ETH-PERPETUAL"].price, found["ETH-PERPETUAL"].volume_24h) == (None, None)


async def test_each_environment_has_its_own_hosts(http: Any) -> None:
    adapter = Exchanges(http).adapter("deribit")
    for kind in ContractType:
        live = adapter.endpoints(Environment.LIVE, None, kind)
        test = adapter.endpoints(Environment.TESTNET, None, kind)
        assert live.rest == "https://www.deribit.com"
        assert live.websocket == "wss://www.deribit.com/ws/api/v2"
        assert test.rest == "https://test.deribit.com"
        assert test.websocket == "wss://test.deribit.com/ws/api/v2"


ANYTHING = any_json(
    names=(
        "result",
        "instrument_name",
        "kind",
        "settlement_period",
        "instrument_type",
        "is_active",
        "state",
        "tick_size",
        "min_trade_amount",
        "max_leverage",
        "id",
        "last",
        "volume_notional",
        "scope",
        "base_currency",
        "quote_currency",
        "settlement_currency",
    ),
    words=("future", "perpetual", "linear", "reversed", "open", "BTC", "account:read", "a:b"),
)


@given(ANYTHING)
@settings(max_examples=75, deadline=None, suppress_health_check=list(HealthCheck))
def test_arbitrary_json_never_raises_anything_but_bad_payload(payload: object) -> None:
    for shaped in (payload, {"result": payload}, {"result": [payload]}):
        for parse in (
            lambda value: deribit.parse_instruments(value, ContractType.LINEAR),
            lambda value: deribit.parse_instruments(value, ContractType.INVERSE),
            lambda value: deribit.parse_tickers([value], frozenset({"BTC"})),
            deribit.parse_login,
            deribit.parse_account,
        ):
            with suppress(BadPayload):
                parse(shaped)
