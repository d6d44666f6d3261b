"""How the worker finds the accounts that have events for webhooks: Rule R104."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.principal import account_id
from app.db.driver import SessionExecutor
from app.domains.events.log import EventLog
from app.domains.events.types import EventType
from app.domains.webhooks import outbox
from app.worker import delivering
from tests.support.receiver import Receiver
from tests.support.waiting import until_waiting
from tests.support.world import User, World
from tests.worker.test_delivering import (
    added,
    busy_world,
    deliveries,
    happen,
    hooks,
    shown,
    working,
    write,
)

__all__ = ["busy_world", "hooks"]


@pytest.fixture
def by_news(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers look at no account without news."""

    async def none_behind(*_: Any) -> Any:
        return [], outbox.START

    monkeypatch.setattr(outbox, "accounts_behind", none_behind)


async def read(world: World, statement: str) -> Any:
    async with world.context.database.sessions() as session:
        return (await session.execute(text(statement))).scalar_one()


async def types_of(user: User, hook: Any) -> list[str]:
    return [one["type"] for one in await deliveries(user, hook)]


@pytest.mark.usefixtures("by_news")
async def test_events_make_news_only_where_a_webhook_waits_for_them(
    busy_world: World, hooks: Receiver
) -> None:
    alice, bob = busy_world.user("alice"), busy_world.user("bob")
    hook = await added(alice, hooks)
    async with working(busy_world) as worker:
        assert await worker.fan_out() == 0
        assert await read(busy_world, "SELECT count(*) FROM webhook_news") == 0
        await happen(alice)
        await happen(bob)
        assert await read(busy_world, "SELECT count(*) FROM webhook_news") == 1
        assert await worker.fan_out() == 1
        assert await types_of(alice, hook) == ["bot.added"]

        await alice.patch(f"/v1/webhooks/{hook['id']}", {"active": False})
        await happen(alice)
        assert await worker.fan_out() == 0
        await happen(alice)
    assert await read(busy_world, "SELECT count(*) FROM webhook_news") == 0
    assert await read(busy_world, "SELECT count(*) FROM event_heads WHERE watched") == 0

    await alice.patch(f"/v1/webhooks/{hook['id']}", {"active": True})
    await happen(alice)
    async with working(busy_world) as worker:
        assert await worker.fan_out() == 1


async def test_events_of_a_release_that_makes_no_news_are_found_too(
    busy_world: World, hooks: Receiver
) -> None:
    user = busy_world.user("alice")
    hook = await added(user, hooks)
    await happen(user)
    await write(busy_world, "DELETE FROM webhook_news")
    await write(busy_world, "UPDATE event_heads SET watched = false")
    async with working(busy_world) as worker:
        assert await worker.fan_out() == 1
    assert await types_of(user, hook) == ["bot.added"]
    assert await read(busy_world, "SELECT count(*) FROM event_heads WHERE watched") == 1


@pytest.mark.usefixtures("by_news")
async def test_an_event_that_is_added_with_a_webhook_is_not_missed(
    busy_world: World, hooks: Receiver
) -> None:
    user = busy_world.user("alice")
    await happen(user)
    account = account_id(busy_world.issuer.issuer, "alice")
    async with busy_world.context.database.sessions.begin() as session:
        events = EventLog(SessionExecutor(session), account)
        await events.add(EventType.BOT_ADDED, name="Grid")
        adding = asyncio.create_task(added(user, hooks))
        async with asyncio.timeout(20):
            await until_waiting(busy_world.context.database, task=adding)
    hook = await adding
    async with working(busy_world) as worker:
        assert await worker.fan_out() == 1
    assert await types_of(user, hook) == ["bot.added"]


async def test_accounts_with_webhooks_are_looked_at_a_few_in_a_turn(
    busy_world: World, hooks: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "LOOKED_AT_ONCE", 2)
    monkeypatch.setattr(outbox, "_ACCOUNTS", outbox._ACCOUNTS.limit(2))
    users = [busy_world.user(f"user-{number}") for number in range(5)]
    all_ = [await added(user, hooks) for user in users]
    for user in users:
        await happen(user)
    await write(busy_world, "DELETE FROM webhook_news")
    async with working(busy_world) as worker:
        assert [await worker.fan_out() for _ in range(4)] == [2, 2, 1, 0]
    for user, hook in zip(users, all_, strict=True):
        assert (await shown(user, hook))["active"]
        assert await types_of(user, hook) == ["bot.added"]


@pytest.mark.usefixtures("by_news")
async def test_many_news_of_an_account_are_looked_through_once(
    busy_world: World, hooks: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while no worker ran."""
    monkeypatch.setattr(outbox, "EVENTS_AT_ONCE", 2)
    monkeypatch.setattr(outbox, "NEWS_AT_ONCE", 3)
    monkeypatch.setattr(delivering, "ROUNDS_SECONDS", 60.0)
    user, other = busy_world.user("alice"), busy_world.user("bob")
    hook, of_other = await added(user, hooks), await added(other, hooks)
    for number in range(7):
        await happen(user, f"Grid {number}")
    await happen(other)
    account = account_id(busy_world.issuer.issuer, "alice")
    more = "INSERT INTO webhook_news (account_id) SELECT :account FROM generate_series(1, 10)"
    await write(busy_world, more, account=account)
    looks = 0
    looking = outbox.accounts_with_news

    async def counted(session: AsyncSession) -> list[UUID]:
        nonlocal looks
        looks += 1
        return await looking(session)

    monkeypatch.setattr(outbox, "accounts_with_news", counted)
    async with working(busy_world) as worker:
        assert await worker.fan_out() == 8
    assert looks == 1
    assert await types_of(user, hook) == ["bot.added"] * 7
    assert await types_of(other, of_other) == ["bot.added"]
    assert await read(busy_world, "SELECT count(*) FROM webhook_news") == 0
