import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from botkeys.exchanges import bitmex
from botkeys.exchanges.errors import BadPayload, InvalidKey, NoEndpoint, RateLimited
from botkeys.exchanges.model import ContractType, Credentials, Environment
from botkeys.exchanges.parsing import read_json
from botkeys.exchanges.registry import Exchanges
from botkeys.sealing.secret import Secret
from botkeys.transport.client import HttpTransport, Request

VECTOR_TIME = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
KEYS = Credentials(Secret("k-test"), Secret("s-test"))
INSTRUMENTS = "/api/v1/instrument/active"


def signed(method: str, url: str, content: bytes = b"", expires: int = 5) -> Request:
    auth = bitmex.BitmexAuth(KEYS, lambda: VECTOR_TIME, expires)
    return next(auth.auth_flow(Request(method, url, content=content)))


def test_signatures_equal_those_of_an_independent_implementation(shared: Path) -> None:
    vectors = json.loads((shared / "signing-vectors.json").read_text())["bitmex"]
    assert vectors
    for vector in vectors:
        request = signed(vector["method"], vector["url"])
        assert str(request.url) == vector["url"]
        for name, text in vector["headers"].items():
            if name.startswith("api-"):
                assert request.headers[name] == text


def test_a_signature_is_that_of_the_documented_text() -> None:
    # printf %s 'GET/api/v1/apiKey1700000005' | openssl dgst -sha256 -hmac s-test
    request = signed("GET", "https://bitmex.example/api/v1/apiKey")
    assert request.headers["api-expires"] == "1700000005"
    assert request.headers["api-signature"] == (
        "51c2553a3d610361e6c58ea5ffe999a5e160a3026a7e5811cc330d6321e99cd0"
    )


def test_the_body_is_signed_too() -> None:
    bare, full = [signed("POST", "https://bitmex.example/a", body) for body in (b"", b"{}")]
    assert bare.headers["api-signature"] != full.headers["api-signature"]


def test_recordings_are_read(shared: Path, error_for: Callable[..., object]) -> None:
    files = {path.stem: path for path in (shared / "recorded").glob("bitmex-*.json")}

    def recorded(name: str) -> object:
        return read_json(files.pop(f"bitmex-{name}").read_bytes())

    old = recorded("instruments-2021")
    listed = bitmex.parse_instruments(old, ContractType.INVERSE)
    assert [(item.symbol, item.dated) for item in listed] == [
        ("XBTUSD", False),
        ("XBTEUR", False),
        ("XBTU21", True),
        ("XBTZ21", True),
    ]
    with pytest.raises(BadPayload):  # every other perpetual then was a quanto one
        bitmex.parse_instruments(old, ContractType.LINEAR)
    (inverse,) = bitmex.parse_instruments(
        newer := recorded("instruments-2024-xbtusd"), ContractType.INVERSE
    )
    assert [inverse.contract_size, inverse.lot_size, inverse.max_leverage] == [1, 100, 100]
    (ticker,) = bitmex.parse_tickers(newer)
    assert (ticker.price, ticker.volume_24h) == (Decimal("97893.7"), Decimal(419742700))
    (linear,) = bitmex.parse_instruments(recorded("instruments-2022-linear"), ContractType.LINEAR)
    assert (linear.base, linear.settle) == ("LTC", "USDT")
    assert (linear.contract_size, linear.max_leverage) == (Decimal("0.0001"), Decimal("33.33"))
    report = bitmex.parse_keys(recorded("apikeys-synthetic"), "k-test")
    assert (report.permissions.trade, report.permissions.ip_restricted) == ("yes", "yes")
    invalid = files.pop("bitmex-error-invalid-key").read_bytes()
    assert error_for("bitmex", 401, invalid) is InvalidKey
    assert not files


def as_sent(content: object) -> object:
    return read_json(json.dumps(content).encode())


def key(**fields: object) -> object:
    return [{"id": "k-other", "permissions": ["withdraw"]}, {"id": "k-test", **fields}]


@pytest.mark.parametrize(
    ("fields", "trade", "withdraw"),
    [
        ({"permissions": ["order"], "enabled": True}, "yes", "no"),
        ({"permissions": ["order", "withdraw"], "enabled": True}, "yes", "yes"),
        ({"permissions": [], "enabled": True}, "no", "no"),
        ({"permissions": ["orderCancel"], "enabled": True}, "no", "no"),
        ({"permissions": ["order"], "enabled": False}, "no", "no"),
        ({"permissions": ["order"]}, "unknown", "no"),
        ({"permissions": ["order", "margin"], "enabled": True}, "yes", "unknown"),
        ({"permissions": ["trade"], "enabled": True}, "unknown", "unknown"),
        ({"permissions": ["order", 7], "enabled": True}, "yes", "unknown"),
        ({"permissions": "order", "enabled": True}, "unknown", "unknown"),
        ({"enabled": False}, "no", "unknown"),
        ({}, "unknown", "unknown"),
    ],
)
def test_permissions_are_read_and_never_guessed(
    fields: dict[str, object], trade: str, withdraw: str
) -> None:
    permissions = bitmex.parse_keys(key(**fields), "k-test").permissions
    assert (permissions.trade, permissions.withdraw) == (trade, withdraw)
    assert permissions.read == "yes"


