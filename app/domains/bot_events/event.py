"""An event that the service itself records about a bot."""

from typing import Any, NamedTuple


class RecordedEvent(NamedTuple):
    """An event, with fields named like the columns of `bot_events`; `data` is stored as JSON."""

    kind: str
    level: str
    message: str
    data: dict[str, Any]
