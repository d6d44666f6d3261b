"""An event that the service records about a bot, whichever of its services does."""

from typing import Any, NamedTuple


class RecordedEvent(NamedTuple):
    """Members are named like the columns of `bot_events`; `data` becomes an object of JSON."""

    kind: str
    level: str
    message: str
    data: dict[str, Any]
