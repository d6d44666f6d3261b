import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from botkeys.exchanges import okx
from botkeys.exchanges.errors import BadPayload
from botkeys.exchanges.model import ContractType, Credentials, Environment
from botkeys.exchanges.parsing import read_json
from botkeys.exchanges.registry import Exchanges
from botkeys.sealing.secret import Secret
from botkeys.transport.client import Request

VECTOR_TIME = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
KEYS = Credentials(Secret("k-test"), Secret("s-test"), Secret("p-test"))
INSTRUMENTS, TICKERS = "/api/v5/public/instruments", "/api/v5/market/tickers"


def signed(method: str, url: str, content: bytes = b"", clock: datetime = VECTOR_TIME) -> Request:
    auth = okx.OkxAuth(KEYS, lambda: clock)
    return next(auth.auth_flow(Request(method, url, content=content)))


def test_signatures_equal_those_of_an_independent_implementation(shared: Path) -> None:
    vectors = json.loads((shared / "signing-vectors.json").read_text())["okx"]
    assert vectors
    for vector in vectors:
        assert vector["secret"] == "s-test"
        request = signed(vector["method"], vector["url"])
        assert str(request.url) == vector["url"]
        for name, text in vector["headers"].items():
            if name.startswith("OK-"):
                assert request.headers[name] == text


def test_a_signature_is_that_of_the_documented_text() -> None:
    # printf %s '2023-11-14T22:13:20.000ZGET/api/v5/account/config' |
    #     openssl dgst -sha256 -hmac s-test -binary | base64
    request = signed("GET", "https://okx.example/api/v5/account/config")
    assert request.headers["OK-ACCESS-SIGN"] == "OsP7y2MGjT/+SWRWIbC4pq700at/uV6dCYuTpNj9Ymo="


def test_the_body_is_signed_too_and_the_clocks_zone_does_not_matter() -> None:
    elsewhere = VECTOR_TIME.astimezone(timezone(timedelta(hours=5)))
    url = "https://okx.example/api/v5/a"
    bare, full = signed("POST", url), signed("POST", url, b'{"a":1}')
    assert bare.headers["OK-ACCESS-SIGN"] != full.headers["OK-ACCESS-SIGN"]
    there = signed("POST", url, b'{"a":1}', elsewhere)
    assert there.headers["OK-ACCESS-TIMESTAMP"] == "2023-11-14T22:13:20.000Z"
    assert there.headers["OK-ACCESS-SIGN"] == full.headers["OK-ACCESS-SIGN"]


def test_recordings_are_read(shared: Path) -> None:
    def recorded(name: str) -> object:
        return read_json((shared / "recorded" / f"okx-{name}.json").read_bytes())

    for name, linear, inverse in (
        ("instruments-swap", 2, 1),
        ("instruments-swap-2022", 9, 8),
    ):
        assert len(okx.parse_instruments(recorded(name), ContractType.LINEAR)) == linear
        assert len(okx.parse_instruments(recorded(name), ContractType.INVERSE)) == inverse
    with pytest.raises(BadPayload):
        okx.parse_instruments(recorded("instruments-futures-2022"), ContractType.LINEAR)
    symbols = frozenset({"BTC-USD-SWAP", "BTC-USDT-SWAP"})
    tickers = okx.parse_tickers(recorded("tickers-swap"), symbols)
    assert [str(ticker.price) for ticker in tickers] == ["29937.6", "29963"]
    report = okx.parse_account(recorded("account-config"))
    assert (report.permissions.trade, report.permissions.withdraw) == ("yes", "no")
    assert report.exchange_account == "656000000000000001"


def account(**fields: object) -> object:
    return {"code": "0", "data": [{"uid": "7", "acctLv": "2", **fields}]}


