"""Figures are exact up to one division; periods follow a calendar; buckets are few enough."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domains.analytics.buckets import buckets_for
from app.domains.analytics.calendar import end_of, periods_of, start_of
from app.domains.analytics.formulas import divided, exposure, per_day, percent

AMOUNTS = st.decimals(-(10**30), 10**30, places=18, allow_nan=False)
TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # hypothesis adds the zone
NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)


@given(AMOUNTS, AMOUNTS, st.integers(0, 18))
def test_a_quotient_is_the_nearest_that_has_so_many_places(
    part: Decimal, whole: Decimal, places: int
) -> None:
    found = divided(part, whole, places)
    if not whole:
        assert found is None
        return
    assert found is not None
    exact = Fraction(part) / Fraction(whole)
    assert abs(Fraction(found) - exact) <= Fraction(1, 2 * 10**places)
    assert found.as_tuple().exponent == -places


def test_halves_are_rounded_to_even() -> None:
    assert divided(1, 8, 2) == Decimal("0.12")
    assert divided(3, 8, 2) == Decimal("0.38")


def test_a_period_without_length_has_no_rate() -> None:
    assert per_day(3, NOON, NOON) is None
    assert exposure(Decimal(60), NOON, NOON) is None


def test_rates_are_of_the_period() -> None:
    assert per_day(3, NOON, NOON + timedelta(days=2)) == Decimal("1.5")
    assert exposure(Decimal(7200), NOON, NOON + timedelta(hours=1)) == 2


@pytest.mark.parametrize("equity", [None, Decimal(0), Decimal(-5)])
def test_there_is_no_per_cent_of_no_equity(equity: Decimal | None) -> None:
    assert percent(Decimal(5), equity) is None
    assert percent(Decimal(5), Decimal(200)) == Decimal("2.5")


@pytest.mark.parametrize(
    ("zone", "hours"),
    [("Europe/Berlin", 23), ("America/Sao_Paulo", 24), ("Asia/Kathmandu", 24)],
)
def test_a_day_is_as_long_as_the_clock_makes_it(zone: str, hours: int) -> None:
    start = start_of(NOON, "day", ZoneInfo(zone))
    assert end_of(start, "day", ZoneInfo(zone)) - start == timedelta(hours=hours)
    assert start.astimezone(ZoneInfo(zone)).isoformat()[11:16] == "00:00"


def test_a_day_whose_midnight_is_left_out_begins_at_the_leap() -> None:
    zone = ZoneInfo("Africa/Cairo")
    start = start_of(datetime(2026, 4, 24, 9, tzinfo=UTC), "day", zone)
    assert start.astimezone(zone).isoformat() == "2026-04-24T01:00:00+03:00"


def test_a_day_that_a_calendar_left_out_is_no_period() -> None:
    zone = ZoneInfo("Pacific/Apia")
    before = start_of(datetime(2011, 12, 30, 9, tzinfo=UTC), "day", zone)
    assert before.astimezone(zone).date().isoformat() == "2011-12-29"
    after = end_of(before, "day", zone)
    assert after.astimezone(zone).date().isoformat() == "2011-12-31"
    assert after > before


ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"]


@given(TIMES, st.sampled_from(["day", "week", "month"]), st.sampled_from(ZONES))
def test_every_time_is_in_one_period(at: datetime, unit: str, name: str) -> None:
    zone = ZoneInfo(name)
    start = start_of(at, unit, zone)
    end = end_of(start, unit, zone)
    assert start <= at < end
    assert start_of(end, unit, zone) == end
    assert start_of(end - timedelta(microseconds=1), unit, zone) == start
    assert start in periods_of([at.date()], unit, zone)


@given(TIMES, st.timedeltas(timedelta(0), timedelta(days=20_000)), st.integers(1, 2000))
def test_buckets_hold_everything_and_are_not_too_many(
    first: datetime, length: timedelta, points: int
) -> None:
    buckets = buckets_for(first, first + length, points)
    assert 1 <= buckets.number <= points
    assert buckets.origin <= first
    assert first + length < buckets.origin + buckets.number * buckets.width
