"""A token that is revoked while its release waits."""

import asyncio

from sqlalchemy import text

from tests.support.world import World


async def test_a_token_that_dies_while_a_release_waits_for_the_lock_releases_nothing(
    busy_world: World,
) -> None:
    user = busy_world.user()
    bot, document, _ = await user.ready_bot()
    sessions = busy_world.context.database.sessions
    body = {"suite": "x25519", "public_key": "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"}
    async with sessions() as holding:
        await holding.execute(
            text("SELECT id FROM bots WHERE id = :id FOR UPDATE"), {"id": document["id"]}
        )
        waiting = asyncio.create_task(bot.post("/v1/runtime/credentials", body))
        async with sessions() as looking:
            while not await looking.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
                await looking.rollback()
                await asyncio.sleep(0.01)
        await holding.execute(
            text("UPDATE bot_tokens SET token_hash = sha256('another') WHERE bot_id = :id"),
            {"id": document["id"]},
        )
        await holding.commit()
    answer = await waiting

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    async with sessions() as session:
        assert await session.scalar(text("SELECT count(*) FROM releases")) == 0
