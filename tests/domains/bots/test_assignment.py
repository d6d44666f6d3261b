"""The assignment of keys to bots: the rules, and the order in which they are checked."""

from uuid import uuid4

from tests.support.variants import add_unchecked
from tests.support.world import World


async def test_an_active_key_is_assigned_and_shown_on_both(world: World) -> None:
    user = world.user()
    key, bot = await user.add_key(), await user.add_bot()

    answer = await user.assign(bot["id"], key["id"])

    assert answer.status_code == 200
    assert answer.headers["etag"] == '"2"'
    assert answer.json()["key"] == {
        "id": key["id"],
        "label": key["label"],
        "exchange": "okx",
        "environment": "testnet",
        "contract_type": "linear",
        "active": True,
    }
    assert (await user.get(f"/v1/keys/{key['id']}")).json()["bot"] == {
        "id": bot["id"],
        "name": bot["name"],
    }


async def test_an_inactive_key_cannot_be_assigned_until_it_is_active(world: World) -> None:
    """Rule R11."""
    user = world.user()
    key, bot = await user.add_key(active=False), await user.add_bot()

    refused = await user.assign(bot["id"], key["id"])
    await user.patch(f"/v1/keys/{key['id']}", {"active": True})
    taken = await user.assign(bot["id"], key["id"])

    assert (refused.status_code, refused.json()["code"]) == (409, "key_inactive")
    assert taken.status_code == 200


async def test_a_key_of_one_bot_is_refused_to_another_and_its_bot_is_named(
    world: World,
) -> None:
    """Rule R12."""
    user = world.user()
    _, first, key = await user.ready_bot()
    second = await user.add_bot("second")

    answer = await user.assign(second["id"], key["id"])

    assert (answer.status_code, answer.json()["code"]) == (409, "key_assigned")
    assert answer.json()["bot"] == {"id": first["id"], "name": first["name"]}
    assert (await user.get(f"/v1/bots/{second['id']}")).json()["key"] is None


async def test_the_key_that_the_bot_has_may_be_put_again_and_changes_nothing(world: World) -> None:
    """Rule R12."""
    user = world.user()
    _, bot, key = await user.ready_bot()
    before = await user.get(f"/v1/bots/{bot['id']}")

    again = await user.assign(bot["id"], key["id"])
    await user.patch(f"/v1/keys/{key['id']}", {"active": False})
    inactive = await user.assign(bot["id"], key["id"])

    assert (again.status_code, again.json()) == (200, before.json())
    assert inactive.status_code == 200
    assert again.headers["etag"] == inactive.headers["etag"] == before.headers["etag"]


async def test_a_swap_frees_the_former_key(world: World) -> None:
    user = world.user()
    _, bot, former = await user.ready_bot()
    new = await user.add_key("trade_2")
    other = await user.add_bot("other")

    swapped = await user.assign(bot["id"], new["id"])
    given = await user.assign(other["id"], former["id"])

    assert swapped.json()["key"]["id"] == new["id"]
    assert given.json()["key"]["id"] == former["id"]


async def test_an_unassigned_key_is_free_and_a_repeat_is_answered_alike(world: World) -> None:
    user = world.user()
    _, bot, key = await user.ready_bot()

    first = await user.delete(f"/v1/bots/{bot['id']}/key")
    second = await user.delete(f"/v1/bots/{bot['id']}/key")

    assert (first.status_code, first.json()["key"]) == (200, None)
    assert second.json() == first.json()
    assert second.headers["etag"] == first.headers["etag"]
    assert (await user.get(f"/v1/keys/{key['id']}")).json()["bot"] is None


async def test_an_inactive_key_may_be_taken_away(world: World) -> None:
    user = world.user()
    _, bot, key = await user.ready_bot()
    await user.patch(f"/v1/keys/{key['id']}", {"active": False})

    assert (await user.delete(f"/v1/bots/{bot['id']}/key")).status_code == 200


async def test_a_key_that_is_not_there_is_not_found(world: World) -> None:
    user = world.user()
    bot = await user.add_bot()
    others = await add_unchecked(world.user("bob"))

    for key_id in (str(uuid4()), others["id"]):
        answer = await user.assign(bot["id"], key_id)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_what_is_no_assignment_is_refused(world: World) -> None:
    user = world.user()
    bot = await user.add_bot()

    for body in ({}, {"key_id": None}, {"key_id": "x"}, {"key_id": str(uuid4()), "force": True}):
        answer = await user.put(f"/v1/bots/{bot['id']}/key", body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_an_inactive_key_that_another_has_is_refused_as_inactive_first(world: World) -> None:
    user = world.user()
    _, _, key = await user.ready_bot()
    await user.patch(f"/v1/keys/{key['id']}", {"active": False})
    second = await user.add_bot("second")

    answer = await user.assign(second["id"], key["id"])

    assert answer.json()["code"] == "key_inactive"


async def test_a_refused_assignment_changes_no_tag(world: World) -> None:
    user = world.user()
    _, _, key = await user.ready_bot()
    second = await user.add_bot("second")
    await user.assign(second["id"], key["id"])

    assert (await user.get(f"/v1/bots/{second['id']}")).headers["etag"] == '"1"'
