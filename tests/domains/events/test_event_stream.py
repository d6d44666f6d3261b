"""The stream of events: replay without gap or double, resets, and how it ends."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from sqlalchemy import insert, update

from app.api.streaming import StreamLimits
from app.auth.principal import UserPrincipal, account_id
from app.context import Context
from app.db.driver import SessionExecutor
from app.db.engine import open_database
from app.db.models import DashboardSession, EventHead
from app.domains.events.log import NewEvent, add_events
from app.domains.events.repository import EventReader
from app.domains.events.stream import OF_ONE_ACCOUNT, EventStreams
from app.domains.events.types import EventType
from app.simulator import Simulator
from app.worker.housekeeping import EVENTS_KEPT, sweep
from botkeys.client.sse import Event, EventParser
from tests.conftest import open_world
from tests.support.database import PATIENT, Server, database_copy
from tests.support.world import User, World

SECONDS = 3.0

LIMITS = StreamLimits(lifetime=60, keep_alive=0.05)


class Reader:
    """A client of one stream, without a network in between."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.comments = 0
        self._ended = asyncio.Event()
        self.left = asyncio.Event()
        self._news = asyncio.Event()
        self._parser = EventParser()

    async def send(self, message: Any) -> None:
        body = message.get("body", b"")
        self.comments += body.count(b": ping")
        self.events += self._parser.feed(body)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self._ended.set()
        self._news.set()

    async def receive(self) -> Any:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def until_quiet(self, comments: int) -> None:
        async with asyncio.timeout(SECONDS):
            while self.comments < comments:
                self._news.clear()
                await self._news.wait()

    async def end(self) -> None:
        """Wait until the service ends the stream."""
        async with asyncio.timeout(SECONDS):
            await self._ended.wait()

    async def until(self, count: int) -> list[Event]:
        """Return the first events, so many of them."""
        async with asyncio.timeout(SECONDS):
            while len(self.events) < count:
                self._news.clear()
                await self._news.wait()
        return self.events[:count]


def principal(user: User, **changes: Any) -> UserPrincipal:
    issuer = user.world.issuer.issuer
    _, claims, _ = user.token.split(".")
    subject = json.loads(base64.urlsafe_b64decode(claims + "=="))["sub"]
    one = UserPrincipal(
        account_id=account_id(issuer, subject),
        issuer=issuer,
        subject=subject,
        scopes=frozenset(),
        token_id=None,
        issued_at=None,
        actor="user",
        acting_service=None,
    )
    return replace(one, **changes)


@asynccontextmanager
async def reading(
    streams: EventStreams,
    user: UserPrincipal,
    known: str | None = None,
    limits: StreamLimits = LIMITS,
) -> AsyncIterator[Reader]:
    reader = Reader()
    stream = await streams.open(user, known, limits)
    sending = asyncio.create_task(stream({}, reader.receive, reader.send))
    try:
        yield reader
    finally:
        reader.left.set()
        async with asyncio.timeout(SECONDS):
            await sending


@pytest_asyncio.fixture(scope="module")
async def service(
    server: Server, shared_context: Context, simulator: Simulator
) -> AsyncIterator[World]:
    """Provide a service on a database of its own, in which each test has an account."""
    async with database_copy(server) as name:
        database = open_database(
            server.url(name), application_name="botkeys-tests", pool_size=10, **PATIENT
        )
        async with open_world(shared_context, database, simulator, background=False) as opened:
            yield opened
        await database.close()


@pytest.fixture
def user(service: World) -> User:
    return service.user(uuid4().hex)


@pytest_asyncio.fixture
async def streams(service: World) -> AsyncIterator[EventStreams]:
    streams = EventStreams(service.context.database.autocommit, seconds=0.01)
    yield streams
    await streams.close()


def names(events: list[Event]) -> list[str]:
    return [event.kind if event.kind in {"ready", "reset"} else _type(event) for event in events]


def _type(event: Event) -> str:
    return str(json.loads(event.data)["type"])


async def test_a_stream_begins_now_and_sends_each_event_as_the_list_shows_it(
    service: World, user: User, streams: EventStreams
) -> None:
    await user.add_bot("before")
    async with reading(streams, principal(user)) as reader:
        await reader.until(1)
        await user.add_bot("one")
        await user.add_bot("two")
        events = await reader.until(3)
    assert names(events) == ["ready", "bot.added", "bot.added"]
    listed = (await user.get("/v1/events")).json()["items"]
    assert [json.loads(event.data) for event in events[1:]] == [listed[1], listed[0]]
    assert [event.id for event in events] == [item["id"] for item in reversed(listed)]


