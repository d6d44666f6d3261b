import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from botkeys.exchanges import woox
from botkeys.exchanges.errors import BadPayload, ExchangeError
from botkeys.exchanges.model import ContractType, CredentialReport, Credentials, Environment
from botkeys.exchanges.parsing import read_json
from botkeys.exchanges.registry import Exchanges
from botkeys.sealing.secret import Secret
from botkeys.transport.client import Request
from tests.support.any_json import any_json

VECTOR_TIME = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
KEYS = Credentials(Secret("k-test"), Secret("s-test"))
PLANTED = Credentials(Secret("k-planted"), Secret("s-planted"))
INFO, CREDENTIALS = "/v3/account/info", "/v3/account/credentials"
INSTRUMENTS, SYMBOL = "/v3/public/instruments", "/v3/account/symbolConfig"


def signed(method: str, url: str, content: bytes = b"") -> Request:
    auth = woox.WooxAuth(KEYS, lambda: VECTOR_TIME)
    return next(auth.auth_flow(Request(method, url, content=content)))


def test_signatures_equal_those_of_an_independent_implementation(shared: Path) -> None:
    vectors = json.loads((shared / "signing-vectors.json").read_text())["woox"]
    assert vectors
    for vector in vectors:
        assert vector["secret"] == "s-test"
        request = signed(vector["method"], vector["url"])
        assert str(request.url) == vector["url"]
        for name, text in vector["headers"].items():
            assert request.headers[name] == text


def test_a_signature_is_that_of_the_documented_text() -> None:
    # printf %s '1700000000000POST/v3/a?b=c{"d":1}' | openssl dgst -sha256 -hmac s-test
    request = signed("POST", "https://woox.example/v3/a?b=c", b'{"d":1}')
    assert request.headers["x-api-signature"] == (
        "5faf804087c3cb56941679f3484a9c5f320d9b76c418283c6e8d6974d10b2b50"
    )


def test_recordings_are_read(shared: Path) -> None:
    def recorded(name: str) -> object:
        return read_json((shared / "recorded" / f"woox-{name}.json").read_bytes())

    listed = woox.parse_instruments(recorded("instruments-synthetic"))
    stated = [(item.symbol, item.base, str(item.max_leverage)) for item in listed]
    assert stated == [("PERP_BTC_USDT", "BTC", "100"), ("PERP_1000PEPE_USDT", "1000PEPE", "20")]
    with pytest.raises(BadPayload):  # only a spot market
        woox.parse_instruments(recorded("instruments-spot-row"))
    (ticker,) = woox.parse_tickers(recorded("futures"))
    assert (str(ticker.price), str(ticker.volume_24h)) == ("63020", "756000000")
    account = woox.parse_account(recorded("account-info"))
    assert account == woox.Account("251bf5c4-f3c8-4544-bb8b-80001007c3c0", futures=True)


async def test_recorded_errors_are_classified(
    shared: Path, exchanges: Exchanges, fake: Any, reply_of: Callable[..., Any]
) -> None:
    stated = []
    for answer in json.loads((shared / "recorded" / "woox-errors.json").read_text()):
        fake.routes[INFO] = reply_of(answer["body"], answer["http"])
        with pytest.raises(ExchangeError) as caught:
            await check(exchanges)
        stated.append(type(caught.value).__name__)
    assert stated == [
        "CredentialsRefused",
        "CredentialsRefused",
        "RateLimited",
        "Refused",
        "Unreachable",
        "Unreachable",
    ]


def permissions(*rows: object) -> list[str]:
    stated = woox.parse_permissions({"success": True, "data": {"rows": list(rows)}}, "k-test")
    return [stated.read, stated.trade, stated.withdraw, stated.ip_restricted]


UNKNOWN = ["unknown"] * 4


@pytest.mark.parametrize(
    ("row", "stated"),
    [
        ({"permissions": ["READ", "TRADE"], "allowedIPs": []}, ["yes", "yes", "no", "no"]),
        ({"permissions": ["READ"], "allowedIPs": ["::1"]}, ["yes", "no", "no", "yes"]),
        ({"permissions": ["read", "withdrawal"]}, ["yes", "no", "yes", "unknown"]),
        ({"permissions": ["READ", "WITHDRAW"]}, ["yes", "no", "yes", "unknown"]),
        ({"permissions": ["READ", "FUTURES"]}, ["yes", "unknown", "unknown", "unknown"]),
        ({"permissions": []}, UNKNOWN),
        ({"permissions": "READ,TRADE", "allowedIPs": "::1"}, UNKNOWN),
        ({"permissions": [7, None]}, UNKNOWN),
        ({}, UNKNOWN),
    ],
)
def test_permissions_are_read_and_never_guessed(row: dict[str, object], stated: list[str]) -> None:
    assert permissions({"apiKey": "k-test", **row}) == stated


def test_what_is_known_of_another_key_proves_nothing_about_this_one() -> None:
    granted = {"permissions": ["READ", "TRADE"], "allowedIPs": []}
    assert permissions({"apiKey": "another", **granted}) == UNKNOWN
    assert permissions({"apiKey": "k-t***", **granted}) == UNKNOWN
    assert permissions(granted) == UNKNOWN
    assert permissions() == UNKNOWN
    twice = {"apiKey": "k-test", **granted}
    assert permissions(twice, twice) == UNKNOWN


@pytest.fixture
def world(sample: Callable[[str], Any], fake: Any, reply_of: Callable[..., Any]) -> Any:
    routes = sample("woox")["routes"]
    fake.routes = {path: reply_of(answer) for path, answer in routes.items()}
    return fake


