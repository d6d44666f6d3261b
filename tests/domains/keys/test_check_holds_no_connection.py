"""While an exchange is called, no database connection and no transaction is held."""

import asyncio

from sqlalchemy import text

from tests.support.database import Server
from tests.support.held import held
from tests.support.variants import narrow
from tests.support.world import World


async def test_others_are_served_through_the_only_connection_meanwhile(
    busy_world: World, server: Server
) -> None:
    async with (
        narrow(busy_world, server, pool_timeout=30) as one,
        held(one) as (world, exchanges),
        asyncio.TaskGroup() as group,
    ):
        user = world.user()
        adding = group.create_task(
            user.post("/v1/keys", world.new_key(), headers={"Idempotency-Key": "slow"})
        )
        await exchanges.asked.wait()

        listed = await user.get("/v1/keys")
        added = await world.user("bob").post("/v1/keys", world.unchecked_key())
        same = await user.post("/v1/keys", world.new_key(), headers={"Idempotency-Key": "slow"})
        async with busy_world.context.database.sessions() as session:
            open_transactions = await session.scalar(
                text(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND application_name = 'botkeys-narrow' AND state <> 'idle'"
                )
            )
        exchanges.go.set()

    assert listed.status_code == 200
    assert listed.json()["items"] == []
    assert added.status_code == 201
    assert (same.status_code, same.json()["code"]) == (409, "request_in_progress")
    assert open_transactions == 0
    assert adding.result().status_code == 201
    assert adding.result().json()["verification"]["status"] == "verified"
