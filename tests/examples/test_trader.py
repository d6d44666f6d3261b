"""The example's bot with an in-memory service, prices of its own, and a clock that jumps."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from botkeys.client import BotConfig, ConfigAsset, Pace, Position
from botkeys.transport.client import HttpTransport
from examples.mean_reversion import MeanReversion
from examples.paper import Books, Quote, gain
from examples.prices import Prices
from examples.trader import Trader
from tests.sdk.client.conftest import make_service
from tests.sdk.client.runtime import Runtime
from tests.sdk.client.skipping import skipping

ASSET = {"symbol": "BTCUSDT", "min_quantity": "0.001", "price": "100", "enabled": True}
REFUSED = (
    409,
    {"code": "key_inactive", "detail": "The key is not active.", "blocked_by": ["key_inactive"]},
)


class SetPrices(Prices):
    now = Decimal(100)

    async def of(self, config: BotConfig, asset: ConfigAsset) -> Decimal | None:
        del config, asset
        return self.now


@dataclass
class Scene:
    runtime: Runtime
    prices: SetPrices
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    printed: list[str] = field(default_factory=list)

    def statuses(self) -> list[str]:
        return [call.body["status"] for call in self.runtime.to("positions")]


def trading(story: Callable[[Scene], Awaitable[None]], after: Callable[[Scene], None]) -> None:
    """Let the bot look once a second during the story, and stop it at the story's end."""

    async def work() -> None:
        runtime = Runtime(make_service("bybit"))
        runtime.service.config["assets"] = [ASSET]
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(HttpTransport())
            client = await stack.enter_async_context(runtime.client(pace=Pace(heartbeat=100)))
            await stack.enter_async_context(client.running())
            scene = Scene(runtime, SetPrices(http))
            rule = MeanReversion(window=2, hold=60)
            books = Books(client, every=10, say=scene.printed.append)
            trader = Trader(
                client, scene.prices, rule, books, symbol=None, tick=1, say=scene.printed.append
            )
            task = asyncio.create_task(trader.trade(scene.stop))
            await story(scene)
            scene.stop.set()
            await task
        after(scene)

    skipping(work)


async def open_one(scene: Scene) -> None:
    scene.prices.now = Decimal(100)
    await asyncio.sleep(5)
    scene.prices.now = Decimal(99)
    await asyncio.sleep(2)
    assert scene.printed[-1] == "opened long 0.001 BTCUSDT at 99"


def test_it_asks_opens_and_closes_and_reports_each() -> None:
    async def story(scene: Scene) -> None:
        await open_one(scene)
        scene.prices.now = Decimal(100)
        await asyncio.sleep(2)

    def after(scene: Scene) -> None:
        assert scene.statuses() == ["opening", "open", "closed"]
        (stored,) = scene.runtime.positions.values()
        assert (stored["entry_price"], stored["exit_price"]) == ("99", "100")
        assert scene.printed[-1] == "closed long BTCUSDT at 100: target"

    trading(story, after)


def test_a_refused_opening_is_asked_again_only_once_more_than_a_price_has_changed() -> None:
    async def story(scene: Scene) -> None:
        runtime = scene.runtime
        stream = await runtime.stream()
        runtime.faults["positions"] = REFUSED
        for second in range(20):
            scene.prices.now = Decimal(100 + second % 2 * 10)
            stream.send(runtime.change(assets=[{**ASSET, "price": str(100 + second)}]))
            await asyncio.sleep(1)
        assert scene.printed == ["may not open BTCUSDT: key_inactive"]
        runtime.faults.clear()
        stream.send(runtime.change(assets=[{**ASSET, "leverage": "3"}]))
        scene.prices.now = Decimal(90)
        await asyncio.sleep(3)
        assert scene.printed[1].startswith("opened ")

    def after(scene: Scene) -> None:
        assert scene.statuses() == ["opening", "opening", "open", "closed"]

    trading(story, after)


def test_exits_go_on_while_nothing_may_be_opened_and_while_the_service_is_away() -> None:
    async def story(scene: Scene) -> None:
        runtime = scene.runtime
        stream = await runtime.stream()
        await open_one(scene)
        stream.send(runtime.change(may_open_positions=False, blocked_by=["key_inactive"]))
        await asyncio.sleep(1)
        runtime.down = True
        scene.prices.now = Decimal(80)
        await asyncio.sleep(2)
        assert scene.printed[-1] == "closed long BTCUSDT at 80: stop"
        scene.prices.now = Decimal(90)
        await asyncio.sleep(1)
        assert scene.printed[-1] == "no permission to be had: unreachable"
        runtime.down = False
        await asyncio.sleep(30)

    def after(scene: Scene) -> None:
        first = next(iter(scene.runtime.positions.values()))
        assert (first["status"], first["exit_price"]) == ("closed", "80")

    trading(story, after)


def test_what_is_open_is_closed_when_the_bot_stops() -> None:
    def after(scene: Scene) -> None:
        assert scene.printed[-1] == "closed long BTCUSDT at 99: the bot stops"
        assert scene.statuses() == ["opening", "open", "closed"]

    trading(open_one, after)


def test_a_position_whose_key_was_taken_away_is_left_to_a_person() -> None:
    async def story(scene: Scene) -> None:
        stream = await scene.runtime.stream()
        await open_one(scene)
        stream.send(scene.runtime.change(key=None, assets=[]))
        await asyncio.sleep(5)

    def after(scene: Scene) -> None:
        assert "for a person to close" in scene.printed[-1]
        assert scene.statuses() == ["opening", "open"]

    trading(story, after)


def test_round_trips_signals_equity_and_events_are_recorded() -> None:
    async def story(scene: Scene) -> None:
        scene.runtime.service.config["assets"] = [
            {**ASSET, "settle": "USDT", "contract_size": "0.5"}
        ]
        await open_one(scene)
        scene.prices.now = Decimal(100)
        await asyncio.sleep(12)

    def after(scene: Scene) -> None:
        records = scene.runtime.records
        (position_id,) = scene.runtime.positions
        trade = records[f"trades/{position_id}"]
        assert (trade["entry_price"], trade["exit_price"]) == ("99", "100")
        assert trade["exit_reason"] == "target"
        reported: dict[str, list[Any]] = {}
        for name, record in records.items():
            reported.setdefault(name.partition("/")[0], []).append(record)
        assert [record["kind"] for record in reported["events"]] == ["stopped"]
        assert [(each["direction"], each["acted"]) for each in reported["signals"]] == [
            ("long", True)
        ]
        equities = [record["equity"] for record in reported["equity-snapshots"]]
        assert equities == ["10000", "10000.0005", "10000.0005"]

    trading(story, after)


@pytest.mark.parametrize(
    ("kind", "side", "size", "expected"),
    [
        ("linear", "long", "0.01", "200"),
        ("linear", "short", "0.01", "-200"),
        ("inverse", "long", "10", "0.001"),
    ],
)
def test_the_paper_account_knows_linear_and_inverse_contracts(
    kind: str, side: str, size: str, expected: str
) -> None:
    position = Position(symbol="X", side=side, quantity=Decimal(2), entry_price=Decimal(10_000))
    asset = ConfigAsset(symbol="X", contract_size=Decimal(size))
    assert gain(position, Quote(Decimal(20_000), asset, kind)) == Decimal(expected)