async def check(exchanges: Exchanges) -> CredentialReport:
    adapter = exchanges.adapter("woox")
    return await adapter.check_credentials(PLANTED, Environment.LIVE, None, ContractType.LINEAR)


async def test_the_account_is_known_by_its_application_id_and_never_by_its_e_mail(
    exchanges: Exchanges, world: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert world.routes
    report = await check(exchanges)
    assert report.exchange_account == "00000000-0000-4000-8000-000000000001"
    assert "example.com" not in f"{report!r} {caplog.text}"


async def test_the_account_decides_and_an_answer_without_permissions_leaves_them_unknown(
    exchanges: Exchanges, world: Any, make_reply: Callable[..., Any], reply_of: Callable[..., Any]
) -> None:
    refused = {"success": False, "code": -1002, "message": "?"}
    faults = (
        reply_of(refused, 401),
        reply_of({"success": True, "data": {"apiKey": "k-planted"}}),
        reply_of({"success": True, "data": {"rows": [{"apiKey": "k-planted"}]}}),
        make_reply(503),
        make_reply(429),
        make_reply(body=b"<"),
    )
    for fault in faults:
        world.routes[CREDENTIALS] = fault
        stated = (await check(exchanges)).permissions
        assert [stated.read, stated.trade, stated.withdraw, stated.ip_restricted] == [
            "yes",
            *UNKNOWN[1:],
        ]


@pytest.mark.parametrize(("mode", "trade"), [("FUTURES", "yes"), ("SPOT", "unknown")])
async def test_a_key_trades_perpetuals_for_certain_on_an_account_in_that_mode_only(
    exchanges: Exchanges, world: Any, reply_of: Callable[..., Any], mode: str, trade: str
) -> None:
    world.routes[INFO] = reply_of({"success": True, "data": {"accountMode": mode}})
    report = await check(exchanges)
    assert (report.permissions.trade, report.exchange_account) == (trade, None)


async def test_a_maximum_that_no_public_row_tells_is_learned_while_a_key_is_checked(
    exchanges: Exchanges, world: Any
) -> None:
    assert (await check(exchanges)).max_leverage == {"PERP_NEW_USDT": Decimal(20)}
    assert [request.target for request in world.asked(SYMBOL)] == [f"{SYMBOL}?symbol=PERP_NEW_USDT"]


async def test_a_check_asks_for_no_more_maxima_than_a_second_allows(
    exchanges: Exchanges, world: Any, reply_of: Callable[..., Any]
) -> None:
    answer = json.loads(world.routes[INSTRUMENTS].body)
    row = {**answer["data"]["rows"][0], "baseIMR": None}
    many = [{**row, "symbol": f"PERP_A{number}_USDT"} for number in range(50)]
    world.routes[INSTRUMENTS] = reply_of({"success": True, "data": {"rows": many}})
    world.routes[SYMBOL] = reply_of({"success": True, "data": {"maxLeverage": "5"}})
    assert set((await check(exchanges)).max_leverage.values()) == {Decimal(5)}
    assert len(world.asked(SYMBOL)) == woox.MOST_LEVERAGES


async def test_a_check_without_any_leverage_is_a_check_all_the_same(
    exchanges: Exchanges, world: Any, make_reply: Callable[..., Any]
) -> None:
    for path in (f"{SYMBOL}?symbol=PERP_NEW_USDT", INSTRUMENTS):
        world.routes[path] = make_reply(503)
        report = await check(exchanges)
        assert (report.permissions.trade, report.max_leverage) == ("yes", {})


def test_the_base_has_its_multiplier_whatever_the_row_calls_it(
    sample: Callable[[str], Any],
) -> None:
    listed = woox.parse_instruments(sample("woox")["routes"][INSTRUMENTS])
    pepe = next(item for item in listed if item.symbol == "PERP_1000PEPE_USDT")
    assert (pepe.base, pepe.contract_size, str(pepe.max_leverage)) == (
        "1000PEPE",
        Decimal(1),
        "33.33",
    )


async def test_websockets_are_templates_for_the_application_id(http: Any) -> None:
    adapter = Exchanges(http).adapter("woox")
    live = adapter.endpoints(Environment.LIVE, None, ContractType.LINEAR)
    test = adapter.endpoints(Environment.TESTNET, None, ContractType.LINEAR)
    assert live.rest == "https://api.woox.io"
    assert live.websocket == "wss://wss.woox.io/ws/stream/{application_id}"
    assert test.rest == "https://api.staging.woox.io"
    assert test.websocket == "wss://wss.staging.woox.io/ws/stream/{application_id}"


ANYTHING = any_json(
    names=(
        "data",
        "rows",
        "symbol",
        "status",
        "quoteAsset",
        "quoteTick",
        "baseTick",
        "baseMin",
        "baseIMR",
        "24hClose",
        "24hAmount",
        "applicationId",
        "accountMode",
        "apiKey",
        "permissions",
        "allowedIPs",
        "maxLeverage",
    ),
    words=("PERP_BTC_USDT", "PERP_", "TRADING", "USDT", "READ", "k-test"),
)


@given(ANYTHING)
@settings(max_examples=75, deadline=None, suppress_health_check=list(HealthCheck))
def test_arbitrary_json_never_raises_anything_but_bad_payload(payload: object) -> None:
    for shaped in (payload, {"data": payload}, {"data": {"rows": [payload]}}):
        for parse in (
            woox.parse_instruments,
            woox.parse_tickers,
            woox.parse_account,
            lambda value: woox.parse_permissions(value, "k-test"),
            woox.parse_leverage,
        ):
            with suppress(BadPayload):
                parse(shaped)
