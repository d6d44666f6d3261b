"""Replacing a key's credentials in place."""

from typing import Any

from botkeys.client import BotClient
from botkeys.transport.client import ASGITransport, HttpTransport
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


async def test_a_key_of_another_exchange_account_is_refused(world: World) -> None:
    """Rule R8."""
    user = world.user()
    key = await user.add_key("trade")

    answer = await user.put(
        f"/v1/keys/{key['id']}/credentials", credentials(world, "other_account")
    )

    assert (answer.status_code, answer.json()["code"]) == (409, "other_exchange_account")
    assert (await user.get(f"/v1/keys/{key['id']}")).json() == key


async def test_where_the_exchange_does_not_tell_its_account_the_key_is_taken(world: World) -> None:
    """Rule R8."""
    user = world.user()
    key = await user.add_key("trade", exchange="binance")

    answer = await user.put(
        f"/v1/keys/{key['id']}/credentials", credentials(world, "other_account", "binance")
    )

    assert answer.status_code == 200


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
