import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from botkeys.exchanges import kucoin
from botkeys.exchanges.errors import (
    BadPayload,
    BadSignature,
    ClockSkew,
    InvalidKey,
    IpNotAllowed,
    NoEndpoint,
    PassphraseRefused,
    PermissionRefused,
    RateLimited,
)
from botkeys.exchanges.model import ContractType, Credentials, Environment
from botkeys.exchanges.parsing import read_json
from botkeys.exchanges.registry import Exchanges
from botkeys.sealing.secret import Secret
from botkeys.transport.client import HttpTransport, Request

VECTOR_TIME = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
KEYS = Credentials(Secret("k-test"), Secret("s-test"), Secret("p-test"))
LINEAR = (Environment.LIVE, None, ContractType.LINEAR)
CONTRACTS = "/api/v1/contracts/active"
KEY = "/api/v1/user/api-key"


def signed(method: str, url: str, content: bytes = b"", version: str = "3") -> Request:
    auth = kucoin.KucoinAuth(KEYS, lambda: VECTOR_TIME, version)
    return next(auth.auth_flow(Request(method, url, content=content)))


def test_signatures_equal_those_of_an_independent_implementation(shared: Path) -> None:
    vectors = json.loads((shared / "signing-vectors.json").read_text())["kucoin"]
    assert vectors
    for vector in vectors:
        request = signed(vector["method"], vector["url"], version="2")
        assert str(request.url) == vector["url"]
        for name, text in vector["headers"].items():
            assert request.headers[name] == text


def test_a_signature_is_that_of_the_documented_text_whatever_the_version() -> None:
    # printf %s '1700000000000GET/api/v1/user/api-key' |
    #     openssl dgst -sha256 -hmac s-test -binary | base64; the same of p-test
    for version in ("2", "3"):
        headers = signed("GET", f"https://kucoin.example{KEY}", version=version).headers
        assert headers["KC-API-SIGN"] == "ldHoX+s5YjAt27cej0x40IbtHB/OGTHSAsPbu7GkY8c="
        assert headers["KC-API-PASSPHRASE"] == "ZSly3lTtERVT1SAlQXbRJEbeC2IfVDewM2KLHWOKnYk="
        assert headers["KC-API-KEY-VERSION"] == version


def test_the_body_is_signed_too_and_the_passphrase_is_never_sent() -> None:
    bare, full = [signed("POST", "https://kucoin.example/a", body) for body in (b"", b"{}")]
    assert bare.headers["KC-API-SIGN"] != full.headers["KC-API-SIGN"]
    assert "p-test" not in str(full.headers)


def test_recordings_are_read(shared: Path, error_for: Callable[..., object]) -> None:
    files = {path.stem: path for path in (shared / "recorded").glob("kucoin-*.json")}

    def recorded(name: str) -> Any:
        return read_json(files.pop(f"kucoin-{name}").read_bytes())

    (linear,) = kucoin.parse_instruments(recorded("contracts-active"), ContractType.LINEAR)
    assert (linear.symbol, linear.base, linear.contract_size) == (
        "XBTUSDTM",
        "BTC",
        Decimal("0.001"),
    )
    assert (str(linear.max_leverage), len(linear.margin_modes)) == ("125", 2)
    old = recorded("contracts-active-2022")
    (inverse,) = kucoin.parse_instruments(old, ContractType.INVERSE)
    assert (int(inverse.contract_size), *inverse.margin_modes) == (1, "isolated")
    volumes = {ticker.symbol: ticker.volume_24h for ticker in kucoin.parse_tickers(old)}
    assert volumes == {"XBTUSDTM": Decimal("751931474.3287792"), "XBTUSDM": 14215097}
    report = kucoin.parse_key(recorded("user-api-key"))
    assert (report.permissions.trade, report.permissions.withdraw) == ("yes", "yes")
    assert (report.permissions.ip_restricted, report.exchange_account) == ("yes", "165111215")
    assert [
        error_for("kucoin", answer["http"], json.dumps(answer["body"]).encode())
        for answer in recorded("errors-synthetic")
    ] == [
        InvalidKey,
        BadSignature,
        PassphraseRefused,
        ClockSkew,
        IpNotAllowed,
        PermissionRefused,
        RateLimited,
    ]
    # Prices without volumes, balances and leverage by size: other calls return what is needed.
    for unread in ("alltickers", "account-overview", "risk-limit"):
        assert error_for("kucoin", 200, files.pop(f"kucoin-{unread}").read_bytes()) is None
    assert not files


