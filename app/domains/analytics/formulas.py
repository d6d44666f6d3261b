"""Figures of a summary, exact up to the single division that yields each of them.

- win rate = wins / trades. A trade with a P&L of 0 is neither a win nor a loss.
- profit factor = gross profit / gross loss; average win = gross profit / wins, average loss = gross
  loss / losses. Gross loss and average loss are stated as positive amounts.
- exposure = the sum of the holding times of the trades that closed in the period / its length:
  above the average number of open positions if trades were opened before the period.
- largest drawdown: see `drawdown_sql`; its percentage is of the equity at its peak.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from app.kit.exact import EXACT

RATIO_PLACES = 6
PERCENT_PLACES = 4
AMOUNT_PLACES = 18
_DAY = 86_400


def divided(part: Decimal | int, whole: Decimal | int, places: int) -> Decimal | None:
    """Divide, rounding half to even once at `places`; return `None` if `whole` is zero."""
    if not whole:
        return None
    exact = Fraction(part) / Fraction(whole)
    return Decimal(round(exact * 10**places)).scaleb(-places, EXACT)


def seconds(length: timedelta) -> Decimal:
    microseconds = length // timedelta(microseconds=1)
    return Decimal(microseconds).scaleb(-6)


def per_day(count: int, since: datetime, until: datetime) -> Decimal | None:
    """Return how many per day of 24 hours; `None` for a period without length."""
    return divided(count * _DAY, seconds(until - since), RATIO_PLACES) if until > since else None


def exposure(held: Decimal, since: datetime, until: datetime) -> Decimal | None:
    """Return the exposure; `held` is in seconds. `None` for a period without length."""
    return divided(held, seconds(until - since), RATIO_PLACES) if until > since else None


def percent(part: Decimal, whole: Decimal | None) -> Decimal | None:
    """Return the percentage; `None` if `whole` is unknown or not above zero."""
    if whole is None or whole <= 0:
        return None
    return divided(EXACT.multiply(part, Decimal(100)), whole, PERCENT_PLACES)
