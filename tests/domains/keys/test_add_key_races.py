"""The same API key added many times at once."""

import asyncio

from sqlalchemy import func, select

from app.db.models import AuditEvent, Key, KeyCredential
from tests.support.world import World


async def test_of_twenty_additions_of_one_api_key_one_is_taken(busy_world: World) -> None:
    """Rule R5."""
    user = busy_world.user()
    bodies = [busy_world.unchecked_key(label=f"label {number}") for number in range(20)]

    answers = await asyncio.gather(*(user.post("/v1/keys", body) for body in bodies))

    taken = [answer for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code != 201]
    assert len(taken) == 1
    assert [answer.status_code for answer in refused] == [409] * 19
    assert all(answer.json()["code"] == "key_already_added" for answer in refused)
    assert {answer.json()["key_id"] for answer in refused} == {taken[0].json()["id"]}
    async with busy_world.context.database.sessions() as session:
        counts = [
            await session.scalar(select(func.count()).select_from(table))
            for table in (Key, KeyCredential)
        ]
        outcomes = list(await session.scalars(select(AuditEvent.outcome)))
    assert counts == [1, 1]
    # Refusals that are alike are counted after the first, and recorded together later.
    assert sorted(outcomes) == ["allowed", "refused"]


async def test_the_first_requests_of_a_new_account_may_come_together(busy_world: World) -> None:
    user = busy_world.user("newcomer")

    answers = await asyncio.gather(
        *(user.post("/v1/keys", busy_world.unchecked_key(number)) for number in range(20))
    )

    assert {answer.status_code for answer in answers} == {201}
    events = (await user.get("/v1/audit-events?limit=200")).json()["items"]
    assert [event["sequence"] for event in events] == list(range(20, 0, -1))


async def test_verified_at_the_same_time_the_same_key_is_taken_once(busy_world: World) -> None:
    user = busy_world.user()

    answers = await asyncio.gather(*(user.post("/v1/keys", busy_world.new_key()) for _ in range(5)))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 4


async def test_adding_and_deleting_the_same_key_again_and_again_ends_in_one_or_none(
    busy_world: World,
) -> None:
    user = busy_world.user()

    async def add_and_delete() -> set[int]:
        statuses = set()
        for _ in range(5):
            added = await user.post("/v1/keys", busy_world.unchecked_key())
            statuses.add(added.status_code)
            key_id = added.json().get("id") or added.json().get("key_id")
            if key_id is not None:
                statuses.add((await user.delete(f"/v1/keys/{key_id}")).status_code)
        return statuses

    seen = set().union(*await asyncio.gather(*(add_and_delete() for _ in range(6))))

    assert seen <= {200, 201, 404, 409}
    async with busy_world.context.database.sessions() as session:
        keys = await session.scalar(select(func.count()).select_from(Key))
        credentials = await session.scalar(select(func.count()).select_from(KeyCredential))
    assert keys == credentials
    assert keys is not None
    assert keys <= 1
