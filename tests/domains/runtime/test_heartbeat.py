"""HeartbeatWriter: heartbeats are acknowledged once stored, in batches, with events."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import func, select, text, update

from app.db.driver import BatchExecutor, Rows, Statement
from app.db.models import BotEvent, Presence
from app.domains.runtime.heartbeat.pace import HeartbeatPace
from app.domains.runtime.heartbeat.schemas import HeartbeatAnswer
from app.domains.runtime.heartbeat.writer import BATCH, BEAT, HeartbeatWriter
from tests.support.variants import add_unchecked, changed
from tests.support.waiting import until_waiting
from tests.support.world import Bot, User, World

LEASE = timedelta(seconds=30)


async def bots_of(user: User, number: int) -> list[Bot]:
    return [await user.mint((await user.add_bot(f"bot {n}"))["id"]) for n in range(number)]


async def beat(bot: Bot) -> dict[str, Any]:
    answer = await bot.post("/v1/runtime/heartbeat")
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    HeartbeatAnswer.model_validate(document)
    return document


async def recorded_events(world: World) -> list[tuple[str, str]]:
    """Return kind and level of all events, in order."""
    async with world.context.database.sessions() as session:
        rows = await session.execute(select(BotEvent.kind, BotEvent.level).order_by(BotEvent.at))
        return [(row.kind, row.level) for row in rows]


async def set_lease(world: World, seconds: float, **columns: Any) -> None:
    """Let all leases end this many seconds from now."""
    until = func.statement_timestamp() + timedelta(seconds=seconds)
    async with world.context.database.sessions.begin() as session:
        await session.execute(update(Presence).values(lease_until=until, **columns))


class GatedReader:
    """Lets batches through one by one, and records how many bots each had."""

    def __init__(self, inner: BatchExecutor) -> None:
        self._inner = inner
        self.arrived = asyncio.Semaphore(0)
        self.gate = asyncio.Semaphore(0)
        self.sizes: list[int] = []

    async def fetch(self, statement: Statement, **parameters: Any) -> Rows:
        return await self._inner.fetch(statement, **parameters)

    async def fetch_many(self, statement: Statement, many: Sequence[dict[str, Any]]) -> Rows:
        if statement is BEAT:
            self.sizes.append(sum(len(parameters["bots"]) for parameters in many))
            self.arrived.release()
            await self.gate.acquire()
        return await self._inner.fetch_many(statement, many)


class FailingReader:
    """Loses the connection before the answer arrives."""

    async def fetch(self, statement: Statement, **parameters: Any) -> Rows:
        del statement, parameters
        raise asyncpg.ConnectionDoesNotExistError("connection was closed")

    async def fetch_many(self, statement: Statement, many: Sequence[dict[str, Any]]) -> Rows:
        del statement, many
        raise asyncpg.ConnectionDoesNotExistError("connection was closed")


class FailingForOne:
    """Has a server that cannot write one account's rows."""

    def __init__(self, inner: BatchExecutor, account_id: UUID) -> None:
        self._inner = inner
        self._account_id = account_id

    async def fetch(self, statement: Statement, **parameters: Any) -> Rows:
        return await self._inner.fetch(statement, **parameters)

    async def fetch_many(self, statement: Statement, many: Sequence[dict[str, Any]]) -> Rows:
        if any(parameters["account"] == self._account_id for parameters in many):
            raise asyncpg.InternalServerError("the node of these rows is away")
        return await self._inner.fetch_many(statement, many)


@asynccontextmanager
async def heartbeats_over(world: World, executor: BatchExecutor) -> AsyncIterator[HeartbeatWriter]:
    database = replace(world.context.database, autocommit=executor)
    heartbeat_writer = HeartbeatWriter(database, world.context.metrics, HeartbeatPace(500, LEASE))
    yield heartbeat_writer
    await heartbeat_writer.close()


async def test_a_process_that_starts_asks_for_heartbeats_as_often_as_others_did(
    world: World,
) -> None:
    """Rule R101."""
    bot, _, _ = await world.user().ready_bot()
    await beat(bot)
    await set_lease(world, 90, last_heartbeat_at=func.statement_timestamp())
    async with heartbeats_over(world, world.context.database.autocommit) as heartbeat_writer:
        assert heartbeat_writer.pace.next_in == 10
        assert await heartbeat_writer.beat(bot.account_id, bot.id)
        assert heartbeat_writer.pace.next_in == 30
        assert heartbeat_writer.pace.lease == 3 * LEASE


async def test_a_bot_is_online_after_its_first_heartbeat_and_offline_after_its_lease(
    world: World,
) -> None:
    user = world.user()
    bot, document, _ = await user.ready_bot()
    assert (document["online"], document["last_heartbeat_at"]) == (False, None)

    answer = await beat(bot)

    config = (await bot.get("/v1/runtime/config")).json()
    assert answer == {
        "config_version": config["version"],
        "may_open_positions": config["may_open_positions"],
        "next_in": 10,
    }
    shown = (await user.get(f"/v1/bots/{bot.id}")).json()
    assert shown["online"] is True
    assert shown["last_heartbeat_at"] is not None
    async with world.context.database.sessions() as session:
        lease = await session.scalar(select(Presence.lease_until - Presence.last_heartbeat_at))
    assert lease is not None
    assert LEASE <= lease < 2 * LEASE
    await set_lease(world, -0.001)
    assert (await user.get(f"/v1/bots/{bot.id}")).json()["online"] is False


