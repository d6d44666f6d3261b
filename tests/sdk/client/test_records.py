"""Trades, equity, signals and events are sent in batches, each of one key, despite outages."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from app.domains.ingest.items import InvalidItem
from app.domains.ingest.schemas import (
    Batch,
    EquitySnapshotBatch,
    EventBatch,
    FundingBatch,
    SignalBatch,
    TradeBatch,
)
from botkeys.client import (
    BotClient,
    Fee,
    NotAuthenticated,
    NotRecordable,
    Pace,
    Position,
    ReportsPending,
    ReportsRefused,
    TooManyReports,
)
from botkeys.client.record_queue import BATCH_ITEMS
from tests.sdk.client.conftest import Service
from tests.sdk.client.runtime import Runtime
from tests.sdk.client.skipping import now, skipping

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
OTHER_KEY = UUID("0195b1c0-0000-7000-8000-0000000000bb")
BATCHES: dict[str, type[Batch[Any]]] = {
    "trades": TradeBatch,
    "funding": FundingBatch,
    "equity-snapshots": EquitySnapshotBatch,
    "signals": SignalBatch,
    "events": EventBatch,
}
ROUND_TRIP = Position.model_validate(
    {
        "id": "p1",
        "symbol": "BTC-USDT-SWAP",
        "side": "short",
        "status": "closed",
        "quantity": "1E+2",
        "entry_price": "97012.50",
        "exit_price": "96000",
        "fees": "-0.25",
        "leverage": "10",
        "margin_mode": "cross",
        "key": {"id": str(OTHER_KEY)},
        "opened_at": "2026-11-22T10:00:00Z",
        "closed_at": "2026-11-22T11:00:00Z",
    }
)


def clock() -> datetime:
    return START + timedelta(seconds=now())


def with_bot(
    service: Service, story: Callable[[Runtime, BotClient], Coroutine[Any, Any, None]]
) -> Runtime:
    runtime = Runtime(service)

    async def work() -> None:
        async with runtime.client(clock=clock, pace=Pace(heartbeat=3600)) as client:
            await story(runtime, client)

    skipping(work)
    return runtime


def test_each_kind_is_sent_with_all_that_is_known_and_nothing_else(service: Service) -> None:
    async def story(runtime: Runtime, client: BotClient) -> None:
        await client.config()
        assert client.record_trade(ROUND_TRIP, exit_reason="target") == "p1"
        equity = client.record_equity(Decimal("10250.750"), "USDT", balance=Decimal(10000))
        funding = client.record_funding("BTC-USDT-SWAP", Decimal("-1.250"), "USDT", record_id="f1")
        assert funding == "f1"
        signal = client.record_signal(
            "BTC-USDT-SWAP", "breakout", "long", score=Decimal("0.8"), acted=False, data={"n": [1]}
        )
        event = client.record_event("reconnected", "Zurück nach 3 s.", record_id="e1")
        await client.flush()
        assert event == "e1"
        assert UUID(equity).version == UUID(signal).version == 7

    runtime = with_bot(service, story)

    for kind, batch in BATCHES.items():
        (call,) = runtime.to(kind)
        assert not isinstance(batch.model_validate(call.body).items[0], InvalidItem)
    at = "2026-11-22T12:00:00+00:00"
    (trades,), (events,) = runtime.to("trades"), runtime.to("events")
    (equities,), (signals,) = runtime.to("equity-snapshots"), runtime.to("signals")
    assert trades.body["key_id"] == str(OTHER_KEY)
    assert trades.body["items"] == [
        {
            "id": "p1",
            "symbol": "BTC-USDT-SWAP",
            "side": "short",
            "quantity": "100",
            "entry_price": "97012.5",
            "exit_price": "96000",
            "fees": "-0.25",
            "leverage": "10",
            "margin_mode": "cross",
            "position_id": "p1",
            "opened_at": "2026-11-22T10:00:00+00:00",
            "closed_at": "2026-11-22T11:00:00+00:00",
            "exit_reason": "target",
        }
    ]
    (payments,) = runtime.to("funding")
    assert payments.body["items"] == [
        {"id": "f1", "at": at, "symbol": "BTC-USDT-SWAP", "amount": "-1.25", "settle": "USDT"}
    ]
    present = str(service.binding.key_id)
    assert {call.body["key_id"] for call in (events, equities, signals)} == {present}
    (item,) = equities.body["items"]
    assert {**item, "id": ""} == {
        "id": "",
        "at": at,
        "equity": "10250.75",
        "balance": "10000",
        "settle": "USDT",
        "reset": False,
    }
    (item,) = signals.body["items"]
    assert (item["score"], item["acted"], item["data"]) == ("0.8", False, {"n": [1]})
    (item,) = events.body["items"]
    assert item == {
        "id": "e1",
        "at": at,
        "kind": "reconnected",
        "level": "info",
        "message": "Zurück nach 3 s.",
    }


def test_records_go_together_after_some_seconds_and_a_full_batch_at_once(service: Service) -> None:
    async def story(runtime: Runtime, client: BotClient) -> None:
        await client.config()
        async with client.running():
            client.record_event("a", "First.")
            await asyncio.sleep(1)
            client.record_event("b", "Second.")
            assert runtime.to("events") == []
            await asyncio.sleep(3)
            for number in range(2 * BATCH_ITEMS + 1):
                client.record_event("c", str(number))
            await asyncio.sleep(0.5)
            assert [len(call.body["items"]) for call in runtime.to("events")] == [2, 1000, 1000, 1]

    with_bot(service, story)


def test_a_swap_of_keys_mixes_no_batch_and_a_bot_without_key_reports_of_its_last(
    service: Service,
) -> None:
    async def story(runtime: Runtime, client: BotClient) -> None:
        await client.config()
        client.record_event("before", "With the first key.")
        runtime.change(key={**service.config["key"], "id": str(OTHER_KEY)})
        await client.config()
        client.record_event("after", "With the second key.")
        runtime.change(key=None)
        await client.config()
        client.record_event("later", "With none.")
        await client.flush()

    runtime = with_bot(service, story)

    stated = [
        (call.body["key_id"], [item["kind"] for item in call.body["items"]])
        for call in runtime.to("events")
    ]
    assert stated == [
        (str(service.binding.key_id), ["before"]),
        (str(OTHER_KEY), ["after", "later"]),
    ]


def test_fees_by_asset_take_the_place_of_the_positions(service: Service) -> None:
    async def story(runtime: Runtime, client: BotClient) -> None:
        await client.config()
        client.record_trade(
            ROUND_TRIP, fees=[Fee("USDT", Decimal("1.50")), Fee("BNB", Decimal("-1e-7"))]
        )
        client.record_trade(ROUND_TRIP, trade_id="p2", fees=[])
        await client.flush()

    runtime = with_bot(service, story)

    (call,) = runtime.to("trades")
    assert [item["fees"] for item in call.body["items"]] == [
        [{"asset": "USDT", "amount": "1.5"}, {"asset": "BNB", "amount": "-0.0000001"}],
        [],
    ]
    items = BATCHES["trades"].model_validate(call.body).items
    assert not any(isinstance(item, InvalidItem) for item in items)


def test_records_outlive_outages_and_lost_answers_and_are_stored_once(service: Service) -> None:
    async def story(runtime: Runtime, client: BotClient) -> None:
        runtime.answers_get_lost = True
        async with client.running():
            client.record_trade(ROUND_TRIP)
            await asyncio.sleep(60)
            runtime.down, runtime.answers_get_lost = True, False
            client.record_trade(ROUND_TRIP, trade_id="p1-b")
            client.record_event("outage", "The service is away.", record_id="e1")
            await asyncio.sleep(600)
            with pytest.raises(ReportsPending) as caught:
                await client.flush(1)
            assert caught.value.count == 3
            runtime.down = False
            await client.flush()

    runtime = with_bot(service, story)

    assert list(runtime.records) == ["trades/p1", "trades/p1-b", "events/e1"]


def test_a_refused_record_is_logged_raised_once_and_never_sent_again(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(runtime: Runtime, client: BotClient) -> None:
        runtime.refuses["e2"] = "data_deleted"
        async with client.running():
            for number in range(3):
                client.record_event("kind", "Private words.", record_id=f"e{number}")
            await asyncio.sleep(60)
            with pytest.raises(ReportsRefused) as caught:
                await client.flush()
            (refusal,) = caught.value.refusals
            assert (refusal.kind, refusal.id, refusal.code) == ("events", "e2", "data_deleted")
            await client.flush()
        assert len(runtime.to("events")) == 1

    with caplog.at_level(logging.WARNING, logger="botkeys.client"):
        runtime = with_bot(service, story)

    assert list(runtime.records) == ["events/e0", "events/e1"]
    assert [record.getMessage() for record in caplog.records] == [
        "events: e2 refused: data_deleted"
    ]


def test_an_item_that_spoils_its_batch_is_found_and_keeps_no_other(service: Service) -> None:
    async def story(runtime: Runtime, client: BotClient) -> None:
        def spoil() -> None:
            spoilt = any(item["id"] == "e3" for item in runtime.calls[-1].body["items"])
            runtime.faults = {"events": (422, {"code": "invalid_request"})} if spoilt else {}
            runtime.on_call = spoil

        runtime.on_call = spoil
        for number in range(8):
            client.record_event("kind", "Words.", record_id=f"e{number}")
        with pytest.raises(ReportsRefused, match=r"1 records \(events e3: invalid_request\)"):
            await client.flush()

    runtime = with_bot(service, story)

    assert sorted(runtime.records) == [f"events/e{number}" for number in range(8) if number != 3]


def test_a_batch_that_is_refused_as_a_whole_is_not_sent_again(service: Service) -> None:
    async def story(runtime: Runtime, client: BotClient) -> None:
        runtime.faults["events"] = (409, {"code": "no_key", "detail": "None."})
        client.record_event("kind", "Words.")
        client.record_event("kind", "Words.")
        with pytest.raises(ReportsRefused) as caught:
            await client.flush()
        assert [refusal.code for refusal in caught.value.refusals] == ["no_key", "no_key"]
        assert len(runtime.to("events")) == 1

    with_bot(service, story)


def test_a_flood_of_one_kind_is_not_taken_and_leaves_room_for_the_others(service: Service) -> None:
    async def story(runtime: Runtime, client: BotClient) -> None:
        runtime.down = True
        client._records._max_bytes = 10_000
        for _ in range(20):
            client.record_signal("BTC-USDT-SWAP", "noise", "flat")
        with pytest.raises(TooManyReports):
            client.record_signal("BTC-USDT-SWAP", "noise", "flat", data={"n": "x" * 10_000})
        client.record_trade(ROUND_TRIP)
        runtime.down = False
        await client.flush()
        client.record_signal("BTC-USDT-SWAP", "noise", "flat", record_id="after")

    runtime = with_bot(service, story)

    assert {"trades/p1", "signals/after"} <= runtime.records.keys()


@pytest.mark.parametrize(
    "data",
    [{"n": float("nan")}, {"n": object()}, {"n": "\ud800"}, {"n": "x" * 70_000}],
    ids=["no number", "no JSON", "half a character", "too long"],
)
def test_what_no_service_takes_is_refused_where_it_is_recorded(
    service: Service, data: dict[str, Any], with_locals: Callable[[BaseException], str]
) -> None:
    async def story(runtime: Runtime, client: BotClient) -> None:
        with pytest.raises(NotRecordable) as caught:
            client.record_event("kind", "Words.", data=data)
        assert caught.value.__context__ is None
        await client.flush()
        assert runtime.calls == []

    with_bot(service, story)


def test_the_end_of_the_client_delivers_what_waits_and_takes_no_longer_than_that(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(runtime: Runtime, client: BotClient) -> None:
        client.record_event("ended", "The bot stops.", record_id="last")
        client.report(ROUND_TRIP)

    runtime = with_bot(service, story)
    assert list(runtime.records) == ["events/last"]
    assert list(runtime.positions) == ["p1"]

    async def work() -> None:
        runtime.down = True
        async with runtime.client(clock=clock) as client:
            client.record_event("ended", "The bot stops.")
        assert now() == pytest.approx(5)

    skipping(work)
    assert caplog.messages[-1] == "closed with 1 reports that have not reached the service"


def test_a_revoked_token_ends_a_flush_and_nothing_is_tried_at_the_end(service: Service) -> None:
    async def story(runtime: Runtime, client: BotClient) -> None:
        runtime.faults["events"] = (401, {"code": "unauthenticated"})
        client.record_event("kind", "Words.")
        with pytest.raises(NotAuthenticated):
            await client.flush()

    runtime = with_bot(service, story)

    assert len(runtime.calls) == 1
