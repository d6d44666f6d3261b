"""Replacing a key's credentials in place."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from app.db.models import Key
from app.simulator.faults import FaultKind
from botkeys.client import BotClient
from botkeys.transport.client import ASGITransport, HttpTransport
from tests.support.positions import trader
from tests.support.variants import apart
from tests.support.world import World


def credentials(world: World, variant: str, exchange: str = "okx") -> dict[str, Any]:
    return dict(world.credentials[exchange]["testnet"][variant])


async def test_another_key_of_the_same_account_takes_its_place_and_the_bot_gets_it(
    world: World,
) -> None:
    user = world.user()
    bot, document, key = await user.ready_bot()
    async with BotClient(
        "http://botkeys.test",
        bot.token,
        transport=HttpTransport(transport=ASGITransport(world.app)),
        allow_insecure_http=True,
    ) as client:
        before = (await client.credentials()).api_key.reveal()

        answer = await user.put(f"/v1/keys/{key['id']}/credentials", credentials(world, "trade_2"))
        await client.config()
        after = await client.credentials()

        assert answer.status_code == 200
        assert answer.json()["version"] == after.version == 2
        assert answer.json()["bot"]["id"] == document["id"]
        assert answer.json()["masked_key"] != key["masked_key"]
        assert after.api_key.reveal() == credentials(world, "trade_2")["api_key"]
        assert after.api_key.reveal() != before


TELLING = [
    *((name, "live") for name in ("binance", "bybit", "kraken", "okx", "kucoin", "deribit")),
    ("phemex", "live"),
    ("woox", "live"),
    ("bitmex", "live"),
    ("okx", "testnet"),
]


@pytest.mark.parametrize(("exchange", "environment"), TELLING)
async def test_a_key_of_another_exchange_account_is_refused(
    world: World, exchange: str, environment: str
) -> None:
    """Rule R8."""
    user = world.user()
    key = await user.add_key("trade", exchange=exchange, environment=environment)
    other = world.new_key("other_account", exchange=exchange, environment=environment)
    names = ("api_key", "api_secret", "api_passphrase")

    answer = await user.put(
        f"/v1/keys/{key['id']}/credentials", {n: other[n] for n in names if n in other}
    )

    assert (answer.status_code, answer.json()["code"]) == (409, "other_exchange_account")
    assert (await user.get(f"/v1/keys/{key['id']}")).json() == key


async def stored_account(world: World, key: dict[str, Any]) -> bytes | None:
    async with world.context.database.sessions() as session:
        return await session.scalar(select(Key.exchange_account).where(Key.id == UUID(key["id"])))


@pytest.mark.parametrize("exchange", ["binance", "gemini"])
async def test_where_the_exchange_does_not_tell_its_account_the_user_confirms_it(
    world: World, exchange: str
) -> None:
    """Rule R8. Gemini tells it to no key that may only trade, and Binance not on the testnet."""
    user = world.user()
    key = await user.add_key("trade", exchange=exchange)
    path = f"/v1/keys/{key['id']}/credentials"
    other = credentials(world, "other_account", exchange)

    refused = await user.put(path, other)
    unchanged = (await user.get(f"/v1/keys/{key['id']}")).json()
    answer = await user.put(path, {**other, "confirm_same_account": True})

    assert (refused.status_code, refused.json()["code"]) == (409, "same_account_unproven")
    assert unchanged == key
    assert (answer.status_code, answer.json()["version"]) == (200, 2)


@pytest.mark.parametrize("unproven", ["skipped", "unreachable"])
async def test_a_replacement_without_proof_forgets_the_account_and_waits_for_positions(
    world: World, unproven: str
) -> None:
    """Rule R8: what was proven of the former credentials proves nothing of the new ones."""
    trading = await trader(world)
    user, path = trading.user, f"/v1/keys/{trading.key['id']}/credentials"
    body = {
        **credentials(world, "other_account"),
        "verify": unproven == "unreachable",
        "confirm_same_account": True,
    }
    await trading.report("opening")
    if unproven == "unreachable":
        world.simulator.faults.set("okx", "testnet", FaultKind.SERVER_ERROR)

    async with apart(world) as alone:
        asking = replace(user, http=alone.http, world=alone)
        held = await asking.put(path, body)
        await trading.report("open")
        open_ = await asking.put(path, body)
        await trading.report("closed")
        unconfirmed = await asking.put(path, {**body, "confirm_same_account": False})
        before = await stored_account(world, trading.key)
        answer = await asking.put(path, body)
    world.simulator.faults.clear()

    for refused in (held, open_):
        problem = refused.json()
        assert (refused.status_code, problem["code"]) == (409, "open_positions"), problem
        assert problem["count"] == 1
    assert unconfirmed.json()["code"] == "same_account_unproven"
    assert before is not None
    assert answer.status_code == 200, answer.text
    assert answer.json()["verification"]["status"] == unproven
    assert await stored_account(world, trading.key) is None
    # Nothing is known to compare with any more, so the next one is not proven either.
    following = await user.put(path, credentials(world, "trade"))
    assert following.json()["code"] == "same_account_unproven"
    confirmed = await user.put(path, {**credentials(world, "trade"), "confirm_same_account": True})
    assert confirmed.status_code == 200
    assert await stored_account(world, trading.key) == before


async def test_no_word_of_the_user_makes_another_exchange_account_the_same(world: World) -> None:
    """Rule R8."""
    user = world.user()
    key = await user.add_key("trade")
    body = {**credentials(world, "other_account"), "confirm_same_account": True}

    answer = await user.put(f"/v1/keys/{key['id']}/credentials", body)

    assert (answer.status_code, answer.json()["code"]) == (409, "other_exchange_account")


async def test_a_proven_replacement_needs_no_word_and_leaves_positions_alone(world: World) -> None:
    """Rule R8."""
    trading = await trader(world)
    await trading.report("opening")
    await trading.report("open")
    path = f"/v1/keys/{trading.key['id']}/credentials"

    renewed = await trading.user.put(path, credentials(world, "trade_2"))
    same_key = {**credentials(world, "trade_2"), "verify": False}
    again = await trading.user.put(path, same_key)

    assert (renewed.status_code, again.status_code) == (200, 200)
    assert await stored_account(world, trading.key) is not None


async def test_the_same_api_key_may_come_back_with_another_secret(world: World) -> None:
    user = world.user()
    key = (await user.post("/v1/keys", world.unchecked_key())).json()
    body = {
        "api_key": world.unchecked_key()["api_key"],
        "api_secret": "another-secret",
        "verify": False,
    }

    answer = await user.put(f"/v1/keys/{key['id']}/credentials", body)

    assert answer.status_code == 200
    assert answer.json()["verification"]["status"] == "skipped"


async def test_what_a_new_key_may_not_be_a_replacement_may_not_be_either(world: World) -> None:
    user = world.user()
    key = await user.add_key("trade")
    await user.add_key("readonly")
    path = f"/v1/keys/{key['id']}/credentials"

    duplicate = await user.put(path, credentials(world, "readonly"))
    revoked = await user.put(path, credentials(world, "revoked"))
    withdrawing = await user.put(path, credentials(world, "withdraw"))
    malformed = await user.put(path, {**credentials(world, "trade_2"), "api_secret": "a b"})

    assert duplicate.json()["code"] == "key_already_added"
    assert revoked.json()["code"] == "credentials_rejected"
    assert withdrawing.json()["code"] == "withdrawal_permission"
    assert malformed.json()["code"] == "malformed_credentials"
    assert (await user.get(f"/v1/keys/{key['id']}")).json() == key


async def test_a_replacement_for_a_state_that_has_passed_is_refused(world: World) -> None:
    user = world.user()
    key = await user.add_key("trade")
    await user.patch(f"/v1/keys/{key['id']}", {"label": "Renamed"})

    answer = await user.put(
        f"/v1/keys/{key['id']}/credentials",
        credentials(world, "trade_2"),
        headers={"If-Match": '"1"'},
    )

    assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")


async def test_only_the_present_version_is_kept(world: World) -> None:
    user = world.user()
    key = await user.add_key("trade")
    for variant in ("trade_2", "trade"):
        await user.put(f"/v1/keys/{key['id']}/credentials", credentials(world, variant))

    deleted = (await user.delete(f"/v1/keys/{key['id']}")).json()["deleted"]

    assert (deleted["keys"], deleted["credentials"]) == (1, 1)