@pytest.mark.parametrize(
    ("fields", "trade", "withdraw", "ip_restricted"),
    [
        ({"perm": "read_only,trade", "ip": ""}, "yes", "no", "no"),
        ({"perm": "trade, withdraw ,read_only", "ip": "1.2.3.4"}, "yes", "yes", "yes"),
        ({"perm": "read_only", "ip": "1.2.3.4,::1"}, "no", "no", "yes"),
        ({"perm": "read_only,trade,stake"}, "yes", "unknown", "unknown"),
        ({"perm": "read_only,swap_trade"}, "unknown", "unknown", "unknown"),
        ({"perm": "read_only,trade", "acctLv": "1"}, "no", "no", "unknown"),
        ({"perm": "read_only,trade", "acctLv": "4"}, "yes", "no", "unknown"),
        ({"perm": "read_only,trade", "acctLv": "9"}, "unknown", "no", "unknown"),
        ({"perm": "read_only,trade", "acctLv": None}, "unknown", "no", "unknown"),
        ({"perm": "read_only", "acctLv": "9"}, "no", "no", "unknown"),
        ({"perm": ""}, "unknown", "unknown", "unknown"),
        ({"acctLv": "1"}, "no", "unknown", "unknown"),
        ({}, "unknown", "unknown", "unknown"),
        ({"perm": 7, "ip": None}, "unknown", "unknown", "unknown"),
    ],
)
def test_permissions_are_read_and_never_guessed(
    fields: dict[str, object], trade: str, withdraw: str, ip_restricted: str
) -> None:
    permissions = okx.parse_account(account(**fields)).permissions
    stated = (permissions.trade, permissions.withdraw, permissions.ip_restricted)
    assert stated == (trade, withdraw, ip_restricted)
    assert permissions.read == "yes"


def test_the_exchange_account_is_known_by_its_uid() -> None:
    assert okx.parse_account(account()).exchange_account == "7"
    assert okx.parse_account(account(uid=8)).exchange_account == "8"
    assert okx.parse_account(account(uid=None)).exchange_account is None


def test_other_regions_may_list_no_swap_at_all_but_not_an_unreadable_one() -> None:
    empty: dict[str, object] = {"code": "0", "data": []}
    strange = {"code": "0", "data": [{"instId": "BTC-USDC-SWAP"}]}
    assert okx.parse_instruments(empty, ContractType.LINEAR, may_be_empty=True) == ()
    with pytest.raises(BadPayload):
        okx.parse_instruments(empty, ContractType.LINEAR)
    with pytest.raises(BadPayload):
        okx.parse_instruments(strange, ContractType.LINEAR, may_be_empty=True)


def xperp(**changes: object) -> dict[str, object]:
    return {
        "instId": "ETH-USD_UM_XPERP-310404",
        "instType": "FUTURES",
        "ruleType": "xperp",
        "uly": "ETH-USD",
        "instFamily": "ETH-USD_UM_XPERP",
        "settleCcy": "USDC",
        "ctType": "linear",
        "ctVal": "0.001",
        "ctMult": "1",
        "ctValCcy": "ETH",
        "tickSz": "0.01",
        "lotSz": "1",
        "minSz": "1",
        "lever": "10",
        "state": "live",
        "expTime": "1933056000000",
        **changes,
    }


def test_an_x_perp_is_a_perpetual_with_a_far_expiry() -> None:
    """Rule R54."""
    dated = xperp(instId="ETH-USD-261225", ruleType="normal", expTime="1798185600000")
    other, listed = okx.parse_instruments({"data": [dated, xperp()]}, ContractType.LINEAR)
    assert (other.dated, listed.dated) == (True, False)
    assert (listed.symbol, listed.base, listed.quote, listed.settle) == (
        "ETH-USD_UM_XPERP-310404",
        "ETH",
        "USD",
        "USDC",
    )
    assert (str(listed.contract_size), str(listed.max_leverage)) == ("0.001", "10")
    assert listed.expires_at == datetime(2031, 4, 4, 8, tzinfo=UTC)


def test_a_dated_contract_is_listed_with_its_end_and_never_without() -> None:
    """Rule R55: it is what trades of it are computed by."""
    dated = xperp(instId="ETH-USD-261225", ruleType="normal", expTime="1798185600000")
    listed, _ = okx.parse_instruments({"data": [dated, xperp()]}, ContractType.LINEAR)
    assert (listed.symbol, listed.dated) == ("ETH-USD-261225", True)
    assert listed.expires_at == datetime(2026, 12, 25, 8, tzinfo=UTC)
    endless = {**dated, "expTime": ""}
    (alone,) = okx.parse_instruments({"data": [endless, xperp()]}, ContractType.LINEAR)
    assert not alone.dated


def test_a_region_without_perpetuals_of_a_type_has_an_empty_list_of_them() -> None:
    dated = xperp(ruleType="normal")
    for rows in ([], [dated], [xperp(), dated]):
        assert okx.parse_instruments({"data": rows}, ContractType.INVERSE, may_be_empty=True) == ()
    for broken in ({**dated, "ruleType": None}, xperp(tickSz="")):
        with pytest.raises(BadPayload):
            okx.parse_instruments({"data": [broken]}, ContractType.LINEAR, may_be_empty=True)


