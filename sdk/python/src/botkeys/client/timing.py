"""How often a bot calls, and how it keeps calling through an outage."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_exponential_jitter

from botkeys.client.errors import BotClientError, NotAuthenticated

_Result = TypeVar("_Result")

_LONGEST_WISH = 60.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Intervals in seconds. `heartbeat` fits more than twice into the service's lease of 30 s; a
    service with many bots asks for a longer one.

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
    growing = wait_exponential_jitter(
        multiplier=pace.shortest_pause, max=longest, jitter=min(longest, 2.0)
    )

    def is_outage(error: BaseException) -> bool:
        if not isinstance(error, BotClientError) or isinstance(error, NotAuthenticated):
            return False
        return not final(error)

    def pause(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        wish = getattr(error, "retry_after", None)
        if wish is None:
            return growing(state)
        return max(jittered(min(wish, _LONGEST_WISH)), pace.shortest_pause)

    retrying = AsyncRetrying(retry=retry_if_exception(is_outage), wait=pause, reraise=True)
    return await retrying(call)
