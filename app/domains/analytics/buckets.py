"""How wide the buckets of a curve are."""

from datetime import UTC, datetime, timedelta

from app.domains.analytics.equity_curve_repository import DAY, Buckets

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS = (1, 5, 15, 30, 60, 300, 900, 1800, 3600, 7200, 10_800, 14_400, 21_600, 28_800, 43_200)
WIDTHS = tuple(timedelta(seconds=seconds) for seconds in _SECONDS)


def buckets_for(first: datetime, last: datetime, points: int) -> Buckets:
    """The narrowest that hold both ends in so many: of a usual width, else of whole UTC days.

    They begin at multiples of their width since 1970, so that a curve asked for again a little
    later has the same ones.
    """
    for width in WIDTHS:
        buckets = _of(width, first, last)
        if buckets.number <= points:
            return buckets
    days = max(1, (last - first) // (points * DAY))
    while (buckets := _of(days * DAY, first, last)).number > points:
        days += 1
    return buckets


def _of(width: timedelta, first: datetime, last: datetime) -> Buckets:
    begin = (first - _EPOCH) // width
    return Buckets(_EPOCH + begin * width, width, (last - _EPOCH) // width - begin + 1)