@pytest.mark.parametrize(
    ("fields", "restricted"),
    [
        ({"cidr": "203.0.113.7/32", "cidrs": ["203.0.113.7/32"]}, "yes"),
        ({"cidrs": ["203.0.113.7/32", "198.51.100.0/24"]}, "yes"),
        ({"cidr": "0.0.0.0/0"}, "no"),
        ({"cidrs": ["203.0.113.7/32", "0.0.0.0/0"]}, "no"),
        ({"cidr": "", "cidrs": []}, "unknown"),
        ({"cidr": None, "cidrs": [None, 7]}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_addresses_are_restricted_if_a_list_says_so(
    fields: dict[str, object], restricted: str
) -> None:
    assert bitmex.parse_keys(key(**fields), "k-test").permissions.ip_restricted == restricted


def test_only_the_key_in_use_is_looked_at() -> None:
    report = bitmex.parse_keys(key(userId=7, permissions=["order"], enabled=True), "k-test")
    assert (report.exchange_account, report.permissions.withdraw) == ("7", "no")
    unseen = bitmex.parse_keys(key(userId=7, permissions=["order"], enabled=True), "k-unlisted")
    assert (unseen.permissions.read, unseen.permissions.trade) == ("yes", "unknown")
    assert unseen.exchange_account is None


def test_dated_contracts_are_apart_and_others_left_out(
    sample: Callable[[str], Any],
) -> None:
    rows: Any = as_sent(sample("bitmex")["routes"][INSTRUMENTS])
    found = [item for kind in ContractType for item in bitmex.parse_instruments(rows, kind)]
    left_out = {row["symbol"] for row in rows} - {item.symbol for item in found}
    assert left_out == {"ETHUSD", "OLDUSDT", "XBT_USDT", "ODDUSD"}
    assert {item.symbol for item in found if item.dated} == {"XBTZ26", "ETHXBT"}


def test_a_contract_size_is_found_without_the_plain_multiplier(
    sample: Callable[[str], Any],
) -> None:
    rows: Any = as_sent(sample("bitmex")["routes"][INSTRUMENTS])
    listed = bitmex.parse_instruments(rows, ContractType.LINEAR)
    found = next(item for item in listed if item.symbol == "SPYUSDT")
    assert (found.contract_size, found.max_leverage) == (Decimal("0.0001"), None)


@pytest.mark.parametrize("environment", Environment)
async def test_the_closed_exchange_has_no_host_of_its_own(
    http: HttpTransport, environment: Environment
) -> None:
    adapter = Exchanges(http).adapter("bitmex")
    with pytest.raises(NoEndpoint):
        await adapter.check_credentials(KEYS, environment, None, ContractType.LINEAR)
    hosts = {"bitmex": {environment.value: {"rest": "https://successor.example"}}}
    found = Exchanges(http, hosts=hosts).adapter("bitmex")
    endpoints = found.endpoints(environment, None, ContractType.INVERSE)
    assert endpoints.rest == "https://successor.example"


async def test_a_public_share_that_is_spent_is_not_asked_for_more(
    exchanges: Exchanges,
    fake: Any,
    make_reply: Callable[..., Any],
    sample: Callable[[str], Any],
    reply_of: Callable[..., Any],
) -> None:
    routes = sample("bitmex")["routes"]
    fake.routes = {path: reply_of(answer) for path, answer in routes.items()}
    full_again = int(datetime(2026, 11, 22, 12, 0, 40, tzinfo=UTC).timestamp())
    fake.routes[INSTRUMENTS] = make_reply(
        body=json.dumps(routes[INSTRUMENTS]).encode(),
        headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(full_again)},
    )
    adapter = exchanges.adapter("bitmex")
    place = (Environment.LIVE, None, ContractType.LINEAR)
    assert await adapter.instruments(*place)
    with pytest.raises(RateLimited) as caught:
        await adapter.instruments(*place)
    assert caught.value.retry_after == pytest.approx(40, abs=2)
    await adapter.check_credentials(KEYS, *place)
    assert len(fake.received) == 2
