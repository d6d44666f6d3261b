"""A bot's stream: what is sent, when, and what ends it."""

from app.runtime.streams import StreamLimits
from tests.support.streaming import streaming
from tests.support.world import World

HINTS_ALONE = StreamLimits(reread=3600)
"""Nothing is found by reading again: only a notification tells of a change."""


async def test_the_configuration_is_sent_at_once_and_after_each_change(busy_world: World) -> None:
    user = busy_world.user()
    bot, document, _ = await user.ready_bot()
    async with streaming(busy_world, HINTS_ALONE) as server, server.stream(bot) as stream:
        assert stream.answer.status_code == 200
        assert stream.answer.headers["content-type"].startswith("text/event-stream")
        assert stream.answer.headers["cache-control"] == "no-store"
        assert await stream.event() == {"retry": "1000"}
        event = await stream.event()
        present = await bot.get("/v1/runtime/config")
        assert event == {
            "event": "config",
            "data": present.text,
            "id": present.headers["etag"].strip('"'),
        }

        for paused in (True, False):
            await user.patch(f"/v1/bots/{document['id']}", {"paused": paused})
            changed = await stream.config()
            assert ("bot_paused" in changed["blocked_by"]) is paused
        assert changed == present.json()
