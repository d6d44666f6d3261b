"""The id of an event as callers see it: its number, and the time that tells it from another.

A database that is restored to an earlier state gives numbers again. The time makes an id of before
one that no event has.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

_ID = re.compile(r"(0|[1-9][0-9]{0,17})-(0|[1-9a-f][0-9a-f]{0,14})", re.ASCII)
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = timedelta(microseconds=1)


class Place(NamedTuple):
    """The place of an event among those of its account; `moment` is in microseconds since 1970."""

    number: int
    moment: int

    @classmethod
    def of(cls, number: int, at: datetime) -> "Place":
        return cls(number, max(0, (at - _BEGINNING) // _INSTANT))

    def __str__(self) -> str:
        return f"{self.number}-{self.moment:x}"


START = Place(0, 0)
"""The place before an account's first event."""


def read_place(text: str) -> Place | None:
    """Return the place of an id; `None` for what no id looks like."""
    found = _ID.fullmatch(text)
    return None if found is None else Place(int(found[1]), int(found[2], 16))
