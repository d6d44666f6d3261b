"""How often a bot calls, and how it goes on calling through an outage."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import stamina

from botkeys.client.errors import BotClientError, NotAuthenticated

_Result = TypeVar("_Result")

_LONGEST_WISH = 60.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. The heartbeat's fits into the service's lease (30 s) twice and more.

    A stream that is silent for `stream_idle` is broken. It is opened again after what the service
    asks for, at least `shortest_pause`; while it fails, the configuration is polled instead, as
    often as it is tried: up to every `longest_pause`. Credentials are checked `first_check` after
    they were opened and then every `check`, or after `check_again` where nothing came of it. A
    record waits up to `records` for others to go with it.
    """

    heartbeat: float = 10.0
    stream_idle: float = 45.0
    shortest_pause: float = 0.5
    longest_pause: float = 15.0
    first_check: float = 2.0
    check: float = 86_400.0
    check_again: float = 600.0
    records: float = 3.0


def around(seconds: float) -> float:
    """So many seconds, more or less: bots that began together need not call together."""
    return seconds * random.uniform(0.9, 1.1)  # noqa: S311  # spreads load, guards nothing


async def patiently(
    call: Callable[[], Awaitable[_Result]],
    pace: Pace,
    *,
    final: Callable[[BotClientError], bool] = lambda _: False,
) -> _Result:
    """Call until it works, however long that takes, with growing pauses.

    None is longer than that between two heartbeats: a service that is back soon knows who lives,
    and is asked no more than in good times. Given up for an error that is `final`, and for a token
    that is no good: those are raised.
    """

    def decide(error: Exception) -> bool | float:
        if not isinstance(error, BotClientError) or isinstance(error, NotAuthenticated):
            return False
        if final(error):
            return False
        wish = getattr(error, "retry_after", None)
        if wish is None:
            return True
        return max(around(min(wish, _LONGEST_WISH)), pace.shortest_pause)

    longest = min(pace.longest_pause, pace.heartbeat)
    async for attempt in stamina.retry_context(
        on=decide,
        attempts=None,
        timeout=None,
        wait_initial=pace.shortest_pause,
        wait_max=longest,
        wait_jitter=min(longest, 2.0),
    ):
        with attempt:
            return await call()
    raise AssertionError("without a limit of attempts there is no last one")
