"""Following an operation while it runs."""

import gc
import json
from typing import Any
from uuid import UUID

import pytest

from app.api.streaming import StreamLimits
from app.domains.operations import progress_stream as progress
from app.domains.operations.repository import read_operation
from app.domains.trading.kinds import KINDS
from app.errors import Unavailable
from app.worker.purging import purge_deleted
from botkeys.client.sse import Event, EventParser
from tests.support.purging import fill
from tests.support.world import World


async def test_a_stream_tells_of_each_change_and_ends_with_the_operation(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LOOK_SECONDS", 0.01)
    user, database = world.user(), world.context.database
    bot, _, key = await user.ready_bot()
    await user.delete(f"/v1/bots/{bot.id}/key")
    await fill(database, bot.account_id, key["id"], rows=3)
    begun = (await user.delete(f"/v1/keys/{key['id']}?associated_data=delete")).json()
    row = await read_operation(database.autocommit, bot.account_id, UUID(begun["id"]))
    assert row is not None
    following = progress.OperationEvents(
        progress.OperationStreamQuota(), database.autocommit, bot.account_id, row, StreamLimits()
    )

    parser, events = EventParser(), list[Event]()
    async for chunk in following.body_iterator:
        assert isinstance(chunk, bytes)
        events += parser.feed(chunk)
        if len(events) == 1:
            await purge_deleted(database.sessions)

    sent = [json.loads(event.data) for event in events]
    assert sent[0] == begun
    assert sent[1:] == [(await user.get(f"/v1/operations/{begun['id']}")).json()]
    assert (sent[1]["status"], sent[1]["done"]) == ("succeeded", 3 * len(KINDS))


async def begun(world: World) -> tuple[str, UUID]:
    """Return the address of an operation that waits for a worker, and its account."""
    bot = await world.user().mint((await world.user().add_bot())["id"])
    operation = (await world.user().post("/v1/data-deletions", {"scope": "all"})).json()
    return f"/v1/operations/{operation['id']}/stream", bot.account_id


async def test_an_account_and_a_process_have_so_many_streams_and_then_must_wait(
    world: World,
) -> None:
    user, quota = world.user(), world.context.operations
    path, account = await begun(world)
    others = [UUID(int=n) for n in range(progress.IN_ALL)]
    taken = [account] * progress.OF_ONE_ACCOUNT
    for holder in taken:
        quota.take(holder)
    crowded = await user.get(path)
    quota.give_back(taken.pop())
    for other in others:
        if quota.count < progress.IN_ALL:
            quota.take(other)
            taken.append(other)
    busy = await user.get(path)
    for holder in taken:
        quota.give_back(holder)
    allowed = await user.get(path)

    assert (crowded.status_code, crowded.json()["code"]) == (429, "rate_limited")
    assert (busy.status_code, busy.json()["code"]) == (503, "unavailable")
    assert crowded.headers["retry-after"] == busy.headers["retry-after"] == "5"
    assert allowed.status_code == 200
    assert quota.count == 0


async def test_an_answer_that_is_never_sent_keeps_no_place(world: World) -> None:
    quota, reader = progress.OperationStreamQuota(), world.context.database.autocommit
    row: Any = None
    answer = progress.OperationEvents(quota, reader, UUID(int=1), row, StreamLimits())
    assert quota.count == 1
    del answer
    gc.collect()
    assert quota.count == 0


async def test_streams_end_when_the_process_stops(world: World) -> None:
    """No worker runs the operation: its stream would last for an hour."""
    path, account = await begun(world)
    database, quota = world.context.database, progress.OperationStreamQuota()
    row = await read_operation(database.autocommit, account, UUID(path.split("/")[3]))
    assert row is not None
    following = progress.OperationEvents(quota, database.autocommit, account, row, StreamLimits())
    events = list[Event]()
    parser = EventParser()
    async for chunk in following.body_iterator:
        assert isinstance(chunk, bytes)
        events += parser.feed(chunk)
        quota.close()

    assert len(events) == 1
    with pytest.raises(Unavailable):
        quota.take(account)
