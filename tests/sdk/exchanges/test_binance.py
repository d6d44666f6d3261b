import base64
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from botkeys.exchanges import binance, binance_account, binance_futures
from botkeys.exchanges.errors import BadPayload, CredentialsRefused, RateLimited, Unreachable
from botkeys.exchanges.model import (
    ContractType,
    CredentialReport,
    Credentials,
    Environment,
    Instrument,
    PermissionAnswer,
)
from botkeys.exchanges.parsing import read_json
from botkeys.exchanges.registry import Exchanges
from botkeys.sealing.secret import Secret
from botkeys.transport.client import Request

VECTOR_TIME = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
RESTRICTIONS = "/sapi/v1/account/apiRestrictions"
ACCOUNT = "/fapi/v1/accountConfig"
LEVERAGE = "/fapi/v1/leverageBracket"
REFUSED = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}
KEYS = Credentials(Secret("k-planted"), Secret("s-planted"))


def signed(url: str, secret: str, window: int = binance.RECEIVE_WINDOW_MS) -> Request:
    credentials = Credentials(Secret("k-test"), Secret(secret))
    auth = binance.BinanceAuth(credentials, lambda: VECTOR_TIME, window)
    return next(auth.auth_flow(Request("GET", url)))


def test_signatures_equal_those_of_an_independent_implementation(shared: Path) -> None:
    vectors = json.loads((shared / "signing-vectors.json").read_text())["binance"]
    assert vectors
    for vector in vectors:
        bare, _, query = vector["url"].partition("?")
        parameters = dict(part.split("=") for part in query.split("&"))
        window = int(parameters["recvWindow"])
        own = "&".join(
            f"{name}={text}"
            for name, text in parameters.items()
            if name not in {"timestamp", "recvWindow", "signature"}
        )
        request = signed(f"{bare}?{own}" if own else bare, vector["secret"], window)
        assert str(request.url) == vector["url"]
        assert request.headers["X-MBX-APIKEY"] == vector["api_key"]


def test_a_hash_signature_is_that_of_the_documented_text() -> None:
    # Computed with: printf %s TEXT | openssl dgst -sha256 -hmac s-test
    request = signed("https://fapi.example/fapi/v1/accountConfig", "s-test")
    assert request.url.query == (
        b"timestamp=1700000000000&recvWindow=10000"
        b"&signature=eead89d51c3575da4d2ba0ad07d437c79f55c7f350aa9e3fd9bac6c0da08ecd2"
    )


def test_a_pem_secret_signs_with_its_private_key() -> None:
    edwards = Ed25519PrivateKey.generate()
    rsa = generate_private_key(public_exponent=65537, key_size=2048)
    for key in (edwards, rsa):
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        query = signed("https://fapi.example/a?symbol=BTCUSDT", pem).url.query.decode()
        text, _, signature = query.partition("&signature=")
        raw = base64.b64decode(unquote(signature), validate=True)
        if isinstance(key, Ed25519PrivateKey):
            key.public_key().verify(raw, text.encode())
        else:
            key.public_key().verify(raw, text.encode(), PKCS1v15(), SHA256())
        assert not set("+/=") & set(signature)


def test_recordings_are_read(shared: Path) -> None:
    def recorded(name: str) -> object:
        return read_json((shared / "recorded" / f"binance-{name}.json").read_bytes())

    def instruments(name: str, kind: ContractType) -> Sequence[Instrument]:
        return binance_futures.parse_instruments(recorded(f"exchangeinfo-{name}"), kind)

    linear = instruments("fapi", ContractType.LINEAR)
    odd = instruments("fapi-odd-synthetic", ContractType.LINEAR)
    inverse = instruments("dapi", ContractType.INVERSE)
    dated = instruments("dapi-2021-dated", ContractType.INVERSE)
    assert (len(linear), len(inverse)) == (25, 24)
    assert [item.symbol for item in odd if not item.dated] == [
        "BTCUSDT",
        "BTCUSDC",
        "TSLAUSDT",
        "1000SHIBUSDT",
    ]
    assert [item.symbol for item in odd if item.dated] == ["BTCUSDT_261225"]
    assert not any(item.dated for item in (*linear, *inverse))
    assert {item.symbol[-7:] for item in dated if item.dated} == {"_210924", "_211231"}
    assert {item.symbol[-5:] for item in dated if not item.dated} == {"_PERP"}
    sizes = {item.symbol: item.contract_size for item in inverse}
    tickers = binance_futures.parse_inverse_tickers(recorded("ticker24hr-dapi"), sizes)
    assert (tickers[0].symbol, tickers[0].volume_24h) == ("BTCUSD_PERP", Decimal(4071702900))
    assert binance_futures.parse_linear_tickers(recorded("ticker24hr-fapi"))
    permissions, portfolio = binance_account.parse_restrictions(
        recorded("apirestrictions-synthetic")
    )
    assert (permissions.trade, permissions.ip_restricted) == (
        PermissionAnswer.YES,
        PermissionAnswer.YES,
    )
    assert portfolio is False
    assert binance_futures.parse_can_trade(recorded("accountconfig-fapi-synthetic")) is True
    assert (
        binance_futures.parse_leverage(recorded("leveragebracket-fapi-synthetic"))["BTCUSDT"] == 125
    )