@pytest.mark.parametrize("body", [None, {}], ids=["no body", "an empty one"])
async def test_a_plain_heartbeat_needs_no_body(world: World, body: Any) -> None:
    [bot] = await bots_of(world.user(), 1)

    answer = await bot.post("/v1/runtime/heartbeat", body)

    assert answer.status_code == 200, answer.text


async def test_coming_online_is_recorded_once_with_the_key_that_the_bot_has(world: World) -> None:
    user = world.user()
    bot, _, key = await user.ready_bot()

    for _ in range(3):
        await beat(bot)

    async with world.context.database.sessions() as session:
        [event] = (await session.scalars(select(BotEvent))).all()
        heartbeat_at = await session.scalar(select(Presence.lease_until - LEASE))
    assert (event.kind, event.level) == ("online", "info")
    assert (event.account_id, event.bot_id, str(event.key_id)) == (
        bot.account_id,
        bot.id,
        key["id"],
    )
    assert event.environment == "testnet"
    assert heartbeat_at is not None
    assert event.at <= heartbeat_at


async def test_a_bot_that_returns_before_anyone_saw_it_go_went_offline_and_online(
    world: World,
) -> None:
    [bot] = await bots_of(world.user(), 1)
    await beat(bot)
    await set_lease(world, -60)
    async with world.context.database.sessions() as session:
        ended = await session.scalar(select(Presence.lease_until))

    await beat(bot)

    async with world.context.database.sessions() as session:
        events = (await session.scalars(select(BotEvent).order_by(BotEvent.id))).all()
    assert [(event.kind, event.level) for event in events[1:]] == [
        ("offline", "warning"),
        ("online", "info"),
    ]
    assert events[1].at == ended
    assert {event.key_id for event in events} == {None}


async def test_a_bot_that_was_announced_offline_only_comes_online(world: World) -> None:
    [bot] = await bots_of(world.user(), 1)
    await beat(bot)
    await set_lease(world, -60, announced_online=False)

    await beat(bot)

    assert await recorded_events(world) == [("online", "info")] * 2


async def test_heartbeats_that_wait_are_written_together_and_none_before_the_commit(
    busy_world: World,
) -> None:
    bots = await bots_of(busy_world.user(), 8)
    await asyncio.gather(*(beat(bot) for bot in bots))
    await set_lease(busy_world, 0)
    gated = GatedReader(busy_world.context.database.autocommit)
    async with heartbeats_over(busy_world, gated) as heartbeats, asyncio.timeout(60):
        first = asyncio.create_task(heartbeats.beat(bots[0].account_id, bots[0].id))
        await gated.arrived.acquire()
        others = [
            asyncio.create_task(heartbeats.beat(bot.account_id, bot.id)) for bot in bots[1:] * 2
        ]
        gated.gate.release()
        await first
        await gated.arrived.acquire()
        assert not any(other.done() for other in others)
        gated.gate.release()
        assert await asyncio.gather(*others) == [True] * len(others)

    assert gated.sizes == [1, 7]
    async with busy_world.context.database.sessions() as session:
        writers = await session.scalar(text("SELECT count(DISTINCT xmin::text) FROM presence"))
        left = select(func.count()).where(Presence.lease_until < func.statement_timestamp())
        assert await session.scalar(left) == 0
    assert writers == 2


