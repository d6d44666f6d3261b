"""The cursors of lists of trading data: time, bot and id of a page's last row."""

from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from app.api.pagination import Cursors, printable

Place: TypeAlias = tuple[datetime, UUID, str]
"""The position of a row in its list, newest first."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TIME, _BOT = 8, 24
_LATEST = (datetime(9999, 12, 31, tzinfo=UTC) - EPOCH) // _MICROSECOND


class PlaceCursors(Cursors[Place]):
    """Cursors of lists that are ordered by a time, then bot and id."""

    def _packed(self, place: Place) -> bytes:
        at, bot_id, name = place
        micros = (at - EPOCH) // _MICROSECOND
        return micros.to_bytes(8, "big") + bot_id.bytes + name.encode()

    def _unpacked(self, raw: bytes) -> Place:
        micros = min(int.from_bytes(raw[:_TIME], "big"), _LATEST)
        return EPOCH + micros * _MICROSECOND, UUID(bytes=raw[_TIME:_BOT]), printable(raw[_BOT:])