@pytest.fixture
def world(sample: Callable[[str], Any], fake: Any, reply_of: Callable[..., Any]) -> Any:
    content = sample("binance")
    fake.routes = {path: reply_of(answer) for path, answer in content["routes"].items()}
    return fake


@pytest.fixture
def check(exchanges: Exchanges, world: Any) -> Callable[..., Any]:  # in place
    async def run(environment: Environment = Environment.LIVE) -> CredentialReport:
        adapter = exchanges.adapter("binance")
        return await adapter.check_credentials(KEYS, environment, None, ContractType.LINEAR)

    return run


async def test_the_maximum_leverage_is_learned_while_a_key_is_checked(
    check: Callable[..., Any], exchanges: Exchanges
) -> None:
    assert (await check()).max_leverage == {"BTCUSDT": 125, "1000SHIBUSDT": 75}
    inverse = await exchanges.adapter("binance").check_credentials(
        KEYS, Environment.TESTNET, None, ContractType.INVERSE
    )
    assert inverse.max_leverage == {"BTCUSD_PERP": 125}


async def test_a_check_without_the_leverage_table_is_a_check_all_the_same(
    check: Callable[..., Any], world: Any, reply_of: Callable[..., Any], make_reply: Any
) -> None:
    faults = (
        reply_of(REFUSED, 401),
        reply_of({"no": "list"}),
        make_reply(500),
        make_reply(body=b"<"),
        make_reply(body=b"{}", cut=1),
    )
    for fault in faults:
        world.routes[LEVERAGE] = fault
        report = await check()
        assert (report.permissions.trade, report.max_leverage) == (PermissionAnswer.YES, {})


async def test_the_test_environment_has_no_account_host_and_tells_no_permissions(
    check: Callable[..., Any], world: Any
) -> None:
    permissions = (await check(Environment.TESTNET)).permissions
    assert (permissions.trade, permissions.withdraw) == (
        PermissionAnswer.UNKNOWN,
        PermissionAnswer.UNKNOWN,
    )
    assert world.asked(RESTRICTIONS) == []


async def test_an_account_that_may_not_trade_makes_a_key_that_may_not(
    check: Callable[..., Any], world: Any, reply_of: Callable[..., Any]
) -> None:
    world.routes[ACCOUNT] = reply_of({"canTrade": False})
    for environment in Environment:
        assert (await check(environment)).permissions.trade is PermissionAnswer.NO


async def test_refused_by_the_account_host_is_refused_and_asks_no_further(
    check: Callable[..., Any], world: Any, reply_of: Callable[..., Any]
) -> None:
    world.routes[RESTRICTIONS] = reply_of(REFUSED, 401)
    with pytest.raises(CredentialsRefused) as caught:
        await check()
    assert caught.value.possible == ("invalid_key", "ip_not_allowed", "permission")
    assert world.asked(ACCOUNT) == []


@pytest.mark.parametrize(
    ("status", "error"), [(503, Unreachable), (429, RateLimited), (200, BadPayload)]
)
async def test_a_silent_account_host_leaves_the_check_undecided(
    check: Callable[..., Any], world: Any, make_reply: Any, status: int, error: type[Exception]
) -> None:
    world.routes[RESTRICTIONS] = make_reply(status, b"<html>")
    with pytest.raises(error):
        await check()


async def test_what_is_known_of_withdrawal_survives_a_dead_futures_host(
    check: Callable[..., Any], world: Any, reply_of: Callable[..., Any], make_reply: Any
) -> None:
    world.routes[RESTRICTIONS] = reply_of(
        {"enableReading": True, "enableFutures": True, "enableWithdrawals": True}
    )
    for fault in (make_reply(503), make_reply(body=b"<html>"), make_reply(body=b"{}", cut=1)):
        world.routes[ACCOUNT] = world.routes[LEVERAGE] = fault
        permissions = (await check()).permissions
        assert permissions.withdraw is PermissionAnswer.YES
        assert permissions.trade is PermissionAnswer.UNKNOWN


async def test_a_valid_key_that_the_futures_host_refuses_is_a_key_that_may_not_trade(
    check: Callable[..., Any], world: Any, reply_of: Callable[..., Any]
) -> None:
    world.routes[ACCOUNT] = world.routes[LEVERAGE] = reply_of(REFUSED, 401)
    assert (await check()).permissions.trade is PermissionAnswer.NO
    world.routes[ACCOUNT] = reply_of({"code": -1021, "msg": "late"}, 400)
    assert (await check()).permissions.trade is PermissionAnswer.UNKNOWN


async def test_a_key_without_the_futures_right_is_taken_as_one_that_may_not_trade(
    check: Callable[..., Any], world: Any, reply_of: Callable[..., Any]
) -> None:
    world.routes[RESTRICTIONS] = reply_of({"enableReading": True, "enableFutures": False})
    world.routes[ACCOUNT] = reply_of(REFUSED, 401)
    permissions = (await check()).permissions
    assert (permissions.read, permissions.trade) == (PermissionAnswer.YES, PermissionAnswer.NO)


