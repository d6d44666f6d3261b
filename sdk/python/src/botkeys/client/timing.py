"""How often a bot calls, and how it keeps calling through an outage."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from botkeys.client.errors import BotClientError, NotAuthenticated
from botkeys.transport.backoff import Backoff

_Result = TypeVar("_Result")

_LONGEST_WISH = 60.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Intervals in seconds. `heartbeat` fits more than twice into the service's lease of 30 s.

    A stream that is silent for `stream_idle` is considered broken. It is opened again after the
    pause that the service asks for, at least `shortest_pause`. While that fails, the configuration
    is polled at each attempt, the pauses growing up to `longest_pause`. Credentials are checked
    `first_check` after they were opened and then every `check`, or after `check_again` if the check
    was inconclusive. A record waits up to `records` for others to share its batch. Counts of
    resting orders are repeated every `orders`.
    """

    heartbeat: float = 10.0
    stream_idle: float = 45.0
    shortest_pause: float = 0.5
    longest_pause: float = 15.0
    first_check: float = 2.0
    check: float = 86_400.0
    check_again: float = 600.0
    records: float = 3.0
    orders: float = 60.0


def jittered(seconds: float) -> float:
    """Return the seconds within 10 %: bots that started together need not call together."""
    return seconds * random.uniform(0.9, 1.1)  # noqa: S311  # spreads load, guards nothing


async def retry_through_outages(
    call: Callable[[], Awaitable[_Result]],
    pace: Pace,
    *,
    final: Callable[[BotClientError], bool] = lambda _: False,
) -> _Result:
    """Call until it succeeds, however long that takes, with growing pauses.

    No pause exceeds the heartbeat's interval, so that a service that is back soon sees its bots
    online, and is called no more often than usual. Errors that are `final` and a refused token are
    raised at once.
    """
    longest = min(pace.longest_pause, pace.heartbeat)
    backoff = Backoff(pace.shortest_pause, longest, jitter=min(longest, 2.0))
    failures = 0
    while True:
        try:
            return await call()
        except BotClientError as error:
            if isinstance(error, NotAuthenticated) or final(error):
                raise
            wish = getattr(error, "retry_after", None)
        # Outside the except block: no error is kept for the length of an outage.
        failures += 1
        pause = backoff.pause(failures)
        if wish is not None:
            pause = max(jittered(min(wish, _LONGEST_WISH)), pace.shortest_pause)
        await asyncio.sleep(pause)
