"""Days, weeks and months of a time zone. Weeks begin on Monday, as in ISO 8601."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)
MOST_DAYS = {"day": 1, "week": 7, "month": 31}


def start_of(at: datetime, unit: str, zone: ZoneInfo) -> datetime:
    """Return, in UTC, when the day, week or month that contains this time began.

    A day begins at midnight or, if the clock skips midnight, at the skip.
    """
    day = at.astimezone(zone).date()
    if unit == "week":
        day -= DAY * day.weekday()
    elif unit == "month":
        day = day.replace(day=1)
    return _midnight(day, zone)


def end_of(start: datetime, unit: str, zone: ZoneInfo) -> datetime:
    """Return when the following day, week or month begins."""
    day = start.astimezone(zone).date()
    following = day + DAY * MOST_DAYS[unit]
    if unit == "month":
        following = following.replace(day=1)
    end = _midnight(following, zone)
    # A calendar may skip a day: Samoa had no 30 December 2011.
    return end if end > start else _midnight(following + DAY, zone)


def periods_of(days: Iterable[date], unit: str, zone: ZoneInfo) -> list[datetime]:
    """Return the beginnings of all periods that these UTC days overlap, newest first."""
    found = set()
    for day in days:
        begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
        found.add(start_of(begin, unit, zone))
        found.add(start_of(begin + DAY - _MICROSECOND, unit, zone))
    return sorted(found, reverse=True)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
