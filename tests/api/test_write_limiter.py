"""A burst of one account's writes leaves connections for the others."""

import asyncio

from sqlalchemy import text

from app.api.write_limiter import AccountWriteLimiter
from app.auth.principal import account_id
from tests.support.database import Server
from tests.support.held import held
from tests.support.variants import changed, narrow
from tests.support.waiting import until_waiting
from tests.support.world import World

_LOCK = text("SELECT FROM accounts WHERE account_id = :account FOR UPDATE")


async def test_another_account_s_write_does_not_wait_for_them(
    busy_world: World, server: Server
) -> None:
    async with (
        narrow(busy_world, server, pool_size=2) as two,
        changed(two, write_limiter=AccountWriteLimiter(at_once=1)) as world,
        busy_world.context.database.sessions() as holding,
    ):
        alice, bob = world.user("alice"), world.user("bob")
        for user in (alice, bob):
            await user.post("/v1/bots", {"name": "first"})
        await holding.execute(_LOCK, {"account": world.account_id("alice")})
        burst = asyncio.gather(*(alice.post("/v1/bots", {"name": str(n)}) for n in range(5)))
        await until_waiting(busy_world.context.database)

        other = await bob.post("/v1/bots", {"name": "x"})

        assert (other.status_code, burst.done()) == (201, False)
        await holding.rollback()
        assert [answer.status_code for answer in await burst] == [201] * 5


async def test_while_an_exchange_is_asked_other_writes_of_the_account_go_on(
    busy_world: World,
) -> None:
    async with (
        changed(busy_world, write_limiter=AccountWriteLimiter(at_once=1)) as one,
        held(one) as (world, exchanges),
        asyncio.TaskGroup() as group,
    ):
        user = world.user()
        adding = group.create_task(user.post("/v1/keys", world.new_key()))
        await exchanges.asked.wait()

        other = await user.post("/v1/bots", {"name": "x"})
        exchanges.go.set()

    assert other.status_code == 201
    assert adding.result().json()["verification"]["status"] == "verified"


async def test_a_write_whose_turn_does_not_come_learns_when_to_retry(world: World) -> None:
    limiter = AccountWriteLimiter(at_once=1, patience=0.01)
    async with changed(world, write_limiter=limiter) as impatient:
        user = impatient.user()
        async with limiter.slot(account_id(world.issuer.issuer, "alice")):
            refused = await user.post("/v1/bots", {"name": "x"})
            assert (await user.get("/v1/bots")).json()["items"] == []
        taken = await user.post("/v1/bots", {"name": "x"})

    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert refused.headers["Retry-After"] == "5"
    assert taken.status_code == 201
    assert limiter._lines == {}