async def test_what_was_missed_is_replayed_in_order_and_once(
    service: World, user: User, streams: EventStreams
) -> None:
    async with reading(streams, principal(user)) as reader:
        (ready,) = await reader.until(1)
    known = ready.id
    seen = []
    for number in range(3):
        for name in range(2):
            await user.add_bot(f"{number} {name}")
        async with reading(streams, principal(user), known) as reader:
            events = await reader.until(3)
        assert names(events) == ["ready", "bot.added", "bot.added"]
        assert events[0].id == known
        known = events[2].id
        seen += [event.id for event in events[1:]]
    listed = (await user.get("/v1/events")).json()["items"]
    assert seen == [item["id"] for item in reversed(listed)]


async def test_an_unknown_id_is_answered_by_a_reset(
    service: World, user: User, streams: EventStreams
) -> None:
    await user.add_bot("one")
    for known in ("", "nonsense", "7-0", "1-1", "99999-5f", "01-2", "0-5", "²-1"):
        (newest, *_) = (await user.get("/v1/events")).json()["items"]
        async with reading(streams, principal(user), known) as reader:
            (event,) = await reader.until(1)
            await user.add_bot(f"after {known}")
            events = await reader.until(2)
        assert (event.kind, event.id) == ("reset", newest["id"]), known
        assert json.loads(event.data)["action"] == "reload"
        assert names(events[1:]) == ["bot.added"]


async def add_old(world: World, account: UUID, names: Sequence[str]) -> None:
    """Add events that have expired."""
    at = datetime.now(UTC) - EVENTS_KEPT - timedelta(minutes=1)
    events = [NewEvent(account, EventType.BOT_ADDED, {"name": name}, at=at) for name in names]
    async with world.context.database.sessions.begin() as session:
        await add_events(SessionExecutor(session), events)


async def test_an_id_that_is_too_old_is_answered_by_a_reset_and_the_start_too(
    service: World, user: User, streams: EventStreams
) -> None:
    await user.add_bot("none")
    alice = principal(user)
    await add_old(service, alice.account_id, ["one", "two"])
    old = (await user.get("/v1/events")).json()["items"][1]["id"]
    async with reading(streams, alice, old) as reader:
        assert names(await reader.until(2)) == ["ready", "bot.added"]
    assert await sweep(service.context.database.sessions) == 2
    async with reading(streams, alice, old) as reader:
        assert names(await reader.until(1)) == ["reset"]


async def test_the_start_of_an_account_is_no_place_any_more_once_events_have_expired(
    service: World, user: User, streams: EventStreams
) -> None:
    alice = principal(user)
    async with reading(streams, alice) as reader:
        (start,) = await reader.until(1)
    assert (await user.patch("/v1/account", {"timezone": "Europe/Berlin"})).status_code == 200
    async with reading(streams, alice, start.id) as reader:
        assert names(await reader.until(1)) == ["ready"]
    await add_old(service, alice.account_id, ["one"])
    async with reading(streams, alice, start.id) as reader:
        assert names(await reader.until(2)) == ["ready", "bot.added"]
    await sweep(service.context.database.sessions)
    async with reading(streams, alice, start.id) as reader:
        assert names(await reader.until(1)) == ["reset"]


async def test_an_id_of_before_a_restored_backup_is_no_event_of_after(
    service: World, user: User, streams: EventStreams
) -> None:
    """The database goes back by one event, and gives its number again."""
    alice, sessions = principal(user), service.context.database.sessions
    assert (await user.patch("/v1/account", {"timezone": "Europe/Berlin"})).status_code == 200
    await add_old(service, alice.account_id, ["one"])
    lost = (await user.get("/v1/events")).json()["items"][0]["id"]
    await sweep(sessions)
    async with sessions.begin() as session:
        await session.execute(
            update(EventHead).where(EventHead.account_id == alice.account_id).values(sequence=0)
        )
    await user.add_bot("two")
    (there,) = (await user.get("/v1/events")).json()["items"]
    assert there["id"].split("-")[0] == lost.split("-")[0]
    async with reading(streams, alice, lost) as reader:
        assert names(await reader.until(1)) == ["reset"]


