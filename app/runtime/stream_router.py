"""The route on which a bot is told of its configuration as it changes (role `runtime`)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Header, Response
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from starlette.types import Message, Receive, Scope, Send

from app.edge.access import for_bots
from app.edge.responses import reading
from app.edge.route import CurrentUnit, EdgeRoute
from app.runtime.deps import Streams
from app.runtime.streams import StreamLimits
from app.runtime.subscription import Subscription

RECONNECT_MILLISECONDS = 1000
_EXAMPLE = """\
retry: 1000

event: config
data: {"version":"9b0f5c6c2fdd2b6ab1f8f1f0f8b7a3d4","may_open_positions":true,"blocked_by":[],…}
id: 9b0f5c6c2fdd2b6ab1f8f1f0f8b7a3d4

: ping

"""
_EVENT = {
    "type": "object",
    "properties": {
        "event": {"type": "string", "const": "config"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/Config"},
        },
        "id": {"type": "string"},
        "retry": {"type": "integer", "minimum": 0},
    },
}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events until the stream ends; then connect again",
        "content": {"text/event-stream": {"itemSchema": _EVENT, "example": _EXAMPLE}},
    }
}
router = APIRouter(prefix="/v1/runtime", tags=["runtime"], route_class=EdgeRoute)
log = structlog.get_logger("botkeys.streams")


class ConfigEvents(EventSourceResponse):
    """Sends what a subscription gets until either ends, and then ends the other.

    The framework's own way, from a generator, would keep several events under way to a slow reader,
    all older than the newest, and could not let go of one that takes nothing.
    """

    def __init__(self, subscription: Subscription, limits: StreamLimits) -> None:
        # Proxies that gather answers before they pass them on are told not to (nginx).
        super().__init__(
            _events(subscription, limits.keep_alive), headers={"X-Accel-Buffering": "no"}
        )
        self._subscription = subscription
        self._patience = limits.patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(self._patience):
                await send(message)

        try:
            await super().__call__(scope, receive, send_in_time)
        except TimeoutError:
            log.warning("stream_not_read")
        finally:
            self._subscription.close()


async def _events(subscription: Subscription, keep_alive: float) -> AsyncIterator[bytes]:
    yield format_sse_event(retry=RECONNECT_MILLISECONDS)
    while True:
        config = await subscription.next(keep_alive)
        if config is not None:
            yield format_sse_event(
                event="config", id=config.version, data_str=config.document.decode()
            )
        elif subscription.ended:
            return
        else:
            yield KEEPALIVE_COMMENT


@router.get(
    "/stream",
    operation_id="streamConfig",
    summary="Follow the bot's configuration",
    response_class=Response,
    responses={**_STREAM, **reading()},
)
@for_bots()
async def stream_config(
    streams: Streams,
    unit: CurrentUnit,
    last_event_id: Annotated[
        str | None, Header(description="The version of the configuration that the bot has.")
    ] = None,
) -> Response:
    """Server-sent events. `config` carries the document of `getConfig`, its `id` is the version: at
    once, unless the bot has it, and then after each change. A comment every few seconds tells that
    the stream lives. It ends now and then, and when the token is replaced: connect again.

    Whoever reads slowly gets the newest configuration and not each one between. A bot has at most
    four streams at each process of the service: a fifth ends the oldest.
    """
    subscription = await streams.subscribe(unit.caller.bot, last_event_id)
    return ConfigEvents(subscription, streams.limits)
