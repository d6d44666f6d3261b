"""Positions: permission to open, and reports that arrive whatever happens on the way."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from botkeys.client import (
    BotClient,
    MayNotOpen,
    NotAuthenticated,
    NotReserved,
    Pace,
    Position,
    Refused,
    ReportsPending,
    TooManyReports,
    Unreachable,
)
from tests.sdk.client.conftest import Service
from tests.sdk.client.runtime import Runtime
from tests.sdk.client.skipping import now, skipping

RARELY = Pace(heartbeat=3600)
START = datetime(2026, 11, 22, 12, tzinfo=UTC)
INVALID = (422, {"code": "invalid_request", "detail": "No."})
REFUSED = (
    409,
    {
        "code": "key_inactive",
        "detail": "The key is not active.",
        "blocked_by": ["key_inactive", "asset_disabled"],
    },
)


def clock() -> datetime:
    return START + timedelta(seconds=now())


def sent(runtime: Runtime) -> list[tuple[str, str]]:
    """Return what was reported, in order: the position's id and status."""
    return [(call.path.rpartition("/")[2], call.body["status"]) for call in runtime.to("positions")]


def position(number: int, **members: Any) -> Position:
    return Position(
        id=f"p{number}", symbol="BTC-USDT-SWAP", side="long", quantity=Decimal("0.10"), **members
    )


def test_an_opening_asks_with_all_that_is_known_and_gives_what_is_stored(service: Service) -> None:
    async def work() -> None:
        runtime = Runtime(service)
        async with runtime.client(clock=clock) as client:
            opening = await client.open_position("BTC-USDT-SWAP", "short", Decimal("1E+2"))
            again = await client.renew(opening)
        first, second = runtime.to("positions")
        assert first.method == "PUT"
        assert first.body == {
            "symbol": "BTC-USDT-SWAP",
            "side": "short",
            "status": "opening",
            "quantity": "100",
            "revision": int(START.timestamp() * 1000),
        }
        assert second.path == first.path
        assert second.body["revision"] == first.body["revision"] + 1
        assert (opening.status, again.id) == ("opening", opening.id)

    skipping(work)


def test_a_refused_opening_tells_every_reason(service: Service) -> None:
    async def work() -> None:
        runtime = Runtime(service, faults={"positions": REFUSED})
        async with runtime.client() as client:
            with pytest.raises(MayNotOpen) as caught:
                await client.open_position("BTC-USDT-SWAP", "long", Decimal(1))
            assert caught.value.code == "key_inactive"
            assert caught.value.reasons == ("key_inactive", "asset_disabled")
            runtime.faults["positions"] = (409, {"code": "position_conflict", "detail": "Other."})
            with pytest.raises(Refused, match="position_conflict") as other:
                await client.open_position("BTC-USDT-SWAP", "long", Decimal(1))
            assert not isinstance(other.value, MayNotOpen)
            runtime.down = True
            with pytest.raises(Unreachable):
                await client.open_position("BTC-USDT-SWAP", "long", Decimal(1))

    skipping(work)


@pytest.mark.parametrize(
    ("status", "until"),
    [
        ("open", None),
        ("closed", None),
        ("opening", None),
        ("opening", START.isoformat()),
    ],
    ids=["open already", "closed already", "no end", "its time over"],
)
def test_only_a_reservation_that_holds_permits_an_order(
    service: Service, status: str, until: str | None
) -> None:
    async def work() -> None:
        stored = position(1, status=status).model_dump(mode="json", exclude_none=True)
        runtime = Runtime(service, faults={"positions": (200, {**stored, "expires_at": until})})
        async with runtime.client(clock=clock) as client:
            with pytest.raises(NotReserved) as caught:
                await client.open_position(
                    "BTC-USDT-SWAP", "long", Decimal("0.10"), position_id="p1"
                )
        assert (caught.value.position_id, caught.value.status) == ("p1", status)

    skipping(work)


def test_an_opening_asked_with_a_clock_that_was_set_back_is_asked_again(service: Service) -> None:
    async def work() -> None:
        runtime = Runtime(service)
        later = 10**15
        runtime.positions["p1"] = {
            **position(1, status="opening").model_dump(mode="json", exclude_none=True),
            "revision": later,
        }
        async with runtime.client(clock=clock) as client:
            opening = await client.open_position(
                "BTC-USDT-SWAP", "long", Decimal("0.10"), position_id="p1"
            )
        assert opening.revision == later + 1

    skipping(work)


def test_reports_say_when_what_and_for_which_key(service: Service) -> None:
    async def work() -> None:
        runtime = Runtime(service)
        key = {"id": str(service.binding.key_id), "label": "Perps"}
        opening = Position.model_validate(
            {"id": "a/b", "symbol": "X", "side": "long", "quantity": "2", "key": key}
        )
        async with runtime.client(clock=clock) as client:
            opened = client.opened(opening, entry_price=Decimal("0.00001"), fees=Decimal("-0.5"))
            await asyncio.sleep(60)
            client.close_position(opened, exit_price=Decimal("0.00002"))
            await client.flush()
        opened_call, closed_call = runtime.to("positions")
        assert opened_call.path == "/v1/runtime/positions/a/b"  # unquoted: one part on the wire
        assert opened_call.body == {
            "key_id": key["id"],
            "revision": int(START.timestamp() * 1000),
            "symbol": "X",
            "side": "long",
            "status": "open",
            "quantity": "2",
            "entry_price": "0.00001",
            "fees": "-0.5",
            "opened_at": "2026-11-22T12:00:00+00:00",
        }
        assert closed_call.body == opened_call.body | {
            "revision": closed_call.body["revision"],
            "status": "closed",
            "exit_price": "0.00002",
            "closed_at": "2026-11-22T12:01:00+00:00",
        }
        assert closed_call.body["revision"] > opened_call.body["revision"]

    skipping(work)