@pytest.mark.parametrize(
    ("flags", "trade", "ip_restricted", "portfolio"),
    [
        ({"enableFutures": True, "ipRestrict": True}, "yes", "yes", False),
        ({"enableFutures": True}, "yes", "unknown", False),
        ({"enableFutures": "true", "enableReading": True}, "unknown", "unknown", False),
        ({"enableFutures": 1, "enableReading": True}, "unknown", "unknown", False),
        ({"enableReading": True}, "unknown", "unknown", False),
        (
            {"enableFutures": False, "enablePortfolioMarginTrading": True},
            "unknown",
            "unknown",
            True,
        ),
        ({"enableFutures": True, "enablePortfolioMarginTrading": 1}, "yes", "unknown", False),
    ],
)
def test_permissions_are_read_and_never_guessed(
    flags: dict[str, object], trade: str, ip_restricted: str, *, portfolio: bool
) -> None:
    permissions, on_portfolio = binance_account.parse_restrictions(flags)
    assert permissions.trade == trade
    assert permissions.ip_restricted == ip_restricted
    assert permissions.withdraw is PermissionAnswer.UNKNOWN
    assert on_portfolio is portfolio


@pytest.mark.parametrize("lapses_at", [1, 1_700_000_000_000, 4_000_000_000_000, 0, "x"])
async def test_the_end_of_spot_trading_is_no_end_of_the_key(
    check: Callable[..., Any], world: Any, reply_of: Callable[..., Any], lapses_at: object
) -> None:
    flags = {"enableReading": True, "enableFutures": True, "ipRestrict": False}
    world.routes[RESTRICTIONS] = reply_of({**flags, "tradingAuthorityExpirationTime": lapses_at})
    report = await check()
    assert (report.permissions.trade, report.expires_at) == (PermissionAnswer.YES, None)


PORTFOLIO = {
    "enableReading": True,
    "enableFutures": False,
    "enablePortfolioMarginTrading": True,
    "enableWithdrawals": False,
    "ipRestrict": True,
}


@pytest.mark.parametrize(
    ("answer", "status", "trade"),
    [
        ({"canTrade": True}, 200, "yes"),
        ({"canTrade": False}, 200, "no"),
        ({"assets": []}, 200, "unknown"),
        (REFUSED, 401, "unknown"),
        ({}, 503, "unknown"),
    ],
)
async def test_a_portfolio_margin_account_is_asked_on_its_own_host(
    check: Callable[..., Any],
    world: Any,
    reply_of: Callable[..., Any],
    answer: object,
    status: int,
    trade: str,
) -> None:
    world.routes[RESTRICTIONS] = reply_of(PORTFOLIO)
    world.routes["/papi/v1/um/leverageBracket"] = world.routes[LEVERAGE]
    world.routes[ACCOUNT] = world.routes[LEVERAGE] = reply_of(REFUSED, 401)
    world.routes["/papi/v1/um/accountConfig"] = reply_of(answer, status)
    report = await check()
    assert report.permissions.trade == trade
    assert report.permissions.withdraw is PermissionAnswer.NO
    assert ("BTCUSDT" in report.max_leverage) is (status == 200)


async def test_an_account_without_portfolio_margin_is_not_asked_there(
    check: Callable[..., Any], world: Any
) -> None:
    await check()
    assert not [request for request in world.received if request.path.startswith("/papi/")]


@pytest.mark.parametrize(
    ("answer", "status", "account"),
    [
        ({"uid": 354937868, "balances": []}, 200, "354937868"),
        ({"balances": []}, 200, None),
        (REFUSED, 401, None),
        ({}, 500, None),
    ],
)
async def test_the_spot_account_tells_which_exchange_account_it_is(
    check: Callable[..., Any],
    world: Any,
    reply_of: Callable[..., Any],
    answer: object,
    status: int,
    account: str | None,
) -> None:
    world.routes["/api/v3/account"] = reply_of(answer, status)
    report = await check()
    assert report.exchange_account == account
    assert report.permissions.trade is PermissionAnswer.YES


def test_a_permission_answer_without_any_known_flag_is_no_answer() -> None:
    with pytest.raises(BadPayload):
        binance_account.parse_restrictions({"code": 0})


async def test_each_environment_and_contract_type_has_its_own_hosts(http: Any) -> None:
    adapter = Exchanges(http).adapter("binance")
    rest = {
        (environment, kind): adapter.endpoints(environment, None, kind).rest
        for environment in Environment
        for kind in ContractType
    }
    assert rest == {
        (Environment.LIVE, ContractType.LINEAR): "https://fapi.binance.com",
        (Environment.LIVE, ContractType.INVERSE): "https://dapi.binance.com",
        (Environment.TESTNET, ContractType.LINEAR): "https://demo-fapi.binance.com",
        (Environment.TESTNET, ContractType.INVERSE): "https://demo-dapi.binance.com",
    }
