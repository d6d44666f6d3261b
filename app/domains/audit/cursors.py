"""The cursors of a filtered audit log: time and number of a page's last entry."""

from app.api.pagination import (
    LARGEST_NUMBER,
    MOMENT_BYTES,
    Cursors,
    moment_packed,
    moment_unpacked,
)
from app.domains.audit.repository import Place


class EntryCursors(Cursors[Place]):
    """Cursors of entries that are ordered by time, then number."""

    def _packed(self, place: Place) -> bytes:
        at, sequence = place
        return moment_packed(at) + sequence.to_bytes(8, "big")

    def _unpacked(self, raw: bytes) -> Place:
        sequence = int.from_bytes(raw[MOMENT_BYTES:], "big")
        return moment_unpacked(raw), min(sequence, LARGEST_NUMBER)
