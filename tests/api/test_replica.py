"""Dear reads go to a standby that has caught up, and are never older than the request (R99)."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.db.driver import BatchExecutor, Rows, Statement
from app.db.engine import Database, open_database
from app.db.replica import AWAY_SECONDS, BEHIND_SECONDS, Replica
from tests.api.test_shares import DEAR, path_of
from tests.support.variants import changed
from tests.support.world import World

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


@asynccontextmanager
async def away() -> AsyncIterator[Database]:
    """Provide the pool of a server that does not answer."""
    database = open_database(NOWHERE, application_name="botkeys-tests", pool_size=1)
    try:
        yield database
    finally:
        await database.close()


@dataclass
class CaughtUp:
    """A standby that says that it has caught up."""

    sessions: async_sessionmaker[AsyncSession]
    left_alone: int = 0

    async def has_caught_up(self) -> bool:
        return True

    def leave_alone(self) -> None:
        self.left_alone += 1


async def test_the_primary_answers_for_a_standby_that_fails_meanwhile(world: World) -> None:
    """R99."""
    alice = world.user()
    _, _, key = await alice.ready_bot()
    async with away() as nothing:
        standby = CaughtUp(nothing.read_sessions)
        async with changed(world, replica=standby) as changed_world:
            user = changed_world.user()
            for route in DEAR:
                answer = await user.get(path_of(route, key["id"]))
                assert answer.status_code == 200, answer.text
    assert standby.left_alone == len(DEAR)


async def test_only_dear_reads_go_to_the_standby(world: World) -> None:
    """R99."""
    async with away() as nothing:
        standby = CaughtUp(nothing.read_sessions)
        async with changed(world, replica=standby) as changed_world:
            answer = await changed_world.user().get("/v1/keys")
    assert (answer.status_code, standby.left_alone) == (200, 0)


@dataclass
class Asked:
    """The primary's executor, and how often it was asked."""

    executor: BatchExecutor
    times: int = 0

    async def fetch(self, statement: Statement, **parameters: Any) -> Rows:
        self.times += 1
        return await self.executor.fetch(statement, **parameters)

    async def fetch_many(self, statement: Statement, many: Sequence[dict[str, Any]]) -> Rows:
        self.times += 1
        return await self.executor.fetch_many(statement, many)


@pytest.mark.parametrize(("is_away", "seconds"), [(False, BEHIND_SECONDS), (True, AWAY_SECONDS)])
async def test_a_standby_that_is_behind_or_away_is_left_alone_for_a_while(
    world: World, is_away: bool, seconds: float
) -> None:
    """R99: a server that is no standby, as after a failover, is none that has caught up."""
    answered: Counter[str] = Counter()
    now = [100.0]
    database = world.context.database
    asked = Asked(database.autocommit)
    async with away() as nothing:
        replica = Replica(
            replace(database, autocommit=asked),
            nothing if is_away else database,
            lambda server: answered.update([server]),
            lambda: now[0],
        )
        for passed, times in ((0.0, 1), (seconds - 0.1, 1), (0.2, 2)):
            now[0] += passed
            assert not await replica.has_caught_up()
            assert asked.times == times
    assert answered == {"primary": 3}
