"""An account's events as server-sent events, with replay of what a client has missed."""

import asyncio
import random
import time
from typing import Any
from weakref import finalize

import structlog
from fastapi import Response
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.types import Message, Receive, Scope, Send

from app.api.quota import ConcurrencyQuota
from app.api.streaming import RECONNECT_MILLISECONDS, UNBUFFERED, StreamLimits, send_within
from app.auth.principal import UserPrincipal
from app.db.driver import Executor
from app.db.failures import is_outage
from app.domains.events.places import Place
from app.domains.events.repository import EventReader
from app.domains.events.serializers import event_document
from app.domains.events.watch import LOOK_SECONDS, EventWatch, Follower
from app.kit.json_codec import dumps

IN_ALL = 1000
OF_ONE_ACCOUNT = 20

_TOO_MANY = (
    "This account has reached its limit of concurrent event streams. End a stream, or poll the "
    "list of events instead."
)
_BUSY = "This process has reached its limit of concurrent streams. Try again in a few seconds."
log = structlog.get_logger("botkeys.events")


class EventStreams:
    """The streams of a process, which share a quota and one watch."""

    def __init__(self, executor: Executor, seconds: float = LOOK_SECONDS) -> None:
        self.quota = ConcurrencyQuota(IN_ALL, OF_ONE_ACCOUNT, too_many=_TOO_MANY, busy=_BUSY)
        self.watch = EventWatch(executor, seconds)
        self._executor = executor

    async def open(
        self, user: UserPrincipal, last_event_id: str | None, limits: StreamLimits
    ) -> "EventStream":
        """Return the stream of the user's account, from after this event or from now on.

        Raises `RateLimited` or `Unavailable` if there is no place.
        """
        reader = EventReader(self._executor, user.account_id)
        begin = await _beginning(reader, last_event_id)
        return EventStream(self, reader, user, begin, limits)

    async def close(self) -> None:
        """End all streams and accept no more."""
        self.quota.close()
        await self.watch.close()


class _Beginning:
    """Where a stream begins, and the event that says so."""

    def __init__(self, place: Place, reset: str | None) -> None:
        self.number = place.number
        name, data = "ready", {"id": str(place)}
        if reset is not None:
            name, data = "reset", {"id": str(place), "reason": reset, "action": "reload"}
        self.event = format_sse_event(event=name, id=str(place), data_str=dumps(data).decode())


async def _beginning(reader: EventReader, last_event_id: str | None) -> _Beginning:
    if last_event_id is not None:
        known = await reader.find(last_event_id)
        if known is not None:
            return _Beginning(known, None)
    newest = await reader.newest()
    return _Beginning(newest, None if last_event_id is None else "unknown_or_too_old")


class EventStream(Response):
    """Sends events in order until either side ends, and then ends the other.

    It reads as fast as its client does, a page at a time, so a slow one costs no memory; one that
    accepts nothing for a while is cut, and has what it missed replayed when it connects again. It
    takes a place of the quota and releases it at its end.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        streams: EventStreams,
        reader: EventReader,
        user: UserPrincipal,
        begin: _Beginning,
        limits: StreamLimits,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(UNBUFFERED)
        streams.quota.take(user.account_id)
        # Also released when the response is discarded unsent.
        self._give_back = finalize(self, streams.quota.give_back, user.account_id)
        self._streams = streams
        self._reader = reader
        self._user = user
        self._begin = begin
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        follower = self._streams.watch.follow(self._user.account_id)
        leaving = asyncio.create_task(_end_when_left(receive, follower))
        if self._streams.quota.closed.is_set():
            follower.end()
        try:
            await self._send_events(send, follower)
        except TimeoutError:
            log.warning("stream_not_read")
        except Exception as error:
            # The client connects again, and what it missed is replayed.
            if not is_outage(error):
                raise
            log.warning("stream_ended", exception=type(error).__name__)
        finally:
            leaving.cancel()
            follower.end()
            self._give_back()

    async def _send_events(self, send: Send, follower: Follower) -> None:
        patience = self._limits.patience
        start: dict[str, Any] = {"status": self.status_code, "headers": self.raw_headers}
        await send_within(send, {"type": "http.response.start", **start}, patience)
        await send_within(send, _part(format_sse_event(retry=RECONNECT_MILLISECONDS)), patience)
        await send_within(send, _part(self._begin.event), patience)
        number, until = self._begin.number, self._end()
        clock = asyncio.get_running_loop().time
        while not follower.ended and await self._is_signed_in():
            # Looked at before the events are read: those of the closure itself are sent, too.
            last, seen = follower.closing, max(number, follower.newest)
            while rows := await self._reader.after(number):
                for row in rows:
                    document = event_document(row)
                    data = dumps(document).decode()
                    event = format_sse_event(id=document["id"], data_str=data)
                    await send_within(send, _part(event), patience)
                number = rows[-1].id
            left = until - clock()
            if last or left <= 0:
                break
            seen = max(number, seen)
            if not await follower.wait(seen, min(left, self._limits.keep_alive)):
                await send_within(send, _part(KEEPALIVE_COMMENT), patience)
        await send_within(send, {"type": "http.response.body"}, patience)

    async def _is_signed_in(self) -> bool:
        """Return whether the session still holds that the stream was opened with, if it was."""
        session_id = self._user.session_id
        return session_id is None or await self._reader.is_signed_in(session_id)

    def _end(self) -> float:
        """Return when the stream ends, on the loop's clock: after its lifetime, or with its token.

        Jitter, so that streams that began together do not all reconnect together.
        """
        lifetime = self._limits.lifetime * random.uniform(0.9, 1.1)  # noqa: S311  # nothing secret
        expires_at = self._user.expires_at
        if expires_at is not None:
            lifetime = min(lifetime, expires_at - time.time())
        return asyncio.get_running_loop().time() + lifetime


async def _end_when_left(receive: Receive, follower: Follower) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    follower.end()


def _part(text: bytes) -> Message:
    return {"type": "http.response.body", "body": text, "more_body": True}
