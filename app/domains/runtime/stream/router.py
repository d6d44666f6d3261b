"""The route that streams a bot's configuration as it changes (role `runtime`)."""

import asyncio
from typing import Annotated

import structlog
from fastapi import APIRouter, Header, Response
from fastapi.sse import KEEPALIVE_COMMENT
from starlette.types import Message, Receive, Scope, Send

from app.api.access import for_bots
from app.api.route import CurrentCaller, EdgeRoute
from app.api.streaming import (
    CONNECTION,
    UNBUFFERED,
    Connection,
    StreamLimits,
    event_stream,
    send_within,
)
from app.domains.runtime.stream.deps import FirstReading, Streams
from app.domains.runtime.stream.feeder import Alarms, Feeder
from app.domains.runtime.stream.messages import RETRY, config_event
from app.domains.runtime.stream.subscription import Subscription

_EXAMPLE = """\
retry: 1000

event: config
data: {"version":"9b0f5c6c2fdd2b6ab1f8f1f0f8b7a3d4","may_open_positions":true,"blocked_by":[],…}
id: 9b0f5c6c2fdd2b6ab1f8f1f0f8b7a3d4

: ping

"""
_STREAM = event_stream("Events until the stream ends; then connect again.", _EXAMPLE)
router = APIRouter(prefix="/v1/runtime", tags=["runtime"], route_class=EdgeRoute)
log = structlog.get_logger("botkeys.streams")


class ConfigEvents(Response):
    """Sends a subscription's configurations until either side ends, and then ends the other.

    The framework's own way, a generator, would keep several events in flight to a slow reader, all
    older than the newest, and could not drop a client that accepts nothing. A stream lasts for an
    hour and a process has thousands of them: so a `Feeder` takes the connection over once the
    response has begun. Under a server that hands nothing over, the request's task sends.
    """

    media_type = "text/event-stream"

    def __init__(self, subscription: Subscription, limits: StreamLimits, alarms: Alarms) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(UNBUFFERED)
        self._subscription = subscription
        self._limits = limits
        self._alarms = alarms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection: Connection | None = scope.get(CONNECTION)
        if connection is not None:
            await self._hand_over(connection, send)
            return
        leaving = asyncio.create_task(self._close_when_left(receive))
        try:
            await self._send_configs(send)
        except TimeoutError:
            log.warning("stream_not_read")
        finally:
            leaving.cancel()
            self._subscription.close()

    async def _hand_over(self, connection: Connection, send: Send) -> None:
        feeder = Feeder(self._subscription, self._limits, self._alarms)
        try:
            await self._begin(send)
            feeder.start(connection)
        except BaseException:
            self._subscription.close()
            raise

    async def _begin(self, send: Send) -> None:
        start = {"status": self.status_code, "headers": self.raw_headers}
        await self._send(send, {"type": "http.response.start", **start})
        await self._send(send, _part(RETRY))

    async def _send_configs(self, send: Send) -> None:
        subscription = self._subscription
        await self._begin(send)
        while True:
            config = await subscription.next(self._limits.keep_alive)
            if config is not None:
                await self._send(send, _part(config_event(config)))
            elif subscription.ended:
                await self._send(send, {"type": "http.response.body"})
                return
            else:
                await self._send(send, _part(KEEPALIVE_COMMENT))

    async def _send(self, send: Send, message: Message) -> None:
        await send_within(send, message, self._limits.patience)

    async def _close_when_left(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._subscription.close()


def _part(text: bytes) -> Message:
    return {"type": "http.response.body", "body": text, "more_body": True}


@router.get(
    "/stream",
    operation_id="streamConfig",
    summary="Follow the bot's configuration",
    response_class=Response,
    responses=_STREAM,
)
@for_bots(reads_config=True, hot=True, paced=True)
async def stream_config(
    streams: Streams,
    caller: CurrentCaller,
    reading: FirstReading,
    last_event_id: Annotated[
        str | None,
        Header(
            alias="Last-Event-ID", description="The configuration version that the bot already has."
        ),
    ] = None,
) -> Response:
    """Stream the bot's configuration as server-sent events.

    Each `config` event carries the document of `getConfig`, and its `id` is the version: the first
    immediately, unless the bot already has that version, then one after each change. A comment
    every few seconds keeps the stream alive. The stream ends from time to time, and when the token
    is replaced: connect again.

    A slow reader gets the newest configuration and skips intermediate ones. A bot may have four
    streams per process of the service; a fifth ends the oldest.

    Generated clients cannot read event streams as they arrive: poll `getConfig` with
    `If-None-Match` instead, or use the SDK.
    """
    subscription = await streams.subscribe(caller.bot, last_event_id, reading)
    return ConfigEvents(subscription, streams.limits, streams.alarms)
