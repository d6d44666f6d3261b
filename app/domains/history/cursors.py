"""The cursors of lists of trading data: time, bot and id of a page's last row."""

from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from app.api.pagination import MOMENT_BYTES, Cursors, moment_packed, moment_unpacked, printable

Place: TypeAlias = tuple[datetime, UUID, str]
"""The position of a row in its list, newest first."""

_BOT = MOMENT_BYTES + 16


class PlaceCursors(Cursors[Place]):
    """Cursors of lists that are ordered by a time, then bot and id."""

    def _packed(self, place: Place) -> bytes:
        at, bot_id, name = place
        return moment_packed(at) + bot_id.bytes + name.encode()

    def _unpacked(self, raw: bytes) -> Place:
        bot_id = UUID(bytes=raw[MOMENT_BYTES:_BOT])
        return moment_unpacked(raw), bot_id, printable(raw[_BOT:])
