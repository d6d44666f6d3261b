"""When a delivery is attempted again, and when its webhook is disabled."""

import random
from datetime import timedelta

from app.domains.webhooks.sender import Outcome

PAUSES = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 300, 1_800, *(hours * 3_600 for hours in (2, 5, 10, 14, 20, 24)))
)
"""The pauses after each attempt: with the first one, ten attempts in three days."""

JITTER = 0.1
"""The part of a pause that is added at most, so that what failed together comes apart."""

LONGEST_WISH = timedelta(hours=24)
"""The longest pause that a receiver's `Retry-After` can ask for."""

DISABLED_AFTER = timedelta(days=5)
"""How long a webhook may fail without a success in between."""

GONE = 410


def pause(attempts: int, outcome: Outcome, spread: float | None = None) -> timedelta | None:
    """Return how long to wait after so many failed attempts; `None` if there is no other.

    `spread` is between 0 and 1, by default a random one.
    """
    if outcome.status == GONE or attempts > len(PAUSES):
        return None
    planned = PAUSES[attempts - 1]
    if outcome.retry_after is not None:
        wish = min(timedelta(seconds=outcome.retry_after), LONGEST_WISH)
        planned = max(planned, wish)
    if spread is None:
        spread = random.random()  # noqa: S311  # spreads load, guards nothing
    return planned * (1 + JITTER * spread)
