"""The cursor of the list of positions: when a page's last row was made, its bot and its id."""

import base64
import binascii
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Query

from app.pagination import foreign_cursor
from app.trading.position_rows import Place

Cursor = Annotated[
    str | None,
    Query(max_length=1200, description="`next_cursor` of the page before; omit for the first."),
]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TIME, _BOT = 8, 16
_LATEST = (datetime(9999, 12, 31, tzinfo=UTC) - EPOCH) // _MICROSECOND


def encode(place: Place) -> str:
    made, bot_id, name = place
    micros = (made - EPOCH) // _MICROSECOND
    raw = micros.to_bytes(_TIME, "big") + bot_id.bytes + name.encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(cursor: str | None) -> Place | None:
    """Raises `InvalidRequest` for anything not from here."""
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        raw = base64.b64decode(padded, altchars=b"-_", validate=True)
        micros, bot, name = raw[:_TIME], raw[_TIME : _TIME + _BOT], raw[_TIME + _BOT :].decode()
        made = EPOCH + min(int.from_bytes(micros, "big"), _LATEST) * _MICROSECOND
        place = (made, UUID(bytes=bot), name)
    except (binascii.Error, ValueError):
        raise foreign_cursor() from None
    if not name.isprintable() or encode(place) != cursor:
        raise foreign_cursor()
    return place