async def test_a_quiet_stream_sends_comments_and_reads_no_events(
    user: User, streams: EventStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    await user.add_bot("one")
    reads = 0
    after = EventReader.after

    async def counted(self: EventReader, number: int) -> Any:
        nonlocal reads
        reads += 1
        return await after(self, number)

    monkeypatch.setattr(EventReader, "after", counted)
    async with reading(streams, principal(user)) as reader:
        await reader.until_quiet(3)
        assert reads <= 4
    assert streams.quota.count == 0


async def test_an_account_s_stream_ends_with_the_event_that_it_closes(
    service: World, user: User, streams: EventStreams
) -> None:
    await user.add_bot("one")
    async with reading(streams, principal(user)) as reader:
        await reader.until(1)
        assert (await user.delete("/v1/account")).status_code == 202
        events = await reader.until(2)
        await reader.end()
    assert names(events) == ["ready", "account.closing"]


async def test_a_stream_ends_with_its_token(user: User, streams: EventStreams) -> None:
    expiring = principal(user, expires_at=time.time() + 0.1)
    async with reading(streams, expiring) as reader:
        await reader.end()


async def test_a_stream_ends_with_the_session_that_opened_it(
    service: World, user: User, streams: EventStreams
) -> None:
    session_id = uuid4()
    await user.add_bot("one")
    signed_in = principal(user, session_id=session_id)
    async with service.context.database.sessions.begin() as session:
        row = {"id": session_id, "account_id": signed_in.account_id, "address": "127.0.0.1"}
        secrets = {"secret_hash": b"x", "proof": b"y"}
        until = datetime.now(UTC) + timedelta(hours=1)
        await session.execute(insert(DashboardSession).values(**row, **secrets, expires_at=until))
    async with reading(streams, signed_in) as reader:
        await reader.until(1)
        assert (await user.delete(f"/v1/sessions/{session_id}")).status_code == 204
        await reader.end()
        assert len(reader.events) == 1


async def test_a_client_that_accepts_nothing_is_cut_and_misses_nothing(
    service: World, user: User, streams: EventStreams
) -> None:
    accepted: list[Any] = []

    async def slow(message: Any) -> None:
        if b"bot.added" in message.get("body", b""):
            await asyncio.Event().wait()
        accepted.append(message)

    await user.add_bot("one")
    stream = await streams.open(principal(user), None, replace(LIMITS, patience=0.05))
    sending = asyncio.create_task(stream({}, Reader().receive, slow))
    await asyncio.sleep(0)
    await user.add_bot("two")
    async with asyncio.timeout(SECONDS):
        await sending
    assert streams.quota.count == 0
    known = (await user.get("/v1/events")).json()["items"][1]["id"]
    async with reading(streams, principal(user), known) as reader:
        assert names(await reader.until(2)) == ["ready", "bot.added"]


async def test_an_account_has_so_many_streams_and_then_must_wait(
    service: World, user: User
) -> None:
    quota = service.context.event_streams.quota
    alice = principal(user).account_id
    for _ in range(OF_ONE_ACCOUNT):
        quota.take(alice)
    refused = await user.get("/v1/events/stream")
    for _ in range(OF_ONE_ACCOUNT):
        quota.give_back(alice)
    allowed = await user.get("/v1/events/stream")
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert allowed.status_code == 200
    assert allowed.headers["x-accel-buffering"] == "no"
    assert allowed.headers["content-type"].startswith("text/event-stream")
    assert quota.count == 0


async def test_the_header_takes_precedence_over_the_address(service: World, user: User) -> None:
    for name in ("one", "two"):
        await user.add_bot(name)
    two, one = (item["id"] for item in (await user.get("/v1/events")).json()["items"])
    path = f"/v1/events/stream?last_event_id={one}"
    by_query = EventParser().feed((await user.get(path)).content)
    by_header = EventParser().feed((await user.get(path, headers={"Last-Event-ID": two})).content)
    assert [event.id for event in by_query] == [one, two]
    assert [event.id for event in by_header] == [two]


async def test_streams_end_when_the_process_stops(user: User, streams: EventStreams) -> None:
    async with reading(streams, principal(user)) as reader:
        await reader.until(1)
        await streams.close()
        await reader.end()
