"""The service's stream of configurations, with polling while the stream is not available."""

import asyncio
from typing import final

from botkeys.client.config_feed import ConfigFeed
from botkeys.client.connection import Connection, unreachable
from botkeys.client.errors import BotClientError, MalformedAnswer, NotAuthenticated
from botkeys.client.models import BotConfig, parse_answer, refusal
from botkeys.client.sse import Event, EventParser, EventTooLarge
from botkeys.client.timing import Pace, jittered, retry_through_outages
from botkeys.transport.client import HttpStream, TransportError

_OK = 200
_CONFIG = "config"
_USUAL_RETRY = 1.0
_LONGEST_RETRY = 60.0


@final
class ConfigStream:
    def __init__(self, connection: Connection, feed: ConfigFeed, pace: Pace) -> None:
        self._connection = connection
        self._feed = feed
        self._pace = pace
        self._last_event_id = ""
        self._retry = _USUAL_RETRY

    async def run(self) -> None:
        """Follow until the token is refused; a stream that ended is opened again after a pause."""
        while True:
            await retry_through_outages(self._stream_or_poll, self._pace)
            pause = min(max(self._retry, self._pace.shortest_pause), _LONGEST_RETRY)
            await asyncio.sleep(jittered(pause))

    async def _stream_or_poll(self) -> None:
        """Follow one stream; if it fails, poll once and raise the stream's error."""
        try:
            await self._read_stream()
        except NotAuthenticated:
            raise
        except BotClientError as error:
            failure = error
        else:
            return
        try:
            await self._feed.read()
        except NotAuthenticated:
            raise
        except BotClientError:
            pass  # the next attempt reads it again
        raise failure

    async def _read_stream(self) -> None:
        """Read one connection to its end. Raises if it ended before its first byte, or garbled."""
        headers = {"Accept": "text/event-stream"}
        if self._last_event_id:
            headers["Last-Event-ID"] = self._last_event_id
        heard = False
        failure: BotClientError | None = None
        try:
            async with self._connection.stream(
                "/v1/runtime/stream", headers=headers, idle_timeout=self._pace.stream_idle
            ) as stream:
                await self._check(stream)
                parser = EventParser(self._last_event_id)
                async for chunk in stream.chunks():
                    heard = True
                    self._take(parser, parser.feed(chunk))
        except TransportError as error:
            failure = unreachable(error)
        except EventTooLarge:
            raise MalformedAnswer("The service's stream sends an endless event.") from None
        if not heard:
            raise failure or MalformedAnswer("The service's stream ended without data.")

    async def _check(self, stream: HttpStream) -> None:
        if stream.status != _OK:
            answer = await stream.answer()
            self._connection.raise_if_revoked(answer)
            raise refusal(answer)
        kind = stream.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "text/event-stream":
            raise MalformedAnswer("The service's stream is not a text/event-stream.")

    def _take(self, parser: EventParser, events: list[Event]) -> None:
        for event in events:
            if event.kind == _CONFIG:
                self._feed.take(parse_answer(BotConfig, event.data.encode()))
        # Last, so that an event that was not understood is sent again.
        self._last_event_id = parser.last_event_id
        if parser.retry_ms is not None:
            self._retry = parser.retry_ms / 1000
