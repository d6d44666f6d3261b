"""Following an operation while it runs."""

import json
from uuid import UUID

import pytest

from app.client.sse import Event, EventParser
from app.operations import progress
from app.operations.repository import read_operation
from app.runtime.streams import StreamLimits
from app.worker.purging import purge_deleted
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
    row = await read_operation(database.reader, bot.account_id, UUID(begun["id"]))
    assert row is not None
    following = progress.OperationEvents(database.reader, bot.account_id, row, StreamLimits())

    parser, events = EventParser(), list[Event]()
    async for chunk in following.body_iterator:
        assert isinstance(chunk, bytes)
        events += parser.feed(chunk)
        if len(events) == 1:
            await purge_deleted(database.sessions)

    told = [json.loads(event.data) for event in events]
    assert told[0] == begun
    assert told[1:] == [(await user.get(f"/v1/operations/{begun['id']}")).json()]
    assert (told[1]["status"], told[1]["done"]) == ("succeeded", 15)
