"""What one account reads leaves connections for the others (R45)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.shares import Share, Shares
from app.db.engine import open_database
from app.domains.trading.kinds import KINDS
from app.errors import RateLimited
from app.settings import Role
from tests.support.batches import item
from tests.support.database import PATIENT, Server
from tests.support.routes import RouteUnderTest, routes_of
from tests.support.variants import changed, narrow
from tests.support.world import World

DEAR = [route for route in routes_of(Role.ALL) if route.access.dear]
COUNTING = [kind.table.name for kind in KINDS]
_LOCK = text(f"LOCK TABLE {', '.join(COUNTING)} IN ACCESS EXCLUSIVE MODE")
_WAITING = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name = 'botkeys-narrow' AND wait_event_type = 'Lock'"
)


@asynccontextmanager
async def everything(world: World, server: Server) -> AsyncIterator[AsyncSession]:
    """Yield a session with the rights to hold whole tables, which no role of the service has."""
    name = world.context.database.engine.url.database
    assert name is not None
    url = server.url(name, superuser=True)
    database = open_database(url, application_name="botkeys-tests", pool_size=1, **PATIENT)
    try:
        async with database.sessions() as session:
            yield session
    finally:
        await database.close()


async def waiting(world: World) -> int:
    """Return how many connections wait, seen in a transaction of its own."""
    async with world.context.database.sessions() as session:
        found: int = await session.scalar(_WAITING) or 0
        return found


def shares(at_once: int, patience: float = 30) -> Shares:
    reads, dear, bots = (Share(at_once, patience=patience) for _ in range(3))
    return Shares(reads, dear, bots, dear_seconds=30)


def test_what_counts_or_sums_is_dear() -> None:
    assert {route.operation_id for route in DEAR} == {
        "getAccount",
        "getDashboard",
        "getEquityCurve",
        "getSummary",
        "previewKeyDeletion",
        "summarizeKeyReleases",
    }


async def test_dear_reads_of_one_account_leave_another_s_lists_alone(
    busy_world: World, server: Server
) -> None:
    """Hold every table that is counted: whatever reads it keeps its connection until the end."""
    async with (
        narrow(busy_world, server, pool_size=4) as four,
        changed(four, shares=shares(1)) as world,
        everything(busy_world, server) as holding,
    ):
        alice, bob = world.user("alice"), world.user("bob")
        bot, _, key = await alice.ready_bot()
        await bob.post("/v1/freezes", {"scope": "account"})
        await holding.execute(_LOCK)
        paths = [path_of(route, key["id"]) for route in DEAR]
        snapshots = {"items": [item("equity-snapshots", "s1")]}
        dry = {"scope": "all", "dry_run": True}
        hammering = asyncio.gather(
            *(alice.get(path) for path in paths * 4),
            *(alice.post("/v1/data-deletions", dry) for _ in range(4)),
            *(alice.get("/v1/trades?environment=testnet") for _ in range(8)),
            *(bot.post("/v1/runtime/equity-snapshots", snapshots) for _ in range(8)),
        )
        while await waiting(busy_world) < 3:  # noqa: ASYNC110  # no event there
            await asyncio.sleep(0.01)

        for _ in range(3):
            listed = await bob.get("/v1/freezes")
            assert (listed.status_code, len(listed.json()["items"])) == (200, 1)
        assert await waiting(busy_world) == 3, "one for each share"
        assert not hammering.done()
        await holding.rollback()
        assert {answer.status_code for answer in await hammering} == {200}


def path_of(route: RouteUnderTest, key_id: str) -> str:
    return route.path.format(key_id=key_id)


async def test_who_waits_too_long_is_asked_to_come_back(busy_world: World, server: Server) -> None:
    async with (
        narrow(busy_world, server, pool_size=2) as two,
        changed(two, shares=shares(1, patience=0.05)) as world,
        everything(busy_world, server) as holding,
    ):
        alice, bob = world.user("alice"), world.user("bob")
        assert (await alice.get("/v1/account")).status_code == 200
        await holding.execute(_LOCK)
        first = asyncio.create_task(alice.get("/v1/account"))
        while not await waiting(busy_world):  # noqa: ASYNC110  # no event there
            await asyncio.sleep(0.01)

        refused = await alice.get("/v1/account")

        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert refused.headers["Retry-After"] == "5"
        assert (await bob.get("/v1/freezes")).status_code == 200
        await holding.rollback()
        assert (await first).status_code == 200


async def test_a_dear_read_ends_in_time(busy_world: World, server: Server) -> None:
    short = Shares(Share(1), Share(1), Share(1), dear_seconds=0.2)
    async with (
        narrow(busy_world, server, pool_size=1) as one,
        changed(one, shares=short) as world,
        everything(busy_world, server) as holding,
    ):
        alice = world.user()
        await holding.execute(_LOCK)
        refused = await alice.get("/v1/account")
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert refused.headers["Retry-After"] == "5"
        assert await waiting(busy_world) == 0, "the statement goes on"
        assert (await alice.get("/v1/freezes")).status_code == 200


async def test_a_place_is_handed_on_in_order_and_none_is_lost() -> None:
    share, account = Share(1, patience=30, in_line=2), uuid4()
    order = []

    async def work(number: int) -> None:
        async with share.place(account):
            order.append(number)
            await asyncio.sleep(0)

    async with share.place(account):
        tasks = [asyncio.create_task(work(number)) for number in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(RateLimited):
            await share.take(account)
        tasks[0].cancel()
        await asyncio.wait({tasks[0]})
        tasks.append(asyncio.create_task(work(2)))
        await asyncio.sleep(0)
    await asyncio.gather(*tasks[1:])

    assert order == [1, 2]
    assert share._lines == {}


async def test_a_place_given_to_one_who_just_left_goes_to_the_next() -> None:
    share, account = Share(1, patience=30), uuid4()
    await share.take(account)
    left = asyncio.create_task(share.take(account))
    stays = asyncio.create_task(share.take(account))
    await asyncio.sleep(0)

    share.give_back(account)
    left.cancel()

    await asyncio.wait_for(stays, 5)
    share.give_back(account)
    assert share._lines == {}


async def test_one_who_leaves_while_a_place_is_given_back_is_passed_over() -> None:
    share, account = Share(1, patience=30), uuid4()
    await share.take(account)
    left = asyncio.create_task(share.take(account))
    await asyncio.sleep(0)

    left.cancel()  # its wait is cancelled, and it learns of that later
    share.give_back(account)

    with pytest.raises(asyncio.CancelledError):
        await left
    assert share._lines == {}