@pytest.mark.parametrize(
    ("region", "kinds"),
    [
        (None, ["SWAP"]),
        ("global", ["SWAP"]),
        ("eea", ["FUTURES"]),
        ("us", ["SWAP", "FUTURES"]),
    ],
)
async def test_each_region_is_asked_for_its_kinds_of_perpetuals(
    exchanges: Exchanges,
    fake: Any,
    sample: Callable[[str], Any],
    reply_of: Callable[..., Any],
    region: str | None,
    kinds: list[str],
) -> None:
    """Rule R54."""
    routes = sample("okx")["routes"]
    fake.routes = {path: reply_of(answer) for path, answer in routes.items()}
    for path, rows in (
        (INSTRUMENTS, [xperp()]),
        (TICKERS, [{"instId": xperp()["instId"], "last": "3000", "volCcy24h": "2"}]),
    ):
        fake.routes[f"{path}?instType=FUTURES"] = reply_of({"code": "0", "msg": "", "data": rows})
    adapter = exchanges.adapter("okx")

    tickers = await adapter.tickers(Environment.LIVE, region, ContractType.LINEAR)

    volumes = {ticker.symbol: ticker.volume_24h for ticker in tickers}
    assert ("ETH-USD_UM_XPERP-310404" in volumes) == ("FUTURES" in kinds)
    assert volumes.get("ETH-USD_UM_XPERP-310404", 6000) == 6000
    assert ("BTC-USDT-SWAP" in volumes) == ("SWAP" in kinds)
    for path in (INSTRUMENTS, TICKERS):
        stated = sorted(asked.target.partition("instType=")[2] for asked in fake.asked(path))
        assert stated == sorted(kinds)


def test_a_quote_does_not_carry_how_it_is_margined(sample: Callable[[str], Any]) -> None:
    payload = sample("okx")["routes"]["/api/v5/public/instruments"]
    listed = okx.parse_instruments(payload, ContractType.LINEAR)
    found = next(item for item in listed if item.symbol == "ETH-USD_UM-SWAP")
    assert (found.base, found.quote, found.settle) == ("ETH", "USD", "USDC")


def test_the_contract_size_has_its_multiplier_and_an_unstated_leverage_is_unknown(
    sample: Callable[[str], Any],
) -> None:
    payload = sample("okx")["routes"]["/api/v5/public/instruments"]
    listed = okx.parse_instruments(payload, ContractType.LINEAR)
    found = next(item for item in listed if item.symbol == "DOGE-USDT-SWAP")
    assert (found.contract_size, found.max_leverage) == (Decimal(1000), None)


async def test_demo_is_a_header_on_every_call(
    exchanges: Exchanges, fake: Any, sample: Callable[[str], Any], reply_of: Callable[..., Any]
) -> None:
    routes = sample("okx")["routes"]
    fake.routes = {path: reply_of(answer) for path, answer in routes.items()}
    adapter = exchanges.adapter("okx")
    for environment, header in ((Environment.LIVE, None), (Environment.TESTNET, "1")):
        fake.received.clear()
        await adapter.tickers(environment, None, ContractType.LINEAR)
        await adapter.check_credentials(KEYS, environment, None, ContractType.LINEAR)
        stated = [request.headers.get("x-simulated-trading") for request in fake.received]
        assert stated == [header] * 3


async def test_each_region_has_its_own_hosts(http: Any) -> None:
    adapter = Exchanges(http).adapter("okx")

    def hosts(environment: Environment, region: str | None) -> tuple[str | None, str | None]:
        found = adapter.endpoints(environment, region, ContractType.INVERSE)
        return found.rest, found.websocket

    assert hosts(Environment.LIVE, None) == hosts(Environment.LIVE, "global")
    assert hosts(Environment.LIVE, "global") == (
        "https://www.okx.com",
        "wss://ws.okx.com:8443/ws/v5",
    )
    assert hosts(Environment.TESTNET, "eea") == (
        "https://eea.okx.com",
        "wss://wseeapap.okx.com:8443/ws/v5",
    )
    assert hosts(Environment.LIVE, "us") == (
        "https://us.okx.com",
        "wss://wsus.okx.com:8443/ws/v5",
    )
