"""The releases of a key, and how often and to where it was released lately."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from operator import attrgetter
from uuid import UUID
from zoneinfo import ZoneInfo

from app.api.pagination import Page
from app.db.base import AnyRow
from app.domains.analytics.calendar import DAY, start_of
from app.domains.releases.repository import KeyReleaseRepository, Place
from app.errors import NotFound

DAYS = 30
MOST_ADDRESSES = 50
_NOON = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Activity:
    """What is known of a key's releases. `counts` belong to `days`, the oldest first."""

    zone: str
    days: Sequence[date]
    counts: Sequence[int]
    addresses: Sequence[AnyRow]


class KeyReleaseService:
    """The releases of one account's keys. Raises `NotFound` for a key that it does not have."""

    def __init__(self, *, releases: KeyReleaseRepository) -> None:
        self._releases = releases

    async def page(self, key_id: UUID, before: Place | None, limit: int) -> Page[AnyRow, Place]:
        await self._zone_of(key_id)
        rows = await self._releases.page(key_id, before, limit + 1)
        return Page.cut(rows, limit, attrgetter("at", "id"))

    async def activity(self, key_id: UUID) -> Activity:
        name, now = await self._zone_of(key_id)
        zone = ZoneInfo(name)
        today = now.astimezone(zone).date()
        days = [today - DAY * ago for ago in reversed(range(DAYS))]
        counts = await self._releases.counts(key_id, [_beginning(day, zone) for day in days])
        addresses = await self._releases.addresses(key_id, MOST_ADDRESSES)
        return Activity(name, days, counts, addresses)

    async def _zone_of(self, key_id: UUID) -> tuple[str, datetime]:
        found = await self._releases.zone_of(key_id)
        if found is None:
            raise NotFound
        return found


def _beginning(day: date, zone: ZoneInfo) -> datetime:
    noon = datetime(day.year, day.month, day.day, tzinfo=zone) + _NOON
    return start_of(noon, "day", zone)