def key(**fields: object) -> object:
    return {"code": "200000", "data": {"uid": 7, **fields}}


@pytest.mark.parametrize(
    ("permission", "trade", "withdraw"),
    [
        ("General,Futures", "yes", "no"),
        ("general, futures ", "yes", "no"),
        ("General", "no", "no"),
        ("General,Spot,Margin,InnerTransfer,Earn,FlexTransfers", "no", "no"),
        ("General,Futures,Transfer", "yes", "yes"),
        ("General,Withdrawal", "no", "yes"),
        ("General,Futures,Options", "yes", "unknown"),
        ("General,Options", "unknown", "unknown"),
        ("", "unknown", "unknown"),
    ],
)
def test_permissions_are_read_and_never_guessed(permission: str, trade: str, withdraw: str) -> None:
    permissions = kucoin.parse_key(key(permission=permission)).permissions
    assert (permissions.trade, permissions.withdraw) == (trade, withdraw)
    assert permissions.read == "yes"


@pytest.mark.parametrize("permission", [None, 7, ["Futures"]])
def test_a_key_without_permissions_is_no_answer(permission: object) -> None:
    with pytest.raises(BadPayload):
        kucoin.parse_key(key(permission=permission))


@pytest.mark.parametrize(
    ("fields", "restricted"),
    [
        ({"ipWhitelist": "203.**.154,103.**.34"}, "yes"),
        ({"ipWhitelist": ""}, "no"),
        ({"ipWhitelist": " , "}, "no"),
        ({"ipWhitelist": None}, "no"),
        ({}, "no"),
        ({"ipWhitelist": ["203.0.113.7"]}, "unknown"),
        ({"ipWhitelist": True}, "unknown"),
    ],
)
def test_addresses_are_restricted_if_a_list_says_so(
    fields: dict[str, object], restricted: str
) -> None:
    stated = kucoin.parse_key(key(permission="General", **fields)).permissions
    assert stated.ip_restricted == restricted


def contracts(sample: Callable[[str], Any]) -> object:
    return read_json(json.dumps(sample("kucoin")["routes"][CONTRACTS]).encode())


def test_cross_margin_is_offered_where_the_contract_says_so(sample: Callable[[str], Any]) -> None:
    listed = kucoin.parse_instruments(contracts(sample), ContractType.LINEAR)
    modes = {item.symbol: [mode.value for mode in item.margin_modes] for item in listed}
    assert modes == {
        "XBTUSDTM": ["cross", "isolated"],
        "PEPEUSDTM": ["isolated"],
        "ETHUSDCM": ["cross", "isolated"],
    }
    assert {item.symbol for item in listed if item.max_leverage is None} == {"ETHUSDCM"}


def test_dated_contracts_are_apart_and_closed_ones_left_out(sample: Callable[[str], Any]) -> None:
    payload = contracts(sample)
    found = {
        item.symbol: item
        for kind in ContractType
        for item in kucoin.parse_instruments(payload, kind)
    }
    dated = {symbol for symbol, item in found.items() if item.dated}
    assert found.keys() - dated == {"XBTUSDTM", "PEPEUSDTM", "ETHUSDCM", "XBTUSDM"}
    assert dated == {"XBTMZ26"}


@pytest.fixture
def versions_asked(fake: Any) -> Callable[[], list[str]]:
    return lambda: [request.headers["kc-api-key-version"] for request in fake.asked(KEY)]


