import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from botkeys.exchanges import phemex
from botkeys.exchanges.errors import BadPayload, ExchangeError, RateLimited, Unreachable
from botkeys.exchanges.model import ContractType, CredentialReport, Credentials, Environment
from botkeys.exchanges.parsing import read_json
from botkeys.exchanges.registry import Exchanges
from botkeys.sealing.secret import Secret
from botkeys.transport.client import Request
from tests.support.any_json import any_json

VECTOR_TIME = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
KEYS = Credentials(Secret("k-test"), Secret("s-test"))
PRODUCTS = "/public/products"
V3, V2 = "/md/v3/ticker/24hr/all", "/md/v2/ticker/24hr/all"
POSITIONS = "/g-accounts/accountPositions"
SCALES = {"BTCUSD": phemex.Scale(4, Decimal(1)), "ETHUSD": phemex.Scale(4, Decimal(1))}


def signed(method: str, url: str, content: bytes = b"") -> Request:
    auth = phemex.PhemexAuth(KEYS, lambda: VECTOR_TIME)
    return next(auth.auth_flow(Request(method, url, content=content)))


def test_signatures_equal_those_of_an_independent_implementation(shared: Path) -> None:
    vectors = json.loads((shared / "signing-vectors.json").read_text())["phemex"]
    assert vectors
    for vector in vectors:
        assert vector["secret"] == "s-test"
        request = signed(vector["method"], vector["url"])
        assert str(request.url) == vector["url"]
        for name, text in vector["headers"].items():
            assert request.headers[name] == text


def test_a_signature_is_that_of_the_documented_text() -> None:
    # printf %s '/g-orders' 'a=b' '1700000060' '{"c":1}' | openssl dgst -sha256 -hmac s-test
    request = signed("POST", "https://phemex.example/g-orders?a=b", b'{"c":1}')
    assert request.headers["x-phemex-request-signature"] == (
        "0ef03f323a135a2c808d5c8a240fffaa9bd99882a66b914b35fa144add1249ee"
    )


def recorded_in(shared: Path, name: str) -> Any:
    return read_json((shared / "recorded" / f"phemex-{name}.json").read_bytes())


def test_recordings_are_read(shared: Path) -> None:
    def symbols(name: str, kind: ContractType) -> list[str]:
        listed = phemex.parse_instruments(recorded_in(shared, name), kind)
        return [instrument.symbol for instrument in listed]

    assert symbols("products", ContractType.LINEAR) == ["BTCUSDC"]
    assert symbols("products", ContractType.INVERSE) == ["BTCUSD"]
    assert symbols("products-usdt", ContractType.LINEAR) == ["BTCUSDT"]
    assert symbols("products-usdt", ContractType.INVERSE) == ["BTCUSD"]
    # An older listing, whose other perpetuals all settle in USD.
    assert symbols("products-cfg-2021", ContractType.INVERSE) == ["BTCUSD"]
    (linear,) = phemex.parse_instruments(recorded_in(shared, "products"), ContractType.LINEAR)
    assert (str(linear.tick_size), str(linear.lot_size)) == ("0.1", "0.0001")
    assert linear.max_leverage == 100


def test_recorded_tickers_of_all_versions_are_read(shared: Path) -> None:
    (v3,) = phemex.parse_linear_tickers(recorded_in(shared, "ticker24hr-v3-all-synthetic"))
    (v2,) = phemex.parse_linear_tickers(recorded_in(shared, "ticker24hr-v2-all-synthetic"))
    v1 = recorded_in(shared, "ticker24hr-v1-all-synthetic")
    (inverse,) = phemex.parse_inverse_tickers(v1, SCALES)
    assert (str(v3.price), str(v3.volume_24h)) == ("1905.63", "128200614.5585")
    assert (str(v2.price), str(v2.volume_24h)) == ("1903.16", "127962734.6031")
    assert (inverse.price, inverse.volume_24h) == (Decimal("233.15"), Decimal(4053863))


async def test_recorded_errors_are_classified(
    shared: Path, exchanges: Exchanges, fake: Any, reply_of: Callable[..., Any]
) -> None:
    stated = []
    for answer in recorded_in(shared, "errors"):
        fake.routes[POSITIONS] = reply_of(answer["body"], answer["http"])
        with pytest.raises(ExchangeError) as caught:
            await check(exchanges)
        stated.append(type(caught.value).__name__)
    assert stated == [
        "InvalidKey",
        "IpNotAllowed",
        "PermissionRefused",
        "InvalidKey",
        "BadSignature",
        "RateLimited",
        "Refused",
    ]


