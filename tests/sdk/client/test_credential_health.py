"""The bot checks its credentials at the exchange, and reports the result to the service."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from botkeys.client import CredentialHealth, Pace
from botkeys.client.credentials import ReleasedCredentials
from botkeys.client.health import find_adapter
from botkeys.exchanges.errors import (
    AddressRefused,
    BadPayload,
    ClockSkew,
    CredentialsRefused,
    ExchangeError,
    NoEndpoint,
    RateLimited,
    Refused,
    Unreachable,
    Unreadable,
)
from botkeys.exchanges.model import (
    ContractType,
    CredentialReport,
    Endpoints,
    Environment,
    PermissionAnswer,
    Permissions,
    RefusalReason,
)
from botkeys.transport.client import HttpTransport
from tests.sdk.client.conftest import Service, make_service
from tests.sdk.client.runtime import Runtime
from tests.sdk.client.skipping import now, skipping

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
REPORT = CredentialReport(
    Permissions(trade=PermissionAnswer.YES), expires_at=START + timedelta(days=90)
)


@dataclass
class Exchange:
    """A prepared exchange; it records when it was asked, for which version and contract type."""

    error: ExchangeError | None = None
    asked: list[tuple[float, int, ContractType]] = field(default_factory=list)
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(
        self, held: ReleasedCredentials, contract_type: ContractType, endpoints: Endpoints
    ) -> CredentialReport:
        assert endpoints.rest == "https://moved.test"
        self.asked.append((now(), held.version, contract_type))
        self.was_asked.set()
        assert held.api_secret.reveal() == "PLANTED-api-secret"
        if self.error is not None:
            raise self.error
        return REPORT


@pytest.fixture
def service() -> Service:
    """Move the exchange to another address after the credentials were released."""
    made = make_service()
    made.config["endpoints"] = {"rest": "https://moved.test", "websocket": None}
    return made


def clock() -> datetime:
    return START + timedelta(seconds=now())


def reports_of(runtime: Runtime) -> list[dict[str, Any]]:
    return [call.body["credentials"] for call in runtime.to("heartbeat") if call.body]


def test_what_the_exchange_says_goes_with_heartbeats_until_one_is_acknowledged(
    service: Service,
) -> None:
    async def work() -> None:
        runtime, exchange = Runtime(service), Exchange()
        async with runtime.client(check=exchange, clock=clock) as client, client.running():
            await asyncio.sleep(30)
            assert exchange.asked == []  # nothing is fetched for it
            await client.credentials()
            await exchange.was_asked.wait()
            runtime.down = True
            await asyncio.sleep(100)
            runtime.down = False
            await asyncio.sleep(100)
        assert [ask[1:] for ask in exchange.asked] == [(3, ContractType.LINEAR)]
        reports = reports_of(runtime)
        assert len(reports) > 3  # the last of which was acknowledged
        assert [call.body == {} for call in runtime.to("heartbeat")][-3:] == [True] * 3
        at = START + timedelta(seconds=exchange.asked[0][0])
        assert all(report == reports[0] for report in reports)
        assert reports[0] == {
            "key_id": str(service.binding.key_id),
            "version": 3,
            "status": "ok",
            "permissions": {"trade": "yes"},
            "expires_at": "2027-02-20T12:00:00+00:00",
            "checked_at": at.isoformat(),
        }

    skipping(work)


def test_it_looks_daily_and_a_refusal_is_reported_with_its_reason(service: Service) -> None:
    async def work() -> None:
        runtime, exchange = Runtime(service), Exchange()
        client = runtime.client(check=exchange, clock=clock, pace=Pace(heartbeat=3600))
        async with client, client.running():
            await client.credentials()
            await asyncio.sleep(7200)
            exchange.error = CredentialsRefused("okx", possible=[RefusalReason.EXPIRED])
            await asyncio.sleep(86_400 * 1.2)
        assert len(exchange.asked) == 2
        assert [(report["status"], report.get("reason")) for report in reports_of(runtime)] == [
            ("ok", None),
            ("rejected", "refused"),
        ]
        assert reports_of(runtime)[1]["possible"] == ["expired"]
        assert "permissions" not in reports_of(runtime)[1]

    skipping(work)


@pytest.mark.parametrize("error", [Unreachable, RateLimited, NoEndpoint, ClockSkew, Unreadable])
def test_what_is_no_answer_about_the_credentials_is_not_reported_and_asked_again(
    error: type[ExchangeError], service: Service
) -> None:
    async def work() -> None:
        runtime, exchange = Runtime(service), Exchange(error("okx"))
        client = runtime.client(check=exchange, clock=clock, pace=Pace(heartbeat=60))
        async with client, client.running():
            await client.credentials()
            await asyncio.sleep(3600)
            assert reports_of(runtime) == []
            assert 5 <= len(exchange.asked) <= 7
            exchange.error = None
            # One interval and one heartbeat, each up to a tenth longer, fit into this.
            await asyncio.sleep(800)
        assert [report["status"] for report in reports_of(runtime)] == ["ok"]

    skipping(work)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Refused("okx", code="54321"), "refused"),
        (AddressRefused("okx", code="403"), "address_refused"),
        (BadPayload("okx"), "bad_answer"),
    ],
)
def test_an_answer_that_is_neither_yes_nor_no_is_reported_and_asked_again(
    error: ExchangeError, reason: str, service: Service
) -> None:
    async def work() -> None:
        runtime, exchange = Runtime(service), Exchange(error)
        client = runtime.client(check=exchange, clock=clock, pace=Pace(heartbeat=60))
        async with client, client.running():
            await client.credentials()
            await asyncio.sleep(1000)
            assert len(exchange.asked) == 2
        first = reports_of(runtime)[0]
        assert (first["status"], first["reason"]) == ("unknown", reason)
        assert first.get("exchange_code") == error.code
        assert "permissions" not in first

    skipping(work)


def test_a_newer_version_is_looked_at_soon(service: Service) -> None:
    async def work() -> None:
        runtime, exchange = Runtime(service), Exchange()
        async with runtime.client(check=exchange, clock=clock) as client, client.running():
            stream = await runtime.stream()
            await client.credentials()
            await asyncio.sleep(60)
            service.replace_credentials(4)
            stream.send(runtime.change())
            await asyncio.sleep(60)
            assert len(exchange.asked) == 1  # dropped, and not fetched just for the check
            await client.credentials()
            await asyncio.sleep(60)
        assert [report["version"] for report in reports_of(runtime)] == [3, 4]

    skipping(work)


def test_a_report_that_the_service_does_not_take_stops_no_heartbeat(service: Service) -> None:
    async def work() -> None:
        runtime = Runtime(service)
        async with runtime.client() as client, client.running():
            await asyncio.sleep(1)
            refused = (422, {"code": "invalid_request", "detail": "Nothing of this."})
            runtime.faults["heartbeat"] = refused
            client._report_health(CredentialHealth(uuid4(), 3, START))
            await asyncio.sleep(12)
            runtime.faults.clear()
            await asyncio.sleep(60)
        assert len(reports_of(runtime)) == 1
        assert len(runtime.to("heartbeat")) > 6

    skipping(work)


EU = "https://eea.okx.com"


@pytest.mark.parametrize(
    ("exchange", "rest", "expected"),
    [
        ("binance", "https://dapi.binance.com", "https://dapi.binance.com"),
        ("okx", "https://www.okx.com", "https://www.okx.com"),
        ("okx", EU, EU),
        ("kraken", "http://127.0.0.1:9000", "http://127.0.0.1:9000"),
    ],
)
async def test_the_adapter_asks_at_the_address_it_is_given(
    exchange: str, rest: str, expected: str
) -> None:
    async with HttpTransport() as http:
        adapter, region = find_adapter(
            http, exchange, Environment.LIVE, ContractType.INVERSE, Endpoints(rest, None)
        )
        found = adapter.endpoints(Environment.LIVE, region, ContractType.INVERSE)
    assert found.rest == expected


@pytest.mark.parametrize(
    ("exchange", "rest"), [("okx", None), ("okx", "http://10.0.0.1"), ("newex", "https://new.ex")]
)
async def test_without_a_safe_address_nothing_is_asked(exchange: str, rest: str | None) -> None:
    async with HttpTransport() as http:
        with pytest.raises(NoEndpoint):
            find_adapter(
                http, exchange, Environment.LIVE, ContractType.LINEAR, Endpoints(rest, None)
            )
