"""What all streams of server-sent events share."""

import asyncio
from dataclasses import dataclass
from typing import Any

from starlette.types import Message, Send

RECONNECT_MILLISECONDS = 1000
"""How long a client waits before it connects again, sent as the stream's `retry`."""

UNBUFFERED = {"X-Accel-Buffering": "no"}
"""Asks proxies that collect a response before they pass it on not to (nginx)."""


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Seconds, and how many streams one process holds.

    `reread` is how often all bots are read without a hint, `retry` how long after a reading that
    failed; `patience` is how long a reader may take nothing that it is sent.
    """

    reread: float = 5
    lifetime: float = 3600
    keep_alive: float = 15
    patience: float = 60
    retry: float = 1
    maximum: int = 10_000


async def send_within(send: Send, message: Message, seconds: float) -> None:
    """Send one message. Raises `TimeoutError` if the client takes nothing for so long."""
    async with asyncio.timeout(seconds):
        await send(message)


def event_stream(description: str, example: str) -> dict[int | str, dict[str, Any]]:
    """Describe a stream for the OpenAPI document."""
    content = {"text/event-stream": {"schema": {"type": "string"}, "example": example}}
    return {200: {"description": description, "content": content}}
