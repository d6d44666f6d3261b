"""A bot's stream: what is sent, when, and what ends it."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.streaming import StreamLimits
from app.auth.principal import BotPrincipal
from app.db import notifications
from app.db.driver import Executor, Rows, SessionExecutor, Statement
from app.db.models import Bot as BotRow
from app.domains.bots.config_rows import read_one
from app.domains.bots.token_repository import stored_token_hash
from app.domains.events.log import EventLog
from app.domains.events.types import EventType
from app.domains.runtime.config.cache import ConfigCache
from app.domains.runtime.stream.publisher import STREAMS_OF_A_BOT, ConfigPublisher, Reading
from app.domains.runtime.stream.router import ConfigEvents
from app.errors import RateLimited, Unavailable
from tests.support.streaming import Streaming, streaming
from tests.support.world import Bot, User, World

HINTS_ALONE = StreamLimits(reread=3600)
"""Limits without periodic rereads: only a notification reveals a change."""

OFTEN = StreamLimits(reread=0.05)

EVENTS = StreamLimits(reread=0.05, rereads=0.001)
"""Limits with looks for events, and without rereads in turn."""


async def new_bot(user: User) -> Bot:
    """Add a bot without a key: no catalogue fetched meanwhile changes its configuration."""
    return await user.mint((await user.add_bot())["id"])


async def pause(user: User, bot: Bot, *, paused: bool = True) -> None:
    answer = await user.patch(f"/v1/bots/{bot.id}", {"paused": paused})
    assert answer.status_code == 200, answer.text


async def version_of(bot: Bot) -> str:
    answer = await bot.get("/v1/runtime/config")
    return str(answer.headers["etag"].strip('"'))


async def principal_of(world: World, bot: Bot) -> BotPrincipal:
    executor = world.context.database.autocommit
    stored = await stored_token_hash(executor, bot.account_id, bot.id)
    assert stored is not None
    return BotPrincipal(bot.account_id, bot.id, stored)


async def pause_quietly(session: AsyncSession, bot: Bot) -> None:
    """Pause the bot without a notification."""
    row = (BotRow.account_id == bot.account_id, BotRow.id == bot.id)
    await session.execute(update(BotRow).where(*row).values(paused=True))


async def listening(world: World) -> int | None:
    """Return the PostgreSQL process id of the listening connection."""
    async with world.context.database.read_sessions() as session:
        found = await session.scalar(
            text(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = 'botkeys-listen' AND query LIKE 'LISTEN%'"
            )
        )
    return None if found is None else int(found)


async def listens(world: World, *, besides: int | None = None) -> int:
    async with asyncio.timeout(60):
        while True:
            pid = await listening(world)
            if pid is not None and pid != besides:
                return pid
            await asyncio.sleep(0.01)


async def test_the_configuration_is_sent_at_once_and_after_each_change(busy_world: World) -> None:
    user = busy_world.user()
    bot = await new_bot(user)
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
            await pause(user, bot, paused=paused)
            changed = await stream.config()
            assert ("bot_paused" in changed["blocked_by"]) is paused
        assert changed == present.json()


async def test_what_the_bot_has_already_is_not_sent(busy_world: World) -> None:
    user = busy_world.user()
    bot = await new_bot(user)
    present = await version_of(bot)
    async with streaming(busy_world, HINTS_ALONE) as server:
        async with server.stream(bot, present) as stream:
            await user.patch(f"/v1/bots/{bot.id}", {"name": "of no concern to the bot"})
            await pause(user, bot)
            assert "bot_paused" in (await stream.config())["blocked_by"]
        async with server.stream(bot, present) as stream:
            assert (await stream.config())["version"] != present


async def test_a_notification_of_an_account_concerns_all_its_bots_and_nonsense_nobody(
    busy_world: World,
) -> None:
    user = busy_world.user()
    bots = [await new_bot(user) for _ in range(2)]
    bob = busy_world.user("bob")
    stranger = await new_bot(bob)
    key = await bob.add_key()
    async with streaming(busy_world, HINTS_ALONE) as server, AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(server.stream(bot)) for bot in bots]
        other = await stack.enter_async_context(server.stream(stranger))
        for stream in (*streams, other):
            await stream.config()
        await listens(busy_world)
        # Notifications arrive after the reread that follows the start of listening. A change that
        # was notified has therefore arrived twice, and nothing is left to read for the stranger.
        for paused in (True, False):
            await pause(bob, stranger, paused=paused)
            assert ("bot_paused" in (await other.config())["blocked_by"]) is paused
        async with busy_world.context.database.sessions.begin() as session:
            for bot in (*bots, stranger):
                await pause_quietly(session, bot)
            await session.execute(text(f"SELECT pg_notify('{notifications.CHANNEL}', 'nonsense')"))
            await session.execute(notifications.of_account(bots[0].account_id))
        for stream in streams:
            assert "bot_paused" in (await stream.config())["blocked_by"]
        await bob.assign(str(stranger.id), key["id"])
        assert (await other.config())["key"] is not None, "it was notified about another bot"


async def test_a_change_without_a_notification_is_found_by_reading_again(
    busy_world: World,
) -> None:
    bot = await new_bot(busy_world.user())
    async with streaming(busy_world, OFTEN) as server, server.stream(bot) as stream:
        await stream.config()
        async with busy_world.context.database.sessions.begin() as session:
            await pause_quietly(session, bot)
        assert "bot_paused" in (await stream.config())["blocked_by"]


async def test_a_change_whose_notification_was_lost_is_found_by_its_event(
    busy_world: World,
) -> None:
    """Rule R105. The number of an account's newest event moves with each change of its owner."""
    user = busy_world.user()
    bot = await new_bot(user)
    async with streaming(busy_world, EVENTS) as server, server.stream(bot) as stream:
        await stream.config()
        await listens(busy_world)
        async with busy_world.context.database.sessions.begin() as session:
            await pause_quietly(session, bot)
            log = EventLog(SessionExecutor(session), bot.account_id)
            await log.add(EventType.BOT_CHANGED, bot_id=bot.id, name="quiet", paused=True)
        assert "bot_paused" in (await stream.config())["blocked_by"]


