"""What a bot that was restarted reads back, and goes on with."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from botkeys.client import MalformedAnswer, Position, Unreachable
from tests.sdk.client.conftest import Service
from tests.sdk.client.runtime import Runtime
from tests.sdk.client.skipping import now, skipping

START = datetime(2026, 11, 22, 12, tzinfo=UTC)


def clock() -> datetime:
    return START + timedelta(seconds=now())


def stored(name: str, status: str = "open", **members: Any) -> dict[str, Any]:
    until = {"expires_at": "2126-11-22T12:00:00Z"} if status == "opening" else {}
    key = {"id": "0195b1c0-0000-7000-8000-0000000000aa", "label": "Perps"}
    return {
        "id": name,
        "symbol": "BTC-USDT-SWAP",
        "side": "long",
        "status": status,
        "quantity": "0.5",
        "revision": 10**15,
        "key": key,
        **until,
        **members,
    }


def holding(service: Service, *positions: dict[str, Any]) -> Runtime:
    return Runtime(service, positions={position["id"]: position for position in positions})


def test_all_pages_are_read_and_later_reports_have_higher_revisions(service: Service) -> None:
    async def work() -> None:
        names = ["a b", "a/c", "d", "e", "f"]
        runtime = holding(
            service, *map(stored, names), stored("g", "opening"), stored("h", "closed")
        )
        async with runtime.client(clock=clock) as bot:
            held = await bot.positions()
            assert [position.id for position in held] == [*names, "g"]
            assert len(runtime.to("positions")) == 3
            last = held[-1]
            assert (last.status, last.revision) == ("opening", 10**15)
            assert last.expires_at is not None
            renewed = await bot.renew(last)
            bot.close_position(held[0], exit_price=Decimal(98_000))
            await bot.flush()
        assert renewed.revision == 10**15 + 1
        renewal, closing = (call.body for call in runtime.to("positions/"))
        assert renewal["revision"] == closing["revision"] == 10**15 + 1
        assert closing["key_id"] == "0195b1c0-0000-7000-8000-0000000000aa"

    skipping(work)


def test_what_was_reported_and_not_delivered_counts(service: Service) -> None:
    async def work() -> None:
        runtime = holding(service, stored("a"), stored("b"), stored("c", "opening"))
        async with runtime.client(clock=clock) as bot:
            a, b, c = await bot.positions()
            bot.close_position(a, exit_price=Decimal(98_000))
            bot.opened(c, entry_price=Decimal(97_000))
            new = Position(id="n", symbol="BTC-USDT-SWAP", side="short", quantity=Decimal(1))
            bot.report(new)

            # This arrives while the list is on its way.
            def halve() -> None:
                bot.report(b.model_copy(update={"quantity": Decimal("0.25")}))

            runtime.on_call = halve
            held = {position.id: position for position in await bot.positions()}

        assert set(held) == {"b", "c", "n"}
        assert held["b"].quantity == Decimal("0.25")
        assert (held["c"].status, held["c"].entry_price) == ("open", Decimal(97_000))
        assert held["c"].revision == 10**15
        assert held["c"].key == c.key
        assert held["n"] == new

    skipping(work)


def test_a_list_that_does_not_come_or_does_not_end_is_an_error(service: Service) -> None:
    async def work() -> None:
        runtime = holding(service)
        async with runtime.client() as bot:
            runtime.down = True
            with pytest.raises(Unreachable):
                await bot.positions()
            runtime.down = False
            endless = {"items": [stored("a")], "next_cursor": "again"}
            runtime.faults = {"positions": (200, endless)}
            with pytest.raises(MalformedAnswer, match="does not end"):
                await bot.positions()
            assert len(runtime.to("positions")) == 3
            runtime.faults = {}
            assert await bot.positions() == []

    skipping(work)
