"""A bot with open positions keeps its key and cannot be deleted."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.support.positions import A_SECOND_AGO, IN_A_MINUTE, add_position
from tests.support.world import User, World

Change = Callable[[User, str, str], Awaitable[httpx.Response]]


async def swap(user: User, bot_id: str, other_key: str) -> httpx.Response:
    return await user.assign(bot_id, other_key)


async def unassign(user: User, bot_id: str, _: str) -> httpx.Response:
    return await user.delete(f"/v1/bots/{bot_id}/key")


async def delete(user: User, bot_id: str, _: str) -> httpx.Response:
    return await user.delete(f"/v1/bots/{bot_id}")


CHANGES: list[Change] = [swap, unassign, delete]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    ("status", "expires_in", "blocks"),
    [
        ("open", None, True),
        ("opening", IN_A_MINUTE, True),
        ("opening", A_SECOND_AGO, False),
        ("closed", None, False),
    ],
)
async def test_only_a_position_that_is_open_or_about_to_be_keeps_the_key(
    world: World, change: Change, status: str, expires_in: timedelta | None, blocks: bool
) -> None:
    """Rule R13."""
    user = world.user()
    bot, document, key = await user.ready_bot()
    other = await user.add_key("trade_2")
    await add_position(
        world, bot.account_id, document["id"], key["id"], status=status, expires_in=expires_in
    )
    before = (await user.get(f"/v1/bots/{document['id']}")).json()

    answer = await change(user, document["id"], other["id"])

    assert before["open_positions"] == int(blocks)
    if blocks:
        assert (answer.status_code, answer.json()["code"]) == (409, "open_positions")
        assert answer.json()["count"] == 1
        assert (await user.get(f"/v1/bots/{document['id']}")).json() == before
    else:
        assert answer.status_code in {200, 204}


async def test_the_answer_counts_all_that_hold_the_key(world: World) -> None:
    user = world.user()
    bot, document, key = await user.ready_bot()
    states: list[dict[str, Any]] = [
        {"status": "open"},
        {"status": "open"},
        {"status": "opening", "expires_in": IN_A_MINUTE},
        {"status": "opening", "expires_in": A_SECOND_AGO},
        {"status": "closed"},
    ]
    for number, state in enumerate(states):
        await add_position(
            world, bot.account_id, document["id"], key["id"], name=f"p{number}", **state
        )

    answer = await user.delete(f"/v1/bots/{document['id']}/key")

    assert answer.json()["count"] == 3
    assert "3 open positions" in answer.json()["detail"]


async def test_the_key_in_place_may_be_put_again_whatever_is_open(world: World) -> None:
    user = world.user()
    bot, document, key = await user.ready_bot()
    await add_position(world, bot.account_id, document["id"], key["id"])

    assert (await user.assign(document["id"], key["id"])).status_code == 200


async def test_open_positions_of_one_bot_hold_no_other(world: World) -> None:
    user = world.user()
    bot, document, key = await user.ready_bot()
    await add_position(world, bot.account_id, document["id"], key["id"])
    free_key, free_bot = await user.add_key("trade_2"), await user.add_bot("free")
    await user.assign(free_bot["id"], free_key["id"])

    assert (await user.delete(f"/v1/bots/{free_bot['id']}")).status_code == 204


async def test_deactivating_pausing_and_renaming_go_on_with_open_positions(world: World) -> None:
    user = world.user()
    bot, document, key = await user.ready_bot()
    await add_position(world, bot.account_id, document["id"], key["id"])

    off = await user.patch(f"/v1/keys/{key['id']}", {"active": False})
    paused = await user.patch(f"/v1/bots/{document['id']}", {"paused": True, "name": "Exits only"})

    assert (off.status_code, paused.status_code) == (200, 200)
    assert paused.json()["open_positions"] == 1


async def test_a_wrong_key_is_reported_before_the_open_positions(world: World) -> None:
    user = world.user()
    bot, document, key = await user.ready_bot()
    await add_position(world, bot.account_id, document["id"], key["id"])
    inactive = await user.add_key("trade_2", active=False)

    assert (await user.assign(document["id"], inactive["id"])).json()["code"] == "key_inactive"


async def test_a_bot_gets_the_key_of_its_open_positions_back_and_no_other(world: World) -> None:
    user = world.user()
    bot, document, key = await user.ready_bot()
    other = await user.add_key("trade_2")
    assert (await unassign(user, document["id"], "")).status_code == 200
    report = {"symbol": "BTC-USDT-SWAP", "side": "long", "status": "open", "quantity": "1"}
    late = await bot.put("/v1/runtime/positions/p1", {**report, "key_id": key["id"]})
    assert late.status_code == 200, late.text

    refused = await user.assign(document["id"], other["id"])
    given = await user.assign(document["id"], key["id"])

    assert (refused.status_code, refused.json()["code"]) == (409, "open_positions")
    assert given.status_code == 200, given.text
    assert given.json()["key"]["id"] == key["id"]