def test_reports_of_an_outage_arrive_in_order_once_it_is_over(service: Service) -> None:
    async def work() -> None:
        runtime = Runtime(service, down=True)
        async with runtime.client(clock=clock) as client, client.running():
            first = client.opened(position(1), entry_price=Decimal(1))
            await asyncio.sleep(600)
            client.opened(position(2), entry_price=Decimal(2))
            client.close_position(first, exit_price=Decimal(3))
            for fees in range(100):
                client.report(position(2, status="open", fees=Decimal(fees)))
            with pytest.raises(ReportsPending) as caught:
                await client.flush(1)
            assert caught.value.count == 3
            runtime.down, before = False, len(runtime.calls)
            at = now()
            await client.flush()
            assert now() - at <= 16
            del runtime.calls[:before]
            assert sent(runtime) == [("p1", "open"), ("p2", "open"), ("p1", "closed")]
            assert runtime.positions["p2"]["fees"] == "99"

    skipping(work)


def test_a_report_of_what_is_being_sent_waits_its_turn(service: Service) -> None:
    async def work() -> None:
        runtime = Runtime(service)
        async with runtime.client(clock=clock) as client:
            client.report(position(1, status="open", fees=Decimal(1)))
            runtime.on_call = lambda: client.report(position(1, status="open", fees=Decimal(2)))
            await client.flush()
        assert [call.body["fees"] for call in runtime.to("positions")] == ["1", "2"]

    skipping(work)


def test_a_report_that_is_never_taken_is_raised_once_and_holds_up_no_other(
    service: Service,
) -> None:
    async def work() -> None:
        runtime = Runtime(service, faults={"positions": INVALID})
        async with runtime.client(clock=clock) as client, client.running():
            client.report(position(1))
            await asyncio.sleep(1)
            runtime.faults.clear()
            client.report(position(2))
            with pytest.raises(Refused, match="invalid_request"):
                await client.flush()
            await client.flush()
            assert set(runtime.positions) == {"p2"}

    skipping(work)


def test_more_reports_than_memory_is_set_aside_for_are_not_taken(service: Service) -> None:
    async def work() -> None:
        runtime = Runtime(service)
        async with runtime.client(clock=clock) as client:
            client._positions._max_reports = 10
            for number in range(10):
                client.report(position(number))
            with pytest.raises(TooManyReports):
                client.report(position(10))
            client.report(position(0, fees=Decimal(1)))
            await client.flush()
            assert len(runtime.positions) == 10
            assert runtime.positions["p0"]["fees"] == "1"

    skipping(work)


def test_after_a_restart_with_the_clock_set_back_a_report_still_counts(service: Service) -> None:
    async def work() -> None:
        runtime = Runtime(service)
        async with runtime.client(clock=clock) as client:
            client.report(position(1))
            await client.flush()
        async with runtime.client(clock=lambda: clock() - timedelta(days=1)) as client:
            client.report(position(1, fees=Decimal(7)))
            client.report(position(1, status="closed"))
            await client.flush()
        assert runtime.positions["p1"]["status"] == "closed"
        assert len(sent(runtime)) == 5  # each of the two again, above what is stored

    skipping(work)


def test_a_revoked_token_ends_a_flush(service: Service) -> None:
    async def work() -> None:
        runtime = Runtime(service, faults={"positions": (401, {"code": "unauthenticated"})})
        async with runtime.client(clock=clock) as client:
            client.report(position(1))
            with pytest.raises(NotAuthenticated):
                await client.flush()

    skipping(work)


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["open", "closed"]), st.integers(0, 2)),
        st.tuples(st.sampled_from(["down", "up", "wait"]), st.just(0)),
    ),
    max_size=12,
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=25,
)
@given(ACTIONS)
def test_whatever_the_outages_the_service_ends_with_the_last_report_of_each_position(
    service: Service, actions: list[tuple[str, int]]
) -> None:
    async def act(runtime: Runtime, client: BotClient) -> dict[str, str]:
        last: dict[str, str] = {}
        for count, (action, number) in enumerate(actions):
            match action:
                case "down" | "up":
                    runtime.down = action == "down"
                case "wait":
                    await asyncio.sleep(7)
                case status:
                    client.report(position(number, status=status, fees=Decimal(count)))
                    last[f"p{number}"] = str(count)
        return last

    async def work() -> None:
        runtime = Runtime(service)
        async with runtime.client(clock=clock, pace=RARELY) as client, client.running():
            last = await act(runtime, client)
            runtime.down = False
            await client.flush()
        assert {name: stored["fees"] for name, stored in runtime.positions.items()} == last
        revisions: dict[str, int] = {}
        for call in runtime.to("positions"):
            assert call.body["revision"] >= revisions.get(call.path, 0)
            revisions[call.path] = call.body["revision"]

    skipping(work)
