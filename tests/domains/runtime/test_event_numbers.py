"""In which accounts something has happened since a process looked last."""

from uuid import UUID

from app.domains.runtime.stream.event_numbers import EventNumbers
from tests.support.world import World


async def test_an_account_in_which_something_happens_moves_once(world: World) -> None:
    alice, bob = world.user(), world.user("bob")
    bots = [await user.mint((await user.add_bot())["id"]) for user in (alice, bob)]
    accounts = [bot.account_id for bot in bots]
    numbers = EventNumbers(world.context.database.autocommit)
    assert await numbers.moved(accounts) == accounts, "nobody knows what happened before"
    assert await numbers.moved(accounts) == []
    await alice.patch(f"/v1/bots/{bots[0].id}", {"paused": True})
    assert await numbers.moved(accounts) == accounts[:1]
    assert await numbers.moved(accounts) == []
    numbers.keep(accounts[1:])
    await alice.patch(f"/v1/bots/{bots[0].id}", {"paused": False})
    numbers.keep(accounts)
    assert await numbers.moved(accounts) == accounts[:1], "it was forgotten"


async def test_the_first_event_of_an_account_moves_it(world: World) -> None:
    user = world.user()
    account_id = UUID((await user.get("/v1/account")).json()["id"])
    numbers = EventNumbers(world.context.database.autocommit)
    await numbers.moved([account_id])
    assert await numbers.moved([account_id]) == []
    await user.add_bot()
    assert await numbers.moved([account_id]) == [account_id]
