"""Config rows are read in batches and configs built once, with the same result as one by one."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from app.db.driver import Statement
from app.domains.bots.config_row_loader import AT_ONCE, BATCH, ConfigRowLoader
from app.domains.bots.config_rows import (
    MANY,
    ONE,
    ConfigReader,
    ConfigRow,
    fingerprint,
    read_one,
    read_under_locks,
)
from app.domains.runtime.config.cache import ConfigCache
from tests.support.catalogue import OKX, instrument, list_instruments
from tests.support.positions import add_asset
from tests.support.world import World

_REST = [None] * (len(ConfigRow._fields) - 2)


class HeldReader:
    """Answers each statement when the test allows it, with one row for each bot."""

    def __init__(self) -> None:
        self.requested: list[list[UUID]] = []
        self.answers: list[asyncio.Future[None]] = []

    async def fetch(self, statement: Statement, **parameters: Any) -> Sequence[Any]:
        if not parameters:
            return [(False,)]  # it is no cluster
        assert "unnest" in statement.text
        self.requested.append(parameters["bots"])
        self.answers.append(asyncio.get_running_loop().create_future())
        await self.answers[-1]
        return [
            (*name, *_REST) for name in zip(parameters["accounts"], parameters["bots"], strict=True)
        ]

    async def fetch_many(
        self, statement: Statement, many: Sequence[dict[str, Any]]
    ) -> Sequence[Any]:
        pytest.fail(f"{len(many)} statements for one server: {statement.text}")


class ClusterReader:
    """Answers as a Citus cluster of four shards. `requested` are the statements and bots of each
    round trip.
    """

    def __init__(self) -> None:
        self.requested: list[tuple[Statement, list[UUID]]] = []

    async def fetch(self, statement: Statement, **parameters: Any) -> Sequence[Any]:
        if not parameters:
            return [(4 if "pg_dist_shard" in statement.text else True,)]
        if statement is not MANY:
            return await self.fetch_many(statement, [parameters])
        self.requested.append((statement, parameters["bots"]))
        names = zip(parameters["accounts"], parameters["bots"], strict=True)
        return [(*name, *_REST) for name in names]

    async def fetch_many(
        self, statement: Statement, many: Sequence[dict[str, Any]]
    ) -> Sequence[Any]:
        self.requested.append((statement, [one["bot"] for one in many]))
        return [(one["account"], one["bot"], *_REST) for one in many]


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def bots(count: int) -> list[UUID]:
    return [UUID(int=number) for number in range(count)]


async def test_who_asks_while_statements_are_under_way_is_read_in_the_next() -> None:
    executor = HeldReader()
    loader = ConfigRowLoader(executor)
    some = bots(AT_ONCE + BATCH + 1)

    async def ask(bot: UUID) -> UUID:
        return (await loader.read(UUID(int=0), bot))[0].bot_id

    asking = []
    for bot in some:
        asking.append(asyncio.create_task(ask(bot)))
        await settled()
    assert [len(requested) for requested in executor.requested] == [1] * AT_ONCE
    for answer in range(AT_ONCE + 2):
        executor.answers[answer].set_result(None)
        await settled()

    assert [len(requested) for requested in executor.requested] == [1] * AT_ONCE + [BATCH, 1]
    assert await asyncio.gather(*asking) == some


async def test_a_failure_is_everybodys_who_was_read_together_and_nobody_elses() -> None:
    executor = HeldReader()
    loader = ConfigRowLoader(executor)
    asking = [asyncio.create_task(loader.read(UUID(int=0), bot)) for bot in bots(3)]
    await settled()
    asking.pop().cancel()
    executor.answers[0].set_exception(OSError("gone"))
    await settled()
    later = asyncio.create_task(loader.read(UUID(int=0), UUID(int=7)))
    await settled()
    for answer in executor.answers[1:]:
        answer.set_result(None)

    results = await asyncio.gather(*asking, return_exceptions=True)
    assert any(isinstance(result, OSError) for result in results)
    assert (await later)[0].bot_id == UUID(int=7)


async def test_in_a_cluster_few_bots_are_asked_for_by_their_accounts() -> None:
    """A statement for many goes to every shard; one that names an account goes to one."""
    executor = ClusterReader()
    reader = ConfigReader(executor)
    names = [(UUID(int=7), bot) for bot in bots(5)]

    found = [set(await reader.read(names[:count])) for count in (1, 4, 5)]

    assert found == [set(names[:count]) for count in (1, 4, 5)]
    assert executor.requested == [(ONE, bots(1)), (ONE, bots(4)), (MANY, bots(5))]


async def test_closing_lets_nobody_wait() -> None:
    loader = ConfigRowLoader(HeldReader())
    asking = asyncio.create_task(loader.read(UUID(int=0), UUID(int=1)))
    await settled()

    await loader.close()

    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_configuration_is_built_again_when_a_row_changed_and_only_then(
    world: World,
) -> None:
    bot, _, _ = await world.user().ready_bot()
    rows = await read_one(world.context.database.autocommit, bot.account_id, bot.id)
    others = [row._replace(bot_id=UUID(int=1), digest=1) for row in rows]
    config_cache = ConfigCache(world.context.exchanges, refuse_withdrawal=True, documents=1)

    first = config_cache.of(rows)
    assert config_cache.of(list(rows)) is first
    paused = config_cache.of([row._replace(paused=True, digest=2) for row in rows])
    assert paused.version != first.version
    assert b"bot_paused" in paused.document
    assert config_cache.of(others) == config_cache.of(rows) == first


async def test_a_caller_that_asks_again_as_soon_as_it_was_answered_is_answered_again() -> None:
    class Immediate:
        async def fetch(self, statement: Statement, **parameters: Any) -> Sequence[Any]:
            del statement
            return [] if parameters else [(False,)]

        async def fetch_many(
            self, statement: Statement, many: Sequence[dict[str, Any]]
        ) -> Sequence[Any]:
            pytest.fail(f"{len(many)} statements for one server: {statement.text}")

    loader = ConfigRowLoader(Immediate())

    async def asks() -> None:
        for _ in range(3):
            assert await loader.read(UUID(int=1), UUID(int=2)) == ()

    async with asyncio.timeout(60):
        await asyncio.gather(*(asks() for _ in range(AT_ONCE)))
    await loader.close()


async def test_a_glance_has_the_fingerprint_of_the_rows_that_are_read_at_the_moment(
    world: World,
) -> None:
    """It changes with each of them, and returns to what it was when they do."""
    user = world.user()
    bot, _, key = await user.ready_bot()
    empty = await user.mint((await user.add_bot("empty"))["id"])
    executor = world.context.database.autocommit
    reader = ConfigReader(executor)
    ref, none = (bot.account_id, bot.id), (empty.account_id, empty.id)
    absent = [(bot.account_id, one) for one in bots(40)]  # more than a cluster has shards

    async def glanced() -> int:
        glance = (await reader.glance([ref]))[ref]
        both = await reader.glance([ref, none, *absent])
        rows = await read_one(executor, *ref)
        assert set(both) == {ref, none}
        assert both[ref] == glance
        assert glance.token_hash == rows[0].token_hash
        found = await reader.read([ref, none, *absent])
        assert [glance.fingerprint] * 2 == [fingerprint(rows), fingerprint(found[ref])]
        assert both[none].fingerprint == fingerprint(found[none])
        return glance.fingerprint

    first = await glanced()
    assert await glanced() == first
    seen = {first}
    await user.patch(f"/v1/bots/{bot.id}", {"paused": True})
    seen.add(await glanced())
    await user.patch(f"/v1/bots/{bot.id}", {"paused": False})
    assert await glanced() == first
    await user.patch(f"/v1/keys/{key['id']}", {"label": "another"})
    seen.add(await glanced())
    assert len(seen) == 3


async def test_rows_under_locks_have_no_fingerprint(world: World) -> None:
    bot, _, _ = await world.user().ready_bot()
    rows, _ = await read_under_locks(world.context.database.autocommit, bot.account_id, bot.id)
    with pytest.raises(ValueError, match="under locks"):
        fingerprint(rows)


async def test_what_changes_in_all_rows_changes_each_digest_in_its_own_way(world: World) -> None:
    """Else an even number of rows could come to the same as before."""
    user, symbols = world.user(), [f"S{number}-USDT-SWAP" for number in range(8)]
    await list_instruments(world, OKX, *map(instrument, symbols))
    bot, document, key = await user.ready_bot()
    for symbol in symbols:
        await add_asset(user, key, symbol)
    executor = world.context.database.autocommit

    async def digests() -> list[int]:
        rows = await read_one(executor, bot.account_id, bot.id)
        return [row.digest or 0 for row in rows]

    before = await digests()
    assert len(set(before)) == len(before) > 7
    for path, change in (
        (f"/v1/bots/{document['id']}", {"paused": True}),
        (f"/v1/keys/{key['id']}", {"label": "another"}),
        (f"/v1/keys/{key['id']}", {"active": False}),
    ):
        answer = await user.patch(path, change)
        assert answer.status_code == 200, answer.text
        after = await digests()
        pairs = list(zip(before, after, strict=True))
        assert len({new ^ old for old, new in pairs}) == len(pairs)
        assert len({(new - old) % 2**64 for old, new in pairs}) == len(pairs)
        before = after
