"""Expiring keys are announced in time, each threshold once."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text, update

from app.db.models import BotEvent, Key
from app.worker import expiry
from app.worker.expiry import announce_expiry
from tests.support.variants import add_unchecked
from tests.support.world import World

DAY = timedelta(days=1)


async def set_expiry(world: World, key_id: str, left: timedelta) -> None:
    until = func.statement_timestamp() + left
    async with world.context.database.sessions.begin() as session:
        await session.execute(update(Key).where(Key.id == UUID(key_id)).values(expires_at=until))


async def events(world: World) -> list[BotEvent]:
    async with world.context.database.sessions() as session:
        query = select(BotEvent).where(BotEvent.kind.startswith("key_")).order_by(BotEvent.at)
        return list((await session.scalars(query)).all())


async def test_each_threshold_is_announced_once_as_it_passes(world: World) -> None:
    key = await add_unchecked(world.user())
    sessions = world.context.database.sessions
    expected: list[tuple[str, str, int]] = []
    for left, new in [
        (31 * DAY, None),
        (29 * DAY, ("key_expires", "warning", 30)),
        (8 * DAY, None),
        (6 * DAY, ("key_expires", "warning", 7)),
        (DAY / 2, ("key_expires", "error", 1)),
        (-DAY, ("key_expired", "error", 0)),
    ]:
        await set_expiry(world, key["id"], left)
        for _ in range(2):
            await announce_expiry(sessions)
        expected += [] if new is None else [new]
        announced = await events(world)
        assert [
            (event.kind, event.level, event.data["days"]) for event in announced if event.data
        ] == expected


async def test_of_several_thresholds_that_passed_only_the_nearest_is_announced(
    world: World,
) -> None:
    user = world.user()
    key = await add_unchecked(user)
    bot = await user.add_bot()
    await user.assign(bot["id"], key["id"])
    await set_expiry(world, key["id"], 2 * DAY)

    assert await announce_expiry(world.context.database.sessions) == 1

    [event] = await events(world)
    shown = (await user.get(f"/v1/keys/{key['id']}")).json()
    data: Any = event.data
    assert (data["label"], data["days"]) == (key["label"], 7)
    assert data["expires_at"] == shown["expires_at"]
    assert shown["expires_at"][:10] in event.message
    assert (str(event.bot_id), str(event.key_id)) == (bot["id"], key["id"])
    assert event.environment == "testnet"


async def test_a_key_without_a_bot_is_announced_without_one(world: World) -> None:
    key = await add_unchecked(world.user())
    await add_unchecked(world.user(), 2)
    await set_expiry(world, key["id"], -DAY)

    assert await announce_expiry(world.context.database.sessions) == 1

    [event] = await events(world)
    assert event.bot_id is None


async def test_several_workers_announce_each_key_once(
    busy_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "BATCH", 3)
    for number in range(12):
        key = await add_unchecked(busy_world.user(), number)
        await set_expiry(busy_world, key["id"], 3 * DAY)
    sessions = busy_world.context.database.sessions

    done = await asyncio.gather(*(announce_expiry(sessions) for _ in range(4)))

    # A worker skips rows that another has locked; the next turn gets what all skipped.
    left = await announce_expiry(sessions)
    assert sum(done) + left == 12
    assert len({event.key_id for event in await events(busy_world)}) == 12
    assert len(await events(busy_world)) == 12


async def test_replaced_credentials_are_announced_again(world: World) -> None:
    user = world.user()
    key = await user.add_key("trade", exchange="bybit")
    await set_expiry(world, key["id"], DAY / 2)
    sessions = world.context.database.sessions
    await announce_expiry(sessions)
    new = world.credentials["bybit"]["testnet"]["trade_2"]

    replaced = await user.put(f"/v1/keys/{key['id']}/credentials", new)

    assert replaced.status_code == 200, replaced.text
    await set_expiry(world, key["id"], 29 * DAY)
    assert await announce_expiry(sessions) == 1


async def test_keys_that_do_not_expire_cost_the_sweep_nothing(world: World) -> None:
    """The index contains only keys that still need an announcement."""
    async with world.context.database.sessions() as session:
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = await session.scalars(
            text(
                "EXPLAIN SELECT id FROM keys WHERE expires_at IS NOT NULL"
                " AND expiry_announced IS DISTINCT FROM 0 AND expiry_announced = 30"
                " AND expires_at <= statement_timestamp() + interval '7 days'"
            )
        )
        plan_text = "\n".join(plan.all())
    assert "ix_keys_expiring" in plan_text
    assert "Index Cond: ((expiry_announced = 30) AND (expires_at <=" in plan_text
