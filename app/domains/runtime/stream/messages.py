"""What is written into a stream."""

from fastapi.sse import format_sse_event

from app.api.streaming import RECONNECT_MILLISECONDS
from app.domains.runtime.config.cache import Configuration

RETRY = format_sse_event(retry=RECONNECT_MILLISECONDS)
"""The beginning of each stream."""


def config_event(config: Configuration) -> bytes:
    return format_sse_event(event="config", id=config.version, data_str=config.document.decode())
