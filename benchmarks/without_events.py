"""`botkeys serve` whose changes write no events: the other side of `benchmarks.events`."""

from typing import Any

from app.domains.events.log import EventLog
from botkeys.__main__ import main


async def _add_nothing(_self: EventLog, _type: object, /, **_event: Any) -> None:
    """Write no event."""


if __name__ == "__main__":
    EventLog.add = _add_nothing  # type: ignore[method-assign]  # the one difference
    main()
