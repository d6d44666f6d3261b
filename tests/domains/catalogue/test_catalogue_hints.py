"""A change in a catalogue is notified to the bots that it concerns, and to no others."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest_asyncio
from sqlalchemy import text

from app.api.streaming import StreamLimits
from app.context import Context
from app.db import notifications
from app.db.engine import Database
from app.domains.catalogue.refresher import CatalogueRefresher, Intervals
from app.simulator import Simulator
from botkeys.exchanges.model import Instrument, Ticker
from tests.conftest import open_world
from tests.support.catalogue import BINANCE, instrument
from tests.support.streaming import streaming
from tests.support.variants import add_unchecked
from tests.support.world import Bot, User, World

BTC, ETH, ODD = (instrument(f"{base}USDT", max_leverage="100") for base in ("BTC", "ETH", "ODD"))
ALWAYS = Intervals(prices=timedelta(0), instruments=timedelta(0))


@pytest_asyncio.fixture
async def quiet_world(
    shared_context: Context, simulator: Simulator, healthy: None, copied_database: Database
) -> AsyncIterator[World]:
    """Yield a world with commits, in which nothing else fetches a catalogue."""
    del healthy
    async with open_world(shared_context, copied_database, simulator, background=False) as opened:
        yield opened


class Listing:
    """An exchange that lists what the test sets."""

    def __init__(self) -> None:
        self.listed: Sequence[Instrument] = ()
        self.price = Decimal(1)

    def adapter(self, _exchange: str) -> "Listing":
        return self

    async def instruments(self, *_where: Any) -> Sequence[Instrument]:
        return self.listed

    async def tickers(self, *_where: Any) -> Sequence[Ticker]:
        return [Ticker(listed.symbol, self.price, None) for listed in self.listed]


class Market:
    """Refreshes a catalogue and receives the notifications that follow."""

    def __init__(self, world: World, received: "asyncio.Queue[str]") -> None:
        self.exchange = Listing()
        exchanges: Any = self.exchange
        self._sessions = world.context.database.sessions
        self._refresher = CatalogueRefresher(
            world.context.database, exchanges, ALWAYS, background=False
        )
        self._received = received

    async def list(self, *listed: Instrument) -> set[UUID]:
        """List these instruments and return the bots that were notified."""
        self.exchange.listed = listed
        await self._refresher.refresh(BINANCE)
        return await self.notified()

    async def notified(self) -> set[UUID]:
        """Return the bots that were notified since the last call."""
        async with self._sessions.begin() as session:
            await session.execute(text(f"SELECT pg_notify('{notifications.CHANNEL}', 'end')"))
        bots = set[UUID]()
        async with asyncio.timeout(60):
            while (payload := await self._received.get()) != "end":
                _, bot = notifications.read(payload)
                assert bot is not None
                bots.add(bot)
        return bots


@asynccontextmanager
async def market_of(world: World) -> AsyncIterator[Market]:
    received = asyncio.Queue[str]()
    url = world.context.database.engine.url.set(drivername="postgresql")
    connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    try:
        await connection.add_listener(
            notifications.CHANNEL, lambda *arguments: received.put_nowait(arguments[3])
        )
        yield Market(world, received)
    finally:
        await connection.close()


async def trading_bot(user: User, number: int, *symbols: str) -> Bot:
    """Return a bot with a key of the catalogue that has these assets."""
    bot = await user.mint((await user.add_bot(f"bot {number}"))["id"])
    key = await add_unchecked(user, number)
    assert (await user.assign(str(bot.id), key["id"])).status_code == 200
    for symbol in symbols:
        body = {"symbol": symbol, "leverage": "50"}
        added = await user.post(f"/v1/keys/{key['id']}/assets", body)
        assert added.status_code == 201, added.text
    return bot


async def test_the_bots_that_may_trade_what_changed_are_notified_and_no_others(
    quiet_world: World,
) -> None:
    alice, bob = quiet_world.user(), quiet_world.user("bob")
    none = await trading_bot(alice, 1)
    elsewhere, _, _ = await quiet_world.user("carol").ready_bot()
    async with market_of(quiet_world) as market:
        await market.notified()
        assert await market.list(BTC, ETH, ODD) == {none.id}, "the first is news for all of it"
        one = await trading_bot(alice, 2, "BTCUSDT", "ETHUSDT")
        two = await trading_bot(bob, 3, "ETHUSDT")
        await market.notified()

        assert await market.list(BTC, ETH, ODD) == set()
        market.exchange.price = Decimal(2)
        assert await market.list(BTC, ETH, ODD) == set(), "prices move all the time"
        lower = replace(BTC, max_leverage=Decimal(20))
        assert await market.list(lower, ETH, ODD) == {one.id}
        finer = replace(ETH, tick_size=Decimal("0.01"))
        assert await market.list(lower, finer, ODD) == {one.id, two.id}
        assert await market.list(lower, finer, replace(ODD, lot_size=Decimal(3))) == set()
        assert await market.list(lower) == {one.id, two.id}, "delisted"
        assert await market.list(lower, finer) == {one.id, two.id}, "listed again"
        assert elsewhere.id not in {none.id, one.id, two.id}


async def test_a_lowered_maximum_reaches_the_stream_of_the_bot_by_its_hint(
    quiet_world: World,
) -> None:
    hints_alone = StreamLimits(reread=3600)
    async with market_of(quiet_world) as market, streaming(quiet_world, hints_alone) as server:
        await market.list(BTC)
        bot = await trading_bot(quiet_world.user(), 1, "BTCUSDT")
        async with server.stream(bot) as stream:
            [asset] = (await stream.config())["assets"]
            assert asset["may_open_positions"]
            await market.list(replace(BTC, max_leverage=Decimal(20)))
            [asset] = (await stream.config())["assets"]
            assert (asset["max_leverage"], asset["blocked_by"]) == ("20", ["leverage_above_max"])


async def test_leverage_that_a_check_of_a_key_reveals_is_notified_to_its_bot(
    quiet_world: World,
) -> None:
    """The maxima are of one exchange account: another account's bot learns nothing of them."""
    alice, bob = quiet_world.user(), quiet_world.user("bob")
    async with market_of(quiet_world) as market:
        await market.list(replace(BTC, max_leverage=None), replace(ODD, max_leverage=None))
        bot = await trading_bot(alice, 1, "BTCUSDT")
        other = await trading_bot(bob, 2, "BTCUSDT")
        (key,) = (await alice.get("/v1/keys")).json()["items"]
        await market.notified()
        new = quiet_world.credentials["binance"]["testnet"]["trade"]
        known = {**new, "confirm_same_account": True}

        replaced = await alice.put(f"/v1/keys/{key['id']}/credentials", known)
        assert replaced.status_code == 200, replaced.text
        assert await market.notified() == {bot.id}
        maxima = []
        for each in (bot, other):
            config = (await each.get("/v1/runtime/config")).json()
            maxima.append(config["assets"][0]["max_leverage"])
        assert Decimal(maxima[0]) > 1
        assert maxima[1] is None