@pytest.fixture
def world(sample: Callable[[str], Any], fake: Any, reply_of: Callable[..., Any]) -> Any:
    routes = sample("phemex")["routes"]
    fake.routes = {path: reply_of(answer) for path, answer in routes.items()}
    return fake


async def check(exchanges: Exchanges, kind: ContractType = ContractType.LINEAR) -> CredentialReport:
    adapter = exchanges.adapter("phemex")
    return await adapter.check_credentials(KEYS, Environment.LIVE, None, kind)


async def test_a_check_asks_the_account_of_its_contract_type(
    exchanges: Exchanges, world: Any
) -> None:
    linear = await check(exchanges)
    inverse = await check(exchanges, ContractType.INVERSE)
    assert [request.target for request in world.received] == [
        "/g-accounts/accountPositions?currency=USDT",
        "/accounts/accountPositions?currency=BTC",
        "/g-accounts/accountPositions?currency=USDT",
    ]
    assert linear.exchange_account == inverse.exchange_account == "12345"


async def test_an_inverse_key_without_a_linear_account_is_checked_all_the_same(
    exchanges: Exchanges, world: Any, reply_of: Callable[..., Any]
) -> None:
    world.routes["/g-accounts/accountPositions?currency=USDT"] = reply_of({"code": 11001}, 400)
    report = await check(exchanges, ContractType.INVERSE)
    assert (report.permissions.read, report.exchange_account) == ("yes", None)


@pytest.mark.parametrize("user", [0, None, "", {}])
def test_a_user_that_is_not_stated_is_none(user: object) -> None:
    account = {"currency": "USDT", "userID": user}
    assert phemex.parse_account({"data": {"account": account}}).exchange_account is None


def products_of(sample: Callable[[str], Any]) -> Any:
    return read_json(json.dumps(sample("phemex")["routes"][PRODUCTS]).encode())


def test_multipliers_are_part_of_the_base_however_they_are_spelled(
    sample: Callable[[str], Any],
) -> None:
    listed = phemex.parse_instruments(products_of(sample), ContractType.LINEAR)
    bases = {instrument.symbol: instrument.base for instrument in listed}
    assert bases["u1000SHIBUSDT"] == "1000SHIB"
    assert bases["1000BONKUSDT"] == "1000BONK"


def test_the_unit_of_a_contract_is_its_quote_or_it_is_left_out(
    sample: Callable[[str], Any],
) -> None:
    listed = phemex.parse_instruments(products_of(sample), ContractType.INVERSE)
    sizes = {instrument.symbol: instrument.contract_size for instrument in listed}
    assert sizes == {"BTCUSD": 1, "ETHUSD": 1}
    assert {instrument.symbol: instrument.max_leverage for instrument in listed} == {
        "BTCUSD": 100,
        "ETHUSD": None,
    }


def inverse_ticker(**fields: object) -> tuple[Decimal | None, Decimal | None]:
    answer = {"error": None, "result": [{"symbol": "BTCUSD", **fields}]}
    (ticker,) = phemex.parse_inverse_tickers(answer, SCALES)
    return ticker.price, ticker.volume_24h


def test_scaled_prices_are_read_by_either_name_and_a_fraction_is_none() -> None:
    assert inverse_ticker(lastEp=600005000, volume=7) == (Decimal("60000.5"), Decimal(7))
    assert inverse_ticker(close="600005000", volume="7") == (Decimal("60000.5"), Decimal(7))
    assert inverse_ticker(close="60000.5") == (None, None)
    assert inverse_ticker(lastEp=0) == (None, None)


def test_tickers_come_in_either_envelope() -> None:
    row = {"symbol": "BTCUSDT", "lastRp": "1", "turnoverRv": "2"}
    for answer in ({"error": None, "id": 0, "result": [row]}, {"code": 0, "data": [row]}):
        (ticker,) = phemex.parse_linear_tickers(answer)
        assert (ticker.price, ticker.volume_24h) == (Decimal(1), Decimal(2))


