"""Totals of both environments in one call."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, update

from app.db.models import Key
from app.domains.keys.states import EXPIRING, KeyWord
from app.domains.overview.schemas import Dashboard
from tests.support.positions import add_position
from tests.support.variants import add_unchecked, changed
from tests.support.world import Json, User, World


async def totals(user: User) -> Json:
    answer = await user.get("/v1/dashboard")
    assert answer.status_code == 200, answer.text
    Dashboard.model_validate(answer.json())
    found: Json = answer.json()
    return found


async def alter(world: World, key: Json, **columns: Any) -> None:
    async with world.context.database.sessions.begin() as session:
        await session.execute(update(Key).where(Key.id == key["id"]).values(**columns))


async def test_an_empty_account_has_every_count_at_zero(world: World) -> None:
    found = (await totals(world.user()))["environments"]

    assert set(found) == {"live", "testnet"}
    for environment in found.values():
        assert environment["keys"].pop("states") == dict.fromkeys(KeyWord, 0)
        assert environment == {
            "open_positions": 0,
            "bots": {"total": 0, "online": 0, "blocked": 0},
            "keys": {"total": 0, "active": 0, "expiring": 0},
        }


async def test_each_environment_counts_its_own(world: World) -> None:
    user = world.user()
    bot, document, key = await user.ready_bot()
    await bot.post("/v1/runtime/heartbeat")
    await add_position(world, bot.account_id, document["id"], key["id"])
    live = await add_unchecked(user, 1, environment="live", active=False)
    await add_unchecked(user, 2, environment="live")
    await user.add_bot("Without a key")
    await world.user("bob").post("/v1/keys", world.unchecked_key())

    found = await totals(user)

    of_testnet, of_live = found["environments"]["testnet"], found["environments"]["live"]
    blocked = len((await user.get("/v1/bots?blocked=true&environment=testnet")).json()["items"])
    assert of_testnet["bots"] == {"total": 1, "online": 1, "blocked": blocked}
    assert (of_testnet["open_positions"], of_live["open_positions"]) == (1, 0)
    assert of_live["bots"]["total"] == 0
    assert found["bots"] == {"total": 2, "online": 1, "blocked": blocked + 1}
    assert (of_live["keys"]["total"], of_live["keys"]["active"]) == (2, 1)
    assert of_live["keys"]["states"]["inactive"] == 2, "one is switched off, one not verified"
    assert (found["environment"], found["keys"]) == ("live", of_live["keys"])
    await user.patch(f"/v1/keys/{live['id']}", {"active": True})
    assert (await totals(user))["environments"]["live"]["keys"]["active"] == 2


@pytest.mark.parametrize("refuse_withdrawal", [True, False])
async def test_totals_and_lists_agree_on_every_key(world: World, refuse_withdrawal: bool) -> None:
    """Rule R77."""
    policy = "reject" if refuse_withdrawal else "warn"
    async with changed(world, settings={"withdrawal_policy": policy}) as other:
        user = other.user()
        now = func.statement_timestamp()
        situations: list[dict[str, Any]] = [
            {"expires_at": now},
            {"expires_at": now + EXPIRING - timedelta(minutes=1)},
            {"expires_at": now + EXPIRING + timedelta(minutes=1)},
            {"verification_status": "rejected", "verification_reason": "invalid_key"},
            {"verification_status": "unreachable"},
            {"permission_trade": "no"},
            {"permission_withdraw": "yes"},
            {"unverified": True},
            {"active": False},
            {"awaiting_api_key": True},
        ]
        for number, columns in enumerate(situations, 1):
            key = await add_unchecked(user, number, exchange="bybit")
            await alter(world, key, **{"unverified": False, **columns})
        frozen = await add_unchecked(user, 99)
        await user.post("/v1/freezes", {"scope": "key", "key_id": frozen["id"]})

        items = (await user.get("/v1/keys")).json()["items"]
        states = (await totals(user))["environments"]["testnet"]["keys"]["states"]

        ones = [(await user.get(f"/v1/keys/{item['id']}")).json() for item in items]

    words = [item["state"]["word"] for item in items]
    assert states == {word: words.count(word) for word in KeyWord}
    assert [one["state"] for one in ones] == [item["state"] for item in items]
    assert words.count("expiring") == 1
    assert words.count("active") == (1 if refuse_withdrawal else 3)
