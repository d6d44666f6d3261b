"""A deletion covers events: hidden at once, removed by the operation, which has events itself."""

import pytest

from app.worker import purging
from app.worker.purging import PurgeLimits, purge_deleted
from tests.domains.events.test_events import events, types
from tests.support.purging import fill
from tests.support.world import Json, User, World


async def two_keys(user: User) -> tuple[Json, Json]:
    """Return a key of each environment."""
    return await user.add_key(), await user.add_key("other_account", environment="live")


async def test_a_key_that_goes_with_its_data_takes_its_events_along(world: World) -> None:
    user = world.user()
    gone, left = await two_keys(user)
    of_other = await events(user, f"&key_id={left['id']}")

    answer = await user.delete(f"/v1/keys/{gone['id']}?associated_data=delete")
    assert answer.status_code == 202, answer.text

    for _ in range(2):
        (event,) = await events(user, f"&key_id={gone['id']}")
        assert event["type"] == "key.deleted"
        assert event["data"] == {
            "exchange": "okx",
            "associated_data": "delete",
            "operation_id": answer.json()["id"],
        }
        assert await events(user, f"&key_id={left['id']}") == of_other
        await purge_deleted(world.context.database.sessions)
    finished = (await events(user))[-1]
    assert finished["type"] == "operation.finished"
    assert finished["data"] == {
        "operation_id": answer.json()["id"],
        "kind": "delete_key_data",
        "status": "succeeded",
    }


async def test_a_key_that_is_deleted_alone_leaves_its_events(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    before = await events(user)
    assert (await user.delete(f"/v1/keys/{key['id']}")).status_code == 200
    after = await events(user)
    assert after[:-1] == before
    assert after[-1]["data"] == {
        "label": key["label"],
        "exchange": "okx",
        "associated_data": "keep",
    }


@pytest.mark.parametrize("scope", ["all", "environment", "keys", "before"])
async def test_a_deletion_of_data_covers_the_events_of_its_scope(world: World, scope: str) -> None:
    user = world.user()
    await user.add_bot()
    testnet, live = await two_keys(user)
    before = await events(user)
    scopes: dict[str, Json] = {
        "all": {},
        "environment": {"environment": "testnet"},
        "keys": {"key_ids": [testnet["id"]]},
        "before": {"before": before[-1]["at"]},
    }
    expected = {
        "all": [],
        "environment": [event for event in before if event["environment"] != "testnet"],
        "keys": [event for event in before if event.get("key_id") != testnet["id"]],
        "before": before[-1:],
    }[scope]
    assert live["id"] != testnet["id"]

    answer = await user.post("/v1/data-deletions", {"scope": scope, **scopes[scope]})
    assert answer.status_code == 202, answer.text

    hidden = await events(user)
    assert hidden[:-1] == expected
    assert hidden[-1]["type"] == "operation.progress"
    assert hidden[-1]["data"]["status"] == "queued"
    await purge_deleted(world.context.database.sessions)
    assert (await events(user))[:-1] == hidden


async def test_an_operation_that_runs_adds_events_of_its_progress(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "PROGRESS_SECONDS", 0)
    user, database = world.user(), world.context.database
    bot, _, key = await user.ready_bot()
    await user.delete(f"/v1/bots/{bot.id}/key")
    await fill(database, bot.account_id, key["id"], rows=3)
    begun = (await user.delete(f"/v1/keys/{key['id']}?associated_data=delete")).json()
    assert await purge_deleted(database.sessions, PurgeLimits(2, at_once=1)) == 1

    found = [
        event for event in await events(user) if event["data"].get("operation_id") == begun["id"]
    ]
    assert types(found)[:2] == ["key.deleted", "operation.progress"]
    assert set(types(found)[2:-1]) == {"operation.progress"}
    assert types(found)[-1] == "operation.finished"
    done = [event["data"]["done"] for event in found[1:-1]]
    assert done == sorted(done)
    assert done[-1] > 0
    assert found[-2]["data"]["total"] >= done[-1]