async def test_a_batch_has_an_end(busy_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert BATCH == 1000
    monkeypatch.setattr("app.domains.runtime.heartbeat.writer.BATCH", 3)
    bots = await bots_of(busy_world.user(), 7)
    await asyncio.gather(*(beat(bot) for bot in bots))
    gated = GatedReader(busy_world.context.database.autocommit)
    for _ in range(3):
        gated.gate.release()
    async with heartbeats_over(busy_world, gated) as heartbeats, asyncio.timeout(60):
        beats = await asyncio.gather(*(heartbeats.beat(bot.account_id, bot.id) for bot in bots))

    assert beats == [True] * 7
    assert gated.sizes == [3, 3, 1]


async def test_bots_that_are_heard_for_the_first_time_are_written_together_too(
    busy_world: World,
) -> None:
    bots = await bots_of(busy_world.user(), 12)
    heartbeats = busy_world.context.heartbeat_writer

    await asyncio.gather(*(heartbeats.beat(bot.account_id, bot.id) for bot in bots))

    async with busy_world.context.database.sessions() as session:
        writers = await session.scalar(text("SELECT count(DISTINCT xmin::text) FROM presence"))
    assert writers == 1
    assert await recorded_events(busy_world) == [("online", "info")] * 12


async def test_many_bots_at_once_are_all_stored_and_announced_once(busy_world: World) -> None:
    bots = await bots_of(busy_world.user(), 30)

    await asyncio.gather(*(beat(bot) for bot in bots * 3))

    assert sorted(await recorded_events(busy_world)) == [("online", "info")] * 30
    async with busy_world.context.database.sessions() as session:
        assert await session.scalar(select(func.count()).select_from(Presence)) == 30


async def test_a_batch_that_fails_is_acknowledged_to_nobody(busy_world: World) -> None:
    bots = await bots_of(busy_world.user(), 5)
    async with (
        heartbeats_over(busy_world, FailingReader()) as heartbeats,
        changed(busy_world, heartbeat_writer=heartbeats) as cut_off,
    ):
        answers = await asyncio.gather(
            *(Bot(cut_off.http, bot.token).post("/v1/runtime/heartbeat") for bot in bots)
        )

    assert {answer.status_code for answer in answers} == {503}
    assert {answer.json()["code"] for answer in answers} == {"unavailable"}
    assert await recorded_events(busy_world) == []


async def test_what_one_account_s_rows_fail_with_fails_no_other_account(busy_world: World) -> None:
    broken, *sound = [
        bot for name in ("alice", "bob", "carol") for bot in await bots_of(busy_world.user(name), 2)
    ]
    assert broken.account_id == sound[0].account_id
    failing = FailingForOne(busy_world.context.database.autocommit, broken.account_id)
    async with heartbeats_over(busy_world, failing) as heartbeats, asyncio.timeout(60):
        answers = await asyncio.gather(
            *(heartbeats.beat(bot.account_id, bot.id) for bot in (broken, *sound)),
            return_exceptions=True,
        )

    assert [type(answer) for answer in answers[:2]] == [asyncpg.InternalServerError] * 2
    assert answers[2:] == [True] * 4


async def test_a_bot_whose_row_is_locked_waits_and_delays_no_other(busy_world: World) -> None:
    held, *free = await bots_of(busy_world.user(), 6)
    await asyncio.gather(*(beat(bot) for bot in (held, *free)))
    await set_lease(busy_world, 0)
    async with asyncio.timeout(60), busy_world.context.database.sessions() as holding:
        row = Presence.account_id == held.account_id, Presence.bot_id == held.id
        await holding.execute(select(Presence).where(*row).with_for_update())
        waiting = asyncio.create_task(beat(held))
        for _ in range(2):
            await asyncio.gather(*(beat(bot) for bot in free))
        assert not waiting.done()
        released = await holding.scalar(select(func.statement_timestamp()))
        await holding.rollback()
        await waiting
        heartbeat_at = await holding.scalar(select(Presence.last_heartbeat_at).where(*row))

    # The clock is read after the lock: waiting costs the bot nothing of its lease.
    assert heartbeat_at is not None
    assert released is not None
    assert heartbeat_at > released


async def test_a_request_that_goes_away_takes_nothing_from_the_others(busy_world: World) -> None:
    bots = await bots_of(busy_world.user(), 3)
    await asyncio.gather(*(beat(bot) for bot in bots))
    gated = GatedReader(busy_world.context.database.autocommit)
    async with heartbeats_over(busy_world, gated) as heartbeats, asyncio.timeout(60):
        beats = [
            asyncio.create_task(heartbeats.beat(bot.account_id, bot.id)) for bot in (bots[0], *bots)
        ]
        await gated.arrived.acquire()
        beats[0].cancel()
        beats[3].cancel()
        gated.gate.release()
        done: Sequence[Any] = await asyncio.gather(*beats, return_exceptions=True)

    assert done[1:3] == [True, True]
    assert isinstance(done[0], asyncio.CancelledError)
    assert isinstance(done[3], asyncio.CancelledError)


async def test_a_bot_that_is_gone_is_refused_and_the_others_are_not(busy_world: World) -> None:
    user = busy_world.user()
    gone, stays = await bots_of(user, 2)
    await asyncio.gather(beat(gone), beat(stays))
    assert (await user.delete(f"/v1/bots/{gone.id}")).status_code == 204
    heartbeats = busy_world.context.heartbeat_writer

    stored = await asyncio.gather(
        *(heartbeats.beat(bot.account_id, bot.id) for bot in (gone, stays))
    )

    assert stored == [False, True]
    answer = await gone.post("/v1/runtime/heartbeat")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_a_bot_deleted_while_its_first_heartbeat_waits_is_gone(busy_world: World) -> None:
    user = busy_world.user()
    [bot] = await bots_of(user, 1)
    async with asyncio.timeout(60), busy_world.context.database.sessions() as deleting:
        await deleting.execute(text("DELETE FROM bots WHERE id = :id"), {"id": bot.id})
        waiting = asyncio.create_task(bot.post("/v1/runtime/heartbeat"))
        await until_waiting(busy_world.context.database)
        await deleting.commit()
        answer = await waiting

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_reasons_that_block_positions_show_in_the_heartbeat(world: World) -> None:
    user = world.user()
    key = await add_unchecked(user)
    [bot] = await bots_of(user, 1)
    before = await beat(bot)

    await user.assign(str(bot.id), key["id"])

    after = await beat(bot)
    assert before["may_open_positions"] is after["may_open_positions"] is False
    assert before["config_version"] != after["config_version"]
