"""The cursors of lists of trading data: the time of a page's last row, its bot and its id."""

import base64
import binascii
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import Query

from app.pagination import foreign_cursor

Cursor = Annotated[
    str | None,
    Query(max_length=1200, description="`next_cursor` of the page before; omit for the first."),
]
Place: TypeAlias = tuple[datetime, UUID, str]
"""Where a row stands in its list. The newest comes first."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TIME, _BOT = 9, 25
_LATEST = (datetime(9999, 12, 31, tzinfo=UTC) - EPOCH) // _MICROSECOND


def encode(number: int, place: Place) -> str:
    """`number` is the list's: a cursor of one list is none of another."""
    at, bot_id, name = place
    micros = (at - EPOCH) // _MICROSECOND
    raw = bytes([number]) + micros.to_bytes(8, "big") + bot_id.bytes + name.encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(number: int, cursor: str | None) -> Place | None:
    """Raises `InvalidRequest` for anything not from this list."""
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        raw = base64.b64decode(padded, altchars=b"-_", validate=True)
        micros, bot, name = raw[1:_TIME], raw[_TIME:_BOT], raw[_BOT:].decode()
        at = EPOCH + min(int.from_bytes(micros, "big"), _LATEST) * _MICROSECOND
        place = (at, UUID(bytes=bot), name)
    except (binascii.Error, ValueError):
        raise foreign_cursor() from None
    if not name.isprintable() or encode(number, place) != cursor:
        raise foreign_cursor()
    return place
