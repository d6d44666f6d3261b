"""How far another machine's clock is from this one's, by the header `Date`."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from botkeys.transport.client import HttpAnswer


def skew(answer: HttpAnswer) -> float | None:
    """Return the seconds by which the sender is ahead, to one second; `None` if it states none."""
    stated = answer.headers.get("Date")
    if stated is None:
        return None
    try:
        there = parsedate_to_datetime(stated)
    except ValueError:
        return None
    if there.tzinfo is None:
        there = there.replace(tzinfo=UTC)
    return (there - datetime.now(UTC)).total_seconds()
