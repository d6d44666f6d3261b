"""While an exchange is asked, no database connection and no transaction is held."""

import asyncio

from sqlalchemy import text

from app.simulator.faults import FaultKind
from tests.support.database import Server
from tests.support.variants import apart, changed, narrow
from tests.support.world import World


async def until_asked(world: World, calls: int) -> None:
    """Wait until the exchange has been called once more than `calls` times."""
    async with asyncio.timeout(60):
        while world.simulator.calls("okx", "testnet") <= calls:  # noqa: ASYNC110  # no event there
            await asyncio.sleep(0.01)


async def test_others_are_served_through_the_only_connection_meanwhile(
    busy_world: World, server: Server
) -> None:
    busy_world.simulator.faults.set("okx", "testnet", FaultKind.SLOW, seconds=30)
    calls = busy_world.simulator.calls("okx", "testnet")
    async with (
        apart(busy_world) as alone,
        narrow(alone, server) as one,
        changed(one, settings={"key_check_timeout": 3}) as world,
        asyncio.TaskGroup() as group,
    ):
        user = world.user()
        adding = group.create_task(
            user.post("/v1/keys", world.new_key(), headers={"Idempotency-Key": "slow"})
        )
        await until_asked(world, calls)

        listed = await user.get("/v1/keys")
        added = await world.user("bob").post("/v1/keys", world.unchecked_key())
        same = await user.post("/v1/keys", world.new_key(), headers={"Idempotency-Key": "slow"})
        still_asking = not adding.done()
        async with busy_world.context.database.sessions() as session:
            open_transactions = await session.scalar(
                text(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND application_name = 'botkeys-narrow' AND state <> 'idle'"
                )
            )

    assert still_asking, "the exchange answered before anything could be seen"
    assert listed.status_code == 200
    assert listed.json()["items"] == []
    assert added.status_code == 201
    assert (same.status_code, same.json()["code"]) == (409, "request_in_progress")
    assert open_transactions == 0
    assert adding.result().status_code == 201
    assert adding.result().json()["verification"]["reason"] == "no_answer"
