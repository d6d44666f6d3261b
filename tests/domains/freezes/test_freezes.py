"""Freezes: who may set them, what they stop, and that no opening is granted after the response."""

import asyncio
from typing import Any

import pytest

from tests.support.world import Bot, World


async def reasons(bot: Bot) -> list[str]:
    document: dict[str, Any] = (await bot.get("/v1/runtime/config")).json()
    return list(document["blocked_by"])


@pytest.mark.parametrize("scope", ["account", "exchange", "key"])
async def test_a_freeze_stops_new_positions_until_it_is_lifted(world: World, scope: str) -> None:
    user = world.user()
    bot, _, key = await user.ready_bot()
    target = {
        "account": {},
        "exchange": {"exchange": key["exchange"]},
        "key": {"key_id": key["id"]},
    }[scope]

    added = await user.post("/v1/freezes", {"scope": scope, "reason": "a leak", **target})

    assert added.status_code == 201, added.text
    document = added.json()
    assert (await user.get(added.headers["location"])).json() == document
    assert document["environment"] == ("testnet" if scope == "key" else None)
    assert (await user.get("/v1/freezes")).json()["items"] == [document]
    assert "frozen" in await reasons(bot)
    again = await user.post("/v1/freezes", {"scope": scope, "reason": "another", **target})
    assert (again.status_code, again.json()) == (200, document)

    lifted = await user.delete(added.headers["location"])
    assert lifted.status_code == 204, lifted.text
    assert "frozen" not in await reasons(bot)
    assert (await user.delete(added.headers["location"])).status_code == 404
    assert (await user.get(added.headers["location"])).status_code == 404


async def test_a_freeze_of_another_exchange_or_key_stops_nothing(world: World) -> None:
    user = world.user()
    bot, _, _ = await user.ready_bot()
    other = await user.add_key("trade_2")

    await user.post("/v1/freezes", {"scope": "exchange", "exchange": "kraken"})
    await user.post("/v1/freezes", {"scope": "key", "key_id": other["id"]})
    await world.user("mallory").post("/v1/freezes", {"scope": "account"})

    assert "frozen" not in await reasons(bot)


async def test_lifting_one_freeze_leaves_the_others(world: World) -> None:
    user = world.user()
    bot, _, key = await user.ready_bot()
    of_account = (await user.post("/v1/freezes", {"scope": "account"})).json()
    of_key = (await user.post("/v1/freezes", {"scope": "key", "key_id": key["id"]})).json()

    answer = await user.delete(f"/v1/freezes/{of_account['id']}")

    assert answer.status_code == 204, answer.text
    assert (await user.get("/v1/freezes")).json()["items"] == [of_key]
    assert "frozen" in await reasons(bot)


async def test_a_freeze_is_lifted_by_its_id_alone(world: World) -> None:
    user = world.user()
    await user.post("/v1/freezes", {"scope": "account"})

    answer = await user.delete("/v1/freezes?scope=account")

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


async def test_freezing_and_lifting_need_scopes_of_their_own(world: World) -> None:
    freezer = world.user(scopes="keys:write keys:read")
    added = await freezer.post("/v1/freezes", {"scope": "account"})
    assert added.status_code == 201

    refused = await freezer.delete(added.headers["location"])

    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")


@pytest.mark.parametrize(
    "body",
    [
        {"scope": "exchange"},
        {"scope": "key"},
        {"scope": "account", "exchange": "okx"},
        {"scope": "exchange", "exchange": "mtgox"},
        {"scope": "everything"},
    ],
    ids=["no exchange", "no key", "too much", "unknown exchange", "unknown scope"],
)
async def test_a_target_that_makes_no_sense_is_refused(world: World, body: dict[str, str]) -> None:
    answer = await world.user().post("/v1/freezes", body)

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"]


async def test_the_key_of_another_account_cannot_be_frozen(world: World) -> None:
    key = await world.user().add_key()
    answer = await world.user("mallory").post("/v1/freezes", {"scope": "key", "key_id": key["id"]})
    assert answer.status_code == 404


async def test_a_deleted_key_takes_its_freeze_along(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    await user.post("/v1/freezes", {"scope": "key", "key_id": key["id"]})

    assert (await user.delete(f"/v1/keys/{key['id']}")).status_code == 200
    assert (await user.get("/v1/freezes")).json()["items"] == []


async def test_two_freezes_of_one_target_at_once_are_one(busy_world: World) -> None:
    user = busy_world.user()
    answers = await asyncio.gather(
        *(user.post("/v1/freezes", {"scope": "account"}) for _ in range(12))
    )

    assert sorted(answer.status_code for answer in answers) == [200] * 11 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