async def test_a_key_of_the_older_version_is_found_out_and_remembered(
    exchanges: Exchanges,
    fake: Any,
    sample: Callable[[str], Any],
    reply_of: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    versions_asked: Callable[[], list[str]],
) -> None:
    good = reply_of(sample("kucoin")["routes"][KEY])
    refused = reply_of({"code": "400004", "msg": "?"}, 401)
    monkeypatch.setattr(
        fake,
        "reply",
        lambda request: good if request.headers["kc-api-key-version"] == "2" else refused,
    )
    adapter = exchanges.adapter("kucoin")
    for _ in range(2):
        report = await adapter.check_credentials(KEYS, *LINEAR)
        assert report.permissions.trade == "yes"
    assert versions_asked() == ["3", "2", "2"]
    assert b"k-test" not in repr(vars(adapter)).encode()


async def test_a_wrong_passphrase_is_refused_after_both_versions_and_nothing_is_remembered(
    exchanges: Exchanges,
    fake: Any,
    reply_of: Callable[..., Any],
    versions_asked: Callable[[], list[str]],
) -> None:
    fake.routes = {KEY: reply_of({"code": "400004", "msg": "?"}, 401)}
    for _ in range(2):
        with pytest.raises(PassphraseRefused):
            await exchanges.adapter("kucoin").check_credentials(KEYS, *LINEAR)
    assert versions_asked() == ["3", "2"] * 2


async def test_no_other_refusal_is_asked_twice(
    exchanges: Exchanges,
    fake: Any,
    reply_of: Callable[..., Any],
    versions_asked: Callable[[], list[str]],
) -> None:
    fake.routes = {KEY: reply_of({"code": "400003", "msg": "?"}, 401)}
    with pytest.raises(InvalidKey):
        await exchanges.adapter("kucoin").check_credentials(KEYS, *LINEAR)
    assert versions_asked() == ["3"]


def test_only_so_many_older_keys_are_remembered() -> None:
    older = kucoin._OlderKeys()
    for number in range(kucoin._REMEMBERED + 1):
        older.remember(Secret(f"k-{number}"))
    assert older.version(Secret("k-0")) == "3"
    assert older.version(Secret(f"k-{kucoin._REMEMBERED}")) == "2"


async def test_a_spent_public_share_waits_until_it_is_full_again_and_a_check_does_not(
    exchanges: Exchanges, fake: Any, sample: Callable[[str], Any], make_reply: Callable[..., Any]
) -> None:
    routes = sample("kucoin")["routes"]
    spent = {"gw-ratelimit-remaining": "2", "gw-ratelimit-reset": "25000"}
    fake.routes = {
        path: make_reply(body=json.dumps(answer).encode(), headers=spent)
        for path, answer in routes.items()
    }
    adapter = exchanges.adapter("kucoin")
    for _ in range(2):  # a key's own share is separate
        await adapter.check_credentials(KEYS, *LINEAR)
    assert await adapter.tickers(*LINEAR)
    with pytest.raises(RateLimited) as caught:
        await adapter.tickers(*LINEAR)
    assert caught.value.retry_after == pytest.approx(25, abs=2)
    await adapter.check_credentials(KEYS, *LINEAR)
    assert len(fake.asked(CONTRACTS)) == 1


async def test_a_rate_limit_tells_in_milliseconds_when_it_ends(
    exchanges: Exchanges, fake: Any, make_reply: Callable[..., Any]
) -> None:
    body = b'{"code":"429000","msg":"Too many requests"}'
    limited = make_reply(429, body=body, headers={"gw-ratelimit-reset": "1500"})
    with fake.failing(limited), pytest.raises(RateLimited) as caught:
        await exchanges.adapter("kucoin").check_credentials(KEYS, *LINEAR)
    assert caught.value.retry_after == 1.5


async def test_the_test_environment_has_no_host_until_one_is_set(http: HttpTransport) -> None:
    place = (Environment.TESTNET, None, ContractType.LINEAR)
    adapter = Exchanges(http).adapter("kucoin")
    with pytest.raises(NoEndpoint):
        await adapter.instruments(*place)
    with pytest.raises(NoEndpoint):
        await adapter.check_credentials(KEYS, *place)
    live = adapter.endpoints(*LINEAR)
    assert (live.rest, live.websocket) == ("https://api-futures.kucoin.com", None)
    hosts = {"kucoin": {"testnet": {"rest": "https://sandbox.example"}}}
    found = Exchanges(http, hosts=hosts).adapter("kucoin").endpoints(*place)
    assert found.rest == "https://sandbox.example"
