"""Deleting a key with its trading data."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text

from app.db.models import Account
from app.domains.keys.schemas import KeyDeletionPreview
from app.domains.operations.schemas import Operation
from app.domains.trading.kinds import KINDS
from app.worker.purging import PurgeLimits, purge_deleted
from tests.support.positions import add_position
from tests.support.purging import each, fill, left
from tests.support.world import World


async def account_of(world: World) -> UUID:
    """Return the id of the only account."""
    async with world.context.database.sessions() as session:
        return (await session.scalars(select(Account.account_id))).one()


@pytest.mark.parametrize("batch", [2, 1000])
async def test_the_data_of_a_key_go_and_those_of_others_stay(world: World, batch: int) -> None:
    user, database = world.user(), world.context.database
    bot, _, key = await user.ready_bot()
    other = await user.add_key("trade_2")
    await user.delete(f"/v1/bots/{bot.id}/key")
    await fill(database, bot.account_id, key["id"], rows=3)
    await fill(database, bot.account_id, other["id"], rows=2)

    answer = await user.delete(f"/v1/keys/{key['id']}?associated_data=delete")

    assert answer.status_code == 202
    queued = answer.json()
    Operation.model_validate(queued)
    assert queued["kind"] == "delete_key_data"
    assert (queued["status"], queued["key_id"]) == ("queued", key["id"])
    assert answer.headers["location"] == f"/v1/operations/{queued['id']}"
    assert (await user.get(f"/v1/keys/{key['id']}")).status_code == 404

    assert await purge_deleted(database.sessions, PurgeLimits(batch, at_once=1)) == 1

    ended = (await user.get(answer.headers["location"])).json()
    assert (ended["status"], ended["done"], ended["total"]) == (
        "succeeded",
        3 * len(KINDS),
        3 * len(KINDS),
    )
    assert ended["receipt"]["deleted"] == {
        **each(3),
        "keys": 1,
        "credentials": 1,
        "trading_assets": 0,
        "freezes": 0,
    }
    assert await left(database, bot.account_id) == each(2)


async def test_more_rows_of_one_moment_than_fit_into_a_batch_go_too(world: World) -> None:
    user, database = world.user(), world.context.database
    key = await user.add_key()
    account_id = await account_of(world)
    await fill(database, account_id, key["id"], rows=7, step=0)
    await user.delete(f"/v1/keys/{key['id']}?associated_data=delete")
    assert await purge_deleted(database.sessions, PurgeLimits(3, at_once=1)) == 1
    assert await left(database, account_id) == each(0)


async def test_no_secret_is_left_when_the_answer_arrives(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    await user.delete(f"/v1/keys/{key['id']}?associated_data=delete")
    async with world.context.database.sessions() as session:
        count = text("SELECT count(*) FROM key_credentials WHERE key_id = :key")
        assert await session.scalar(count, {"key": UUID(key["id"])}) == 0


async def test_a_key_without_data_has_its_operation_too(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    answer = await user.delete(f"/v1/keys/{key['id']}?associated_data=delete")
    assert await purge_deleted(world.context.database.sessions) == 1
    ended = (await user.get(answer.headers["location"])).json()
    assert (ended["status"], ended["done"], ended["total"]) == ("succeeded", 0, 0)


async def test_the_preview_counts_what_no_mark_has_deleted(world: World) -> None:
    user, database = world.user(), world.context.database
    bot, document, key = await user.ready_bot()
    await fill(database, bot.account_id, key["id"], rows=4)
    path = f"/v1/keys/{key['id']}/deletion-preview"
    preview = (await user.get(path)).json()
    KeyDeletionPreview.model_validate(preview)
    assert preview == {
        "key_id": key["id"],
        "counts": each(4),
        "exact": True,
        "held_positions": 0,
        "bot": {"id": document["id"], "name": document["name"]},
    }
    await user.post("/v1/data-deletions", {"scope": "all"})
    assert (await user.get(path)).json()["counts"] == each(0)


async def test_the_scope_to_delete_data_is_needed_for_the_data_alone(world: World) -> None:
    key = await world.user().add_key()
    user = world.user(scopes="keys:read keys:write")
    refused = await user.delete(f"/v1/keys/{key['id']}?associated_data=delete")
    assert (refused.status_code, refused.json()["required"]) == (403, "data:delete")
    assert (await user.delete(f"/v1/keys/{key['id']}")).status_code == 200


async def test_a_repeated_deletion_needs_the_scopes_of_the_first(world: World) -> None:
    """Rule R46."""
    key = await world.user().add_key()
    path, again = f"/v1/keys/{key['id']}?associated_data=delete", {"Idempotency-Key": "one"}
    first = await world.user().delete(path, headers=again)
    assert first.status_code == 202
    for scopes, missing in (
        ("keys:read keys:write", "data:delete"),
        ("keys:read data:delete", "keys:write"),
    ):
        refused = await world.user(scopes=scopes).delete(path, headers=again)
        assert (refused.status_code, refused.json()["required"]) == (403, missing)
    replayed = await world.user(scopes="keys:write data:delete").delete(path, headers=again)
    assert replayed.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize("associated_data", ["keep", "delete"])
async def test_a_key_with_which_a_position_is_held_stays(
    world: World, associated_data: str
) -> None:
    """Rule R10."""
    user = world.user()
    bot, _, key = await user.ready_bot()
    await user.delete(f"/v1/bots/{bot.id}/key")
    await add_position(world, bot.account_id, str(uuid4()), key["id"])
    answer = await user.delete(f"/v1/keys/{key['id']}?associated_data={associated_data}")
    assert (answer.status_code, answer.json()["code"]) == (409, "open_positions")
    assert answer.json()["count"] == 1
    assert (await user.get(f"/v1/keys/{key['id']}")).status_code == 200


async def test_a_bot_that_had_the_key_can_report_nothing_of_it(world: World) -> None:
    user, sessions = world.user(), world.context.database.sessions
    bot, _, key = await user.ready_bot()
    await user.delete(f"/v1/bots/{bot.id}/key")
    await user.delete(f"/v1/keys/{key['id']}?associated_data=delete")
    position = {"key_id": key["id"], "symbol": "BTC-USDT-SWAP", "side": "long", "quantity": "1"}
    trade = {
        "id": "t1",
        "symbol": "BTC-USDT-SWAP",
        "side": "long",
        "quantity": "1",
        "entry_price": "1",
        "exit_price": "2",
        "opened_at": "2026-01-01T00:00:00Z",
        "closed_at": "2026-01-01T01:00:00Z",
    }
    for _ in range(2):
        for status in ("open", "closed"):
            answer = await bot.put("/v1/runtime/positions/p1", {**position, "status": status})
            assert (answer.status_code, answer.json()["code"]) == (409, "data_deleted")
        answer = await bot.post("/v1/runtime/trades", {"key_id": key["id"], "items": [trade]})
        assert [verdict["code"] for verdict in answer.json()["results"]] == ["data_deleted"]
        await purge_deleted(sessions)
    assert await left(world.context.database, bot.account_id) == each(0)