async def test_a_stream_begins_with_what_was_read_with_its_token(world: World) -> None:
    bot = await new_bot(world.user())
    executor = world.context.database.autocommit
    reading = Reading(await read_one(executor, bot.account_id, bot.id), 0.0)
    gone: Any = None  # to ask this database would fail
    publisher = ConfigPublisher(gone, world.context.config_cache, StreamLimits(), None)
    principal = await principal_of(world, bot)
    begun = await (await publisher.subscribe(principal, None, reading)).next(10)
    assert begun is not None
    assert begun.version == await version_of(bot)
    assert await (await publisher.subscribe(principal, begun.version, reading)).next(0.01) is None
    await publisher.close()


async def test_what_changed_since_the_token_was_read_is_not_missed(busy_world: World) -> None:
    """Rule R105."""
    user = busy_world.user()
    bot = await new_bot(user)
    principal = await principal_of(busy_world, bot)
    executor = busy_world.context.database.autocommit
    async with streaming(busy_world, HINTS_ALONE) as server, server.stream(bot) as stream:
        await stream.config()
        await listens(busy_world)
        began = asyncio.get_running_loop().time()
        reading = Reading(await read_one(executor, bot.account_id, bot.id), began)
        await pause(user, bot)
        assert "bot_paused" in (await stream.config())["blocked_by"]
        late = await (await server.config_publisher.subscribe(principal, None, reading)).next(10)
        assert late is not None
        assert late.version == stream.version


async def test_what_changes_while_nobody_listens_arrives(busy_world: World) -> None:
    user = busy_world.user()
    bot = await new_bot(user)
    async with streaming(busy_world, HINTS_ALONE) as server, server.stream(bot) as stream:
        await stream.config()
        pid = await listens(busy_world)
        async with busy_world.context.database.sessions.begin() as session:
            await pause_quietly(session, bot)  # no notification, as if it were lost
            await session.execute(
                text("SELECT pg_terminate_backend(CAST(:pid AS int))"), {"pid": pid}
            )
        assert "bot_paused" in (await stream.config())["blocked_by"]

        assert await listens(busy_world, besides=pid) != pid
        await pause(user, bot, paused=False)
        assert "bot_paused" not in (await stream.config())["blocked_by"]


async def test_a_bot_that_reconnects_all_the_time_misses_nothing(busy_world: World) -> None:
    user = busy_world.user()
    bot, _, key = await user.ready_bot()
    last = 25

    async def change() -> None:
        for number in range(1, last + 1):
            answer = await user.patch(f"/v1/keys/{key['id']}", {"label": f"{number}"})
            assert answer.status_code == 200

    async def follow(server: Streaming) -> list[str]:
        seen: list[str] = []
        known: str | None = None
        while not seen or seen[-1] != f"{last}":
            async with server.stream(bot, known) as stream:
                seen.append((await stream.config())["key"]["label"])
                known = stream.version
        return seen

    async with streaming(busy_world, HINTS_ALONE) as server:
        seen, _ = await asyncio.gather(follow(server), change())
    numbers = [int(label) for label in seen if label.isdecimal()]
    assert numbers == sorted(numbers)


