"""Bots that stop sending heartbeats are announced once, by the first process to notice."""

import asyncio
from collections import Counter
from datetime import timedelta
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import ColumnElement, func, select, text, true, update

from app.db.models import BotEvent, Key, Presence
from app.worker import presence
from app.worker.loop import purge_tasks, work
from app.worker.presence import PresenceSweep, announce_offline
from tests.support.world import Bot, User, World


async def online_bots(user: User, number: int) -> list[Bot]:
    bots = [await user.mint((await user.add_bot(f"bot {n}"))["id"]) for n in range(number)]
    for bot in bots:
        assert (await bot.post("/v1/runtime/heartbeat")).status_code == 200
    return bots


async def lapse(world: World, **columns: Any) -> None:
    until = func.statement_timestamp() - timedelta(seconds=5)
    async with world.context.database.sessions.begin() as session:
        await session.execute(update(Presence).values(lease_until=until, **columns))


async def offline_events(world: World) -> list[BotEvent]:
    async with world.context.database.sessions() as session:
        query = select(BotEvent).where(BotEvent.kind == "offline")
        return list((await session.scalars(query)).all())


async def test_a_bot_whose_lease_lapsed_is_announced_offline_at_that_time(world: World) -> None:
    user = world.user()
    bot, _, key = await user.ready_bot()
    await bot.post("/v1/runtime/heartbeat")
    sessions = world.context.database.sessions
    assert await announce_offline(sessions) == 0
    await lapse(world)

    assert await announce_offline(sessions) == 1

    [event] = await offline_events(world)
    async with sessions() as session:
        row = (await session.scalars(select(Presence))).one()
    assert (event.level, event.bot_id, str(event.key_id)) == ("warning", bot.id, key["id"])
    assert event.environment == "testnet"
    assert event.at == row.lease_until
    assert row.announced_online is False
    assert await announce_offline(sessions) == 0


async def test_several_sweeps_and_heartbeats_at_once_announce_each_change_once(
    busy_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "BATCH", 5)
    bots = await online_bots(busy_world.user(), 24)
    sessions = busy_world.context.database.sessions
    for turn in range(4):
        await lapse(busy_world)
        returning = bots[turn::2]
        await asyncio.gather(
            *(announce_offline(sessions) for _ in range(3)),
            *(bot.post("/v1/runtime/heartbeat") for bot in returning),
        )
        await announce_offline(sessions)
        async with sessions() as session:
            query = select(BotEvent.bot_id, BotEvent.kind, func.count())
            rows = await session.execute(query.group_by(BotEvent.bot_id, BotEvent.kind))
            counts = {(bot_id, kind): count for bot_id, kind, count in rows}
            shown = await session.execute(select(Presence.bot_id, Presence.announced_online))
            now = {bot_id: online for bot_id, online in shown}  # noqa: C416  # rows are no pairs
        assert {bot.id for bot in returning} == {bot_id for bot_id, online in now.items() if online}
        for bot in bots:
            # A bot went offline as often as it came online, unless it is still online.
            left = counts[bot.id, "online"] - counts[bot.id, "offline"]
            assert left == (1 if now[bot.id] else 0)
    assert Counter(kind for _, kind in counts)["offline"] == 24


async def test_a_bot_whose_row_is_held_is_left_to_the_next_turn(busy_world: World) -> None:
    held, free = await online_bots(busy_world.user(), 2)
    await lapse(busy_world)
    sessions = busy_world.context.database.sessions
    async with asyncio.timeout(60), sessions() as holding:
        await holding.execute(
            text("SELECT 1 FROM presence WHERE account_id = :account AND bot_id = :bot FOR UPDATE"),
            {"account": held.account_id, "bot": held.id},
        )
        assert await announce_offline(sessions) == 1
        assert [event.bot_id for event in await offline_events(busy_world)] == [free.id]
    assert await announce_offline(sessions) == 1


class Looking(PresenceSweep):
    """A sweep for which bots are many however few there are. It counts its looks at all of them."""

    def __init__(self, world: World) -> None:
        super().__init__(world.context.database.sessions)
        self.reached: list[float] = []

    async def _remember(self) -> float:
        self.reached.append(await super()._remember())
        return self.reached[-1]

    def look_next_turn(self) -> None:
        self._next_look = monotonic()


async def test_many_bots_are_looked_at_now_and_then_and_none_is_announced_late(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule R104."""
    monkeypatch.setattr(presence, "FEW", 0)
    back, gone, ahead = await online_bots(world.user(), 3)
    sessions = world.context.database.sessions
    sweep = Looking(world)
    async with sessions.begin() as session:
        soon = func.statement_timestamp() + timedelta(seconds=1)
        one = Presence.bot_id.in_([back.id, gone.id])
        await session.execute(update(Presence).where(one).values(lease_until=soon))
    for _ in range(3):
        assert await sweep.turn() == 0
    assert len(sweep.reached) == 1
    await back.post("/v1/runtime/heartbeat")
    await asyncio.sleep(1)

    assert await sweep.turn() == 1
    assert len(sweep.reached) == 1
    (event,) = await offline_events(world)
    assert event.bot_id == gone.id

    await lapse(world)
    sweep.look_next_turn()
    assert await sweep.turn() == 2
    assert len(sweep.reached) == 2
    assert {event.bot_id for event in await offline_events(world)} == {back.id, gone.id, ahead.id}


async def test_looks_reach_as_far_as_half_of_the_shortest_lease(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule R104."""
    monkeypatch.setattr(presence, "FEW", 0)
    short, *_ = await online_bots(world.user(), 3)
    sweep = Looking(world)

    async def lease(seconds: float, of: ColumnElement[bool]) -> None:
        now = func.statement_timestamp()
        until = now + timedelta(seconds=seconds)
        async with world.context.database.sessions.begin() as session:
            given = {"last_heartbeat_at": now, "lease_until": until}
            await session.execute(update(Presence).where(of).values(**given))

    async def look() -> None:
        sweep.look_next_turn()
        assert await sweep.turn() == 0

    await lease(90, true())
    # The first look knows no lease; the next one reaches as far as what it found allows.
    await look()
    await look()
    await lease(600, true())
    await look()
    await look()
    await lease(30, Presence.bot_id == short.id)
    await look()
    assert sweep.reached == pytest.approx([20, 45, 45, 60, 20], abs=0.001)


async def test_the_worker_tells_of_bots_that_went_and_keys_that_expire(busy_world: World) -> None:
    bot, _, _ = await busy_world.user().ready_bot()
    await bot.post("/v1/runtime/heartbeat")
    await lapse(busy_world)
    database, stop = busy_world.context.database, asyncio.Event()
    async with database.sessions.begin() as session:
        await session.execute(update(Key).values(expires_at=func.statement_timestamp()))

    working = asyncio.create_task(work(purge_tasks(database), stop))

    wanted = {"online", "offline", "key_expired"}
    kinds = select(BotEvent.kind)
    async with asyncio.timeout(60), database.sessions() as session:
        while set(await session.scalars(kinds)) != wanted:  # noqa: ASYNC110  # nothing else signals it
            await asyncio.sleep(0.01)
    stop.set()
    async with asyncio.timeout(60):
        await working
