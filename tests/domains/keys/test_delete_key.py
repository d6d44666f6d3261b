"""Deleting a key: refused while a bot has it, otherwise immediate."""

from uuid import UUID, uuid4

from sqlalchemy import func, select

from app.db.models import BotEvent, Key, KeyCredential
from app.domains.keys.schemas import DeletionReceipt
from tests.support.positions import add_position
from tests.support.world import World


async def rows_of(world: World, key_id: str) -> tuple[int, int]:
    """Return how many rows of the key and of its credentials there are."""
    async with world.context.database.sessions() as session:
        keys = await session.scalar(
            select(func.count()).select_from(Key).where(Key.id == UUID(key_id))
        )
        credentials = await session.scalar(
            select(func.count())
            .select_from(KeyCredential)
            .where(KeyCredential.key_id == UUID(key_id))
        )
    return keys or 0, credentials or 0


async def test_the_credentials_are_gone_when_the_answer_arrives(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    assert await rows_of(world, key["id"]) == (1, 1)

    answer = await user.delete(f"/v1/keys/{key['id']}")

    assert answer.status_code == 200
    DeletionReceipt.model_validate(answer.json())
    assert answer.json() == {
        "key_id": key["id"],
        "associated_data": "keep",
        "deleted": {"keys": 1, "credentials": 1, "trading_assets": 0, "freezes": 0},
    }
    assert await rows_of(world, key["id"]) == (0, 0)
    assert (await user.get(f"/v1/keys/{key['id']}")).status_code == 404
    assert (await user.delete(f"/v1/keys/{key['id']}")).status_code == 404
    assert (await user.get("/v1/keys")).json()["items"] == []


async def test_an_assigned_key_is_kept_and_its_bot_named(world: World) -> None:
    """Rule R10."""
    user = world.user()
    _, bot, key = await user.ready_bot()

    answer = await user.delete(f"/v1/keys/{key['id']}")

    assert (answer.status_code, answer.json()["code"]) == (409, "key_assigned")
    assert answer.json()["bot"] == {"id": bot["id"], "name": bot["name"]}
    assert await rows_of(world, key["id"]) == (1, 1)


async def test_an_unassigned_key_may_be_deleted(world: World) -> None:
    user = world.user()
    _, bot, key = await user.ready_bot()
    await user.delete(f"/v1/bots/{bot['id']}/key")

    assert (await user.delete(f"/v1/keys/{key['id']}")).status_code == 200


async def test_deleting_the_bot_frees_its_key(world: World) -> None:
    user = world.user()
    _, bot, key = await user.ready_bot()
    await user.delete(f"/v1/bots/{bot['id']}")

    assert (await user.get(f"/v1/keys/{key['id']}")).json()["bot"] is None
    assert (await user.delete(f"/v1/keys/{key['id']}")).status_code == 200


async def test_an_inactive_key_may_be_deleted(world: World) -> None:
    user = world.user()
    key = await user.add_key(active=False)

    assert (await user.delete(f"/v1/keys/{key['id']}?associated_data=keep")).status_code == 200


async def test_a_deleted_key_may_be_added_again_as_a_new_one(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    await user.delete(f"/v1/keys/{key['id']}")

    again = await user.add_key()

    assert again["id"] != key["id"]
    assert again["version"] == 1


async def test_trading_data_outlive_their_key(world: World) -> None:
    user = world.user()
    bot, document, key = await user.ready_bot()
    await add_position(world, bot.account_id, document["id"], key["id"], status="closed")
    async with world.context.database.sessions() as session:
        session.add(
            BotEvent(
                account_id=bot.account_id,
                id=uuid4(),
                bot_id=bot.id,
                key_id=UUID(key["id"]),
                environment="testnet",
                kind="note",
                level="info",
                message="seen before the deletion",
            )
        )
        await session.commit()
    await user.delete(f"/v1/bots/{document['id']}/key")

    assert (await user.delete(f"/v1/keys/{key['id']}")).status_code == 200

    async with world.context.database.sessions() as session:
        kept = await session.scalar(
            select(func.count()).select_from(BotEvent).where(BotEvent.key_id == UUID(key["id"]))
        )
    assert kept == 1


async def test_an_unknown_way_to_delete_is_refused(world: World) -> None:
    user = world.user()
    key = await user.add_key()

    answer = await user.delete(f"/v1/keys/{key['id']}?associated_data=perhaps")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert await rows_of(world, key["id"]) == (1, 1)