async def test_a_slow_reader_gets_the_newest_configuration_alone(busy_world: World) -> None:
    user = busy_world.user()
    bot = await new_bot(user)
    async with streaming(busy_world, HINTS_ALONE) as server, server.stream(bot) as stream:
        await stream.config()
        slow = await server.config_publisher.subscribe(await principal_of(busy_world, bot), None)
        for paused in (True, False, True):
            await pause(user, bot, paused=paused)
            await stream.config()

        newest = await slow.next(0.01)
        assert newest is not None
        assert newest.version == stream.version == await version_of(bot)
        assert await slow.next(0.01) is None


async def test_a_reader_that_takes_nothing_loses_its_stream(busy_world: World) -> None:
    bot = await new_bot(busy_world.user())
    limits = StreamLimits(reread=3600, patience=0.05)

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        if message.get("body"):
            await asyncio.Event().wait()

    async with streaming(busy_world, limits) as server, server.stream(bot) as stream:
        await stream.config()
        stuck = await server.config_publisher.subscribe(await principal_of(busy_world, bot), None)
        assert server.config_publisher.count == 2
        async with asyncio.timeout(60):
            await ConfigEvents(stuck, limits, server.config_publisher.alarms)(
                {"type": "http"}, receive, send
            )
        assert stuck.closed
        assert server.config_publisher.count == 1


async def test_a_replaced_token_and_a_deleted_bot_end_the_stream(busy_world: World) -> None:
    user = busy_world.user()
    bot = await new_bot(user)
    async with streaming(busy_world, HINTS_ALONE) as server:
        async with server.stream(bot) as stream:
            await stream.config()
            renewed = await user.mint(str(bot.id))
            assert await stream.ends()
        async with server.stream(bot) as refused:
            assert refused.answer.status_code == 401
            assert refused.answer.json()["reason"] == "revoked"
        async with server.stream(renewed) as stream:
            await stream.config()
            assert (await user.delete(f"/v1/bots/{bot.id}")).is_success
            assert await stream.ends()
        assert server.config_publisher.count == 0


async def test_a_stream_without_news_says_that_it_lives(busy_world: World) -> None:
    bot = await new_bot(busy_world.user())
    limits = StreamLimits(keep_alive=0.02)
    async with streaming(busy_world, limits) as server, server.stream(bot) as stream:
        await stream.config()
        assert [await stream.event() for _ in range(2)] == [{"": "ping"}] * 2


async def test_a_stream_does_not_live_for_ever(busy_world: World) -> None:
    bot = await new_bot(busy_world.user())
    limits = StreamLimits(lifetime=0.05)
    async with streaming(busy_world, limits) as server, server.stream(bot) as stream:
        await stream.config()
        assert await stream.ends()
        assert server.config_publisher.count == 0


async def test_one_stream_too_many_ends_the_oldest_and_none_holds_a_connection(
    busy_world: World,
) -> None:
    bot = await new_bot(busy_world.user())
    pool: Any = busy_world.context.database.engine.pool
    async with streaming(busy_world, HINTS_ALONE) as server, AsyncExitStack() as stack:
        streams = []
        for _ in range(STREAMS_OF_A_BOT + 1):
            streams.append(await stack.enter_async_context(server.stream(bot)))
            await streams[-1].config()
        assert await streams[0].ends()
        assert server.config_publisher.count == STREAMS_OF_A_BOT
        assert pool.checkedout() < STREAMS_OF_A_BOT


async def test_a_stream_that_newer_ones_end_at_once_says_so(busy_world: World) -> None:
    bot = await new_bot(busy_world.user())
    async with streaming(busy_world, HINTS_ALONE) as server:
        principal = await principal_of(busy_world, bot)
        results = await asyncio.gather(
            *(
                server.config_publisher.subscribe(principal, None)
                for _ in range(STREAMS_OF_A_BOT + 2)
            ),
            return_exceptions=True,
        )
    refused = [result for result in results if isinstance(result, BaseException)]

    assert len(refused) == 2
    assert all(isinstance(error, RateLimited) for error in refused)


async def test_a_process_holds_so_many_streams_and_refuses_more(busy_world: World) -> None:
    user = busy_world.user()
    bots = [await new_bot(user) for _ in range(2)]
    async with streaming(busy_world, StreamLimits(maximum=1)) as server:
        async with server.stream(bots[0]) as stream:
            await stream.config()
            async with server.stream(bots[1]) as refused:
                assert refused.answer.status_code == 503
                assert refused.answer.headers["content-type"] == "application/problem+json"
                assert int(refused.answer.headers["retry-after"]) > 0
        await server.until_count(0)
        async with server.stream(bots[1]) as stream:
            await stream.config()


