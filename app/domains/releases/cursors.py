"""The cursors of a key's releases: time and id of a page's last one."""

from uuid import UUID

from app.api.pagination import MOMENT_BYTES, Cursors, moment_packed, moment_unpacked
from app.domains.releases.repository import Place


class ReleaseCursors(Cursors[Place]):
    """Cursors of releases that are ordered by time, then id."""

    def _packed(self, place: Place) -> bytes:
        at, release_id = place
        return moment_packed(at) + release_id.bytes

    def _unpacked(self, raw: bytes) -> Place:
        return moment_unpacked(raw), UUID(bytes=raw[MOMENT_BYTES:])