@pytest.mark.parametrize("scale", [None, "4.5", -1, 99, True, []])
def test_an_odd_scale_is_no_scale(sample: Callable[[str], Any], scale: object) -> None:
    payload = products_of(sample)
    payload["data"]["products"][0]["priceScale"] = scale
    stated = phemex.parse_scales(payload)
    assert set(stated) == {"ETHUSD"}


async def linear_prices(exchanges: Exchanges) -> list[str]:
    adapter = exchanges.adapter("phemex")
    tickers = await adapter.tickers(Environment.LIVE, None, ContractType.LINEAR)
    return [ticker.symbol for ticker in tickers]


async def test_the_older_tickers_are_read_where_the_newer_are_missing(
    exchanges: Exchanges, world: Any
) -> None:
    world.routes[V2] = world.routes.pop(V3)
    assert "BTCUSDT" in await linear_prices(exchanges)
    assert len(world.asked(V3)) == len(world.asked(V2)) == 1


async def test_an_outage_of_the_newer_tickers_is_no_reason_to_ask_for_the_older(
    exchanges: Exchanges, world: Any, make_reply: Callable[..., Any]
) -> None:
    world.routes[V3] = make_reply(503)
    with pytest.raises(Unreachable):
        await linear_prices(exchanges)
    assert world.asked(V2) == []


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-retry-after-CONTRACT": "17"}, 17),
        ({"X-RateLimit-Retry-After": "3"}, 3),
        ({"x-ratelimit-retry-after-others": "4", "Retry-After": "9"}, 9),
        ({"x-ratelimit-retry-after-others": "40", "Retry-After": "9"}, 40),
        ({"x-ratelimit-retry-after-others": "soon"}, None),
        ({"x-ratelimit-retry-after-others": "99999999"}, None),
        ({"x-ratelimit-remaining-others": "0"}, None),
    ],
)
async def test_a_limit_tells_in_its_own_header_how_long_it_holds(
    exchanges: Exchanges,
    world: Any,
    make_reply: Callable[..., Any],
    headers: dict[str, str],
    seconds: float | None,
) -> None:
    body = b'{"code": 39995, "msg": "Too many requests."}'
    world.routes[POSITIONS] = make_reply(429, body, headers)
    with pytest.raises(RateLimited) as caught:
        await check(exchanges)
    assert caught.value.retry_after == seconds


async def test_each_environment_has_its_own_hosts(http: Any) -> None:
    adapter = Exchanges(http).adapter("phemex")
    for kind in ContractType:
        live = adapter.endpoints(Environment.LIVE, None, kind)
        test = adapter.endpoints(Environment.TESTNET, None, kind)
        assert (live.rest, live.websocket) == ("https://api.phemex.com", "wss://ws.phemex.com")
        assert (test.rest, test.websocket) == (
            "https://testnet-api.phemex.com",
            "wss://testnet-api.phemex.com/ws",
        )


ANYTHING = any_json(
    names=(
        "data",
        "products",
        "perpProductsV2",
        "type",
        "status",
        "symbol",
        "baseCurrency",
        "displaySymbol",
        "quoteCurrency",
        "settleCurrency",
        "contractSize",
        "lotSize",
        "tickSize",
        "qtyStepSize",
        "maxLeverage",
        "priceScale",
        "result",
        "account",
        "userID",
        "lastRp",
        "lastEp",
        "close",
        "closeRp",
        "turnoverRv",
        "volume",
        "currency",
    ),
    words=("PerpetualV2", "Perpetual", "Listed", "BTCUSD", "BTC / USD", "USD", "BTC", "1 USD"),
)


@given(ANYTHING)
@settings(max_examples=75, deadline=None, suppress_health_check=list(HealthCheck))
def test_arbitrary_json_never_raises_anything_but_bad_payload(payload: object) -> None:
    products = {"data": {"products": [payload], "perpProductsV2": [payload]}}
    for shaped in (payload, {"data": payload}, {"result": [payload]}, products):
        for parse in (
            lambda value: phemex.parse_instruments(value, ContractType.LINEAR),
            lambda value: phemex.parse_instruments(value, ContractType.INVERSE),
            phemex.parse_scales,
            phemex.parse_linear_tickers,
            lambda value: phemex.parse_inverse_tickers(value, SCALES),
            phemex.parse_account,
        ):
            with suppress(BadPayload):
                parse(shaped)
