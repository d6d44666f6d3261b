"""What all streams of server-sent events share."""

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.types import Message, Send

RECONNECT_MILLISECONDS = 1000
"""How long a client waits before it reconnects, sent as the stream's `retry`."""

UNBUFFERED = {"X-Accel-Buffering": "no"}
"""Asks buffering proxies (nginx) to pass the response on at once."""


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Limits in seconds, and how many streams one process holds, in all and of one account.

    `reread` is how often all bots' configurations are read without a hint, though never more than
    `rereads` of them in a second; `retry` how long after a failed read; `patience` is how long a
    client may accept nothing that it is sent.
    """

    reread: float = 5
    rereads: float = 50
    lifetime: float = 3600
    keep_alive: float = 20
    patience: float = 60
    retry: float = 1
    maximum: int = 10_000
    of_account: int = 2000


CONNECTION = "botkeys.connection"
"""The name of the request's connection in the scope, where it can be handed over."""


class Line(Protocol):
    """The way to the client for the rest of a response that has begun."""

    @property
    def paused(self) -> bool:
        """Whether the client accepts nothing at the moment."""

    def write(self, part: bytes) -> None: ...

    def end(self) -> None:
        """Complete the response."""

    def cut(self) -> None:
        """Close the connection without more."""


class Taker(Protocol):
    """What takes a connection over."""

    def feed(self) -> None:
        """Go on writing: the client accepts more again."""

    def gone(self) -> None:
        """Note that the client has left."""


class Connection(Protocol):
    """A connection that can be handed over by a response that has begun and not ended.

    The request is over then: its task ends, and nothing remains of it.
    """

    def hand_over(self, taker: Taker) -> Line: ...

    @property
    def body_is_here(self) -> bool:
        """Return whether the whole body of the request that is being answered has arrived."""


async def send_within(send: Send, message: Message, seconds: float) -> None:
    """Send one message; raise `TimeoutError` if the client accepts nothing for that long."""
    async with asyncio.timeout(seconds):
        await send(message)


def event_stream(description: str, example: str) -> dict[int | str, dict[str, Any]]:
    """Return the description of a stream for the OpenAPI document."""
    content = {"text/event-stream": {"schema": {"type": "string"}, "example": example}}
    return {200: {"description": description, "content": content}}
