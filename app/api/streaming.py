"""What all streams of server-sent events share."""

import asyncio
from dataclasses import dataclass
from typing import Any

from starlette.types import Message, Send

RECONNECT_MILLISECONDS = 1000
"""How long a client waits before it reconnects, sent as the stream's `retry`."""

UNBUFFERED = {"X-Accel-Buffering": "no"}
"""Asks buffering proxies (nginx) to pass the response on at once."""


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Limits in seconds, and how many streams one process holds, in all and of one account.

    `reread` is how often all bots' configurations are read without a hint, `retry` how long after a
    failed read; `patience` is how long a client may accept nothing that it is sent.
    """

    reread: float = 5
    lifetime: float = 3600
    keep_alive: float = 15
    patience: float = 60
    retry: float = 1
    maximum: int = 10_000
    of_account: int = 2000


async def send_within(send: Send, message: Message, seconds: float) -> None:
    """Send one message; raise `TimeoutError` if the client accepts nothing for that long."""
    async with asyncio.timeout(seconds):
        await send(message)


def event_stream(description: str, example: str) -> dict[int | str, dict[str, Any]]:
    """Return the description of a stream for the OpenAPI document."""
    content = {"text/event-stream": {"schema": {"type": "string"}, "example": example}}
    return {200: {"description": description, "content": content}}
