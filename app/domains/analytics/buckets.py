"""The width of a curve's buckets."""

from datetime import UTC, datetime, timedelta

from app.domains.analytics.equity_curve_repository import DAY, Buckets

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS = (1, 5, 15, 30, 60, 300, 900, 1800, 3600, 7200, 10_800, 14_400, 21_600, 28_800, 43_200)
WIDTHS = tuple(timedelta(seconds=seconds) for seconds in _SECONDS)


def buckets_for(first: datetime, last: datetime, points: int) -> Buckets:
    """Return the narrowest buckets that span both ends in at most `points`.

    Widths are the usual ones, or else whole UTC days. Buckets begin at multiples of their width
    since 1970, so that a curve requested again a little later has the same ones.
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
