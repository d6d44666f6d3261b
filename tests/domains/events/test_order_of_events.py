"""The numbers of events are in the order of the commits, on connections that cross."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.driver import SessionExecutor
from app.db.engine import Database
from app.db.models import Account, Event
from app.domains.events.log import EventLog, NewEvent, add_events
from app.domains.events.repository import EventReader
from app.domains.events.types import EventType
from tests.support.world import World

SECONDS = 60.0


async def add_accounts(database: Database, count: int) -> list[UUID]:
    accounts = [uuid4() for _ in range(count)]
    async with database.sessions.begin() as session:
        for account in accounts:
            await session.execute(insert(Account).values(account_id=account, issuer="", subject=""))
    return accounts


async def add(session: AsyncSession, account: UUID, name: str) -> None:
    await EventLog(SessionExecutor(session), account).add(EventType.BOT_ADDED, name=name)


class Following:
    """Readers that read on from the last number that they have seen, until they are stopped."""

    def __init__(self, database: Database, accounts: list[UUID]) -> None:
        self.seen: dict[UUID, list[int]] = {account: [] for account in accounts}
        self._database = database
        self._stop = asyncio.Event()

    async def follow(self, account: UUID) -> None:
        reader, seen = EventReader(self._database.autocommit, account), self.seen[account]
        while True:
            last_turn = self._stop.is_set()
            rows = await reader.after(seen[-1] if seen else 0)
            seen += [row.id for row in rows]
            if last_turn and not rows:
                return
            await asyncio.sleep(0)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        readers = [asyncio.create_task(self.follow(account)) for account in self.seen]
        try:
            yield
        finally:
            self._stop.set()
            async with asyncio.timeout(SECONDS):
                await asyncio.gather(*readers)


async def numbers(database: Database, account: UUID) -> list[int]:
    query = select(Event.id).where(Event.account_id == account).order_by(Event.id)
    async with database.sessions() as session:
        return list(await session.scalars(query))


async def cross(database: Database, writers: int, turns: int) -> None:
    accounts = await add_accounts(database, 3)
    following = Following(database, accounts)
    chance = random.Random(writers * turns)  # noqa: S311  # nothing secret
    kept = 0

    async def write(writer: int) -> None:
        nonlocal kept
        for turn in range(turns):
            session = database.sessions()
            async with session:
                await session.execute(text("SELECT 1"))
                name, several = f"{writer} {turn}", chance.random() < 0.2
                if several:
                    # As the worker does: events of several accounts, in any order.
                    named = [NewEvent(one, EventType.BOT_ADDED, {"name": name}) for one in accounts]
                    chance.shuffle(named)
                    await add_events(SessionExecutor(session), named)
                else:
                    account = chance.choice(accounts)
                    for _ in range(chance.randint(1, 2)):
                        await add(session, account, name)
                for _ in range(chance.randint(0, 3)):
                    await asyncio.sleep(0)
                if chance.random() < 0.15:
                    await session.rollback()
                else:
                    await session.commit()
                    kept += 1

    async with following.running(), asyncio.timeout(SECONDS * 5):
        await asyncio.gather(*(write(number) for number in range(writers)))
    assert kept > writers * turns / 2
    for account, seen in following.seen.items():
        there = await numbers(database, account)
        assert seen == there, "a reader missed an event, or read one twice"
        assert there == list(range(1, len(there) + 1)), "what was rolled back left a gap"


async def test_readers_miss_nothing_while_many_write(busy_world: World) -> None:
    """Rule R75."""
    await cross(busy_world.context.database, writers=12, turns=15)


@pytest.mark.torture
async def test_readers_miss_nothing_in_thousands_of_interleavings(busy_world: World) -> None:
    """Rule R75."""
    await cross(busy_world.context.database, writers=40, turns=150)


async def test_a_number_waits_for_those_before_it_and_would_be_missed_otherwise(
    busy_world: World,
) -> None:
    """Rule R75. The first transaction takes its number first, and commits last."""
    database = busy_world.context.database
    locked, careless = await add_accounts(database, 2)

    async with database.sessions() as first, database.sessions() as second:
        await add(first, locked, "first")
        waiting = asyncio.create_task(add(second, locked, "second"))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        assert await EventReader(database.autocommit, locked).after(0) == []
        await first.commit()
        await waiting
        await second.commit()
    assert await numbers(database, locked) == [1, 2]

    def numbered(number: int) -> object:
        columns = {"type": "bot.added", "at": text("now()"), "data": {}}
        return insert(Event).values(account_id=careless, id=number, **columns)

    async with database.sessions() as first, database.sessions() as second:
        await first.execute(numbered(1))  # type: ignore[call-overload]
        await second.execute(numbered(2))  # type: ignore[call-overload]
        await second.commit()
        seen = await EventReader(database.autocommit, careless).after(0)
        await first.commit()
    assert [row.id for row in seen] == [2]
    assert await EventReader(database.autocommit, careless).after(2) == []
    assert await numbers(database, careless) == [1, 2]