async def test_an_account_holds_so_many_streams_and_another_has_its_own(
    busy_world: World,
) -> None:
    """Rule R41."""
    user = busy_world.user()
    bots = [await new_bot(user) for _ in range(2)]
    other = await new_bot(busy_world.user("bob"))
    async with streaming(busy_world, StreamLimits(of_account=1)) as server:
        async with server.stream(bots[0]) as stream, server.stream(other) as of_other:
            await stream.config()
            await of_other.config()
            async with server.stream(bots[1]) as refused:
                assert refused.answer.status_code == 429
                assert int(refused.answer.headers["retry-after"]) > 0
        await server.until_count(0)
        async with server.stream(bots[1]) as stream:
            await stream.config()


async def test_an_open_stream_is_no_task_and_one_that_is_left_gives_its_place_back(
    busy_world: World,
) -> None:
    """Rule R103."""
    user = busy_world.user()
    bots = [await new_bot(user) for _ in range(6)]
    async with streaming(busy_world, HINTS_ALONE) as server:
        async with server.stream(bots[0]) as stream, AsyncExitStack() as stack:
            await stream.config()
            await asyncio.sleep(0.05)
            before = len(asyncio.all_tasks())
            others = [await stack.enter_async_context(server.stream(bot)) for bot in bots[1:]]
            for other in others:
                await other.config()
            await asyncio.sleep(0.05)
            assert len(asyncio.all_tasks()) <= before
            assert server.config_publisher.count == len(bots)
        await server.until_count(0)


async def test_streams_end_when_the_process_is_asked_to_stop(busy_world: World) -> None:
    bot = await new_bot(busy_world.user())
    async with streaming(busy_world, HINTS_ALONE) as server, server.stream(bot) as stream:
        await stream.config()
        await server.config_publisher.close()
        assert await stream.ends()
        async with server.stream(bot) as refused:
            assert refused.answer.status_code == 503


class OnceAway:
    """A database that fails the first time."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._asked = 0

    async def fetch(self, statement: Statement, **parameters: Any) -> Rows:
        self._asked += 1
        if self._asked == 1:
            raise OSError
        return await self._executor.fetch(statement, **parameters)

    async def fetch_many(self, statement: Statement, many: Sequence[dict[str, Any]]) -> Rows:
        return [row for parameters in many for row in await self.fetch(statement, **parameters)]


async def test_a_reading_that_failed_is_made_again(world: World) -> None:
    bot = await principal_of(world, await new_bot(world.user()))
    executor = OnceAway(world.context.database.autocommit)
    limits = StreamLimits(retry=0.01)
    config_publisher = ConfigPublisher(executor, world.context.config_cache, limits, None)
    config = await (await config_publisher.subscribe(bot, None)).next(10)
    assert config is not None
    await config_publisher.close()


async def test_one_bot_s_trouble_is_not_another_s(world: World) -> None:
    """Its key names an exchange that this process does not know."""
    user = world.user()
    troubled, _, _ = await user.ready_bot()
    sound = await principal_of(world, await new_bot(user))
    nowhere: Any = None
    config_cache = ConfigCache(nowhere, refuse_withdrawal=True)
    config_publisher = ConfigPublisher(
        world.context.database.autocommit, config_cache, StreamLimits(), None
    )
    with pytest.raises(Unavailable):
        await config_publisher.subscribe(await principal_of(world, troubled), None)
    assert await (await config_publisher.subscribe(sound, None)).next(10) is not None
    await config_publisher.close()


class Gated:
    """A database whose first answer about bots is held back."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.read = asyncio.Event()
        self.gate = asyncio.Event()

    async def fetch(self, statement: Statement, **parameters: Any) -> Rows:
        rows = await self._executor.fetch(statement, **parameters)
        if parameters and not self.read.is_set():
            self.read.set()
            await self.gate.wait()
        return rows

    async def fetch_many(self, statement: Statement, many: Sequence[dict[str, Any]]) -> Rows:
        return [row for parameters in many for row in await self.fetch(statement, **parameters)]


async def test_a_new_token_is_not_judged_by_what_was_read_before_it(world: World) -> None:
    user = world.user()
    bot = await new_bot(user)
    executor = Gated(world.context.database.autocommit)
    config_publisher = ConfigPublisher(executor, world.context.config_cache, StreamLimits(), None)
    former = asyncio.create_task(config_publisher.subscribe(await principal_of(world, bot), None))
    await executor.read.wait()
    await user.mint(str(bot.id))
    renewed = asyncio.create_task(config_publisher.subscribe(await principal_of(world, bot), None))
    await asyncio.sleep(0)
    assert config_publisher.count == 2
    executor.gate.set()

    assert await (await renewed).next(10) is not None
    assert (await former).revoked
    await config_publisher.close()
