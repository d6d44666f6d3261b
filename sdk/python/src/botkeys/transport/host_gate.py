"""The gate before each host: how many calls at once, how often, and whether at all.

The circuit is our own: of the libraries, `purgatory` and `pybreaker` let every waiting call through
at once when they try a host again and have had no release for a year or two, and the younger ones
have no users yet.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from aiolimiter import AsyncLimiter

LONGEST_HOLD = 600.0
"""Longest pause in seconds that one answer can impose: Bybit's ban is the longest known."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A limit of `calls` requests to one host in any `seconds`; more wait within their deadline."""

    calls: float
    seconds: float


@dataclass(frozen=True, slots=True)
class CircuitRule:
    """A rule: after `failures` failures in a row within `window` seconds, pause for `pause`."""

    failures: int = 5
    window: float = 60.0
    pause: float = 10.0


class Circuit:
    """A circuit breaker: open while a host is down, so that callers fail at once.

    After the pause one call is admitted as a trial; the next follows a pause later, unless the
    trial closed the circuit. An abandoned trial needs no cleanup. `clock` is monotonic.
    """

    def __init__(self, rule: CircuitRule, clock: Callable[[], float]) -> None:
        self._rule = rule
        self._clock = clock
        self._failed_at: deque[float] = deque(maxlen=rule.failures)
        self._open_until: float | None = None

    def admit(self) -> float:
        """Return 0 if a call may go now, perhaps as the trial; else the seconds until the next."""
        if self._open_until is None:
            return 0.0
        now = self._clock()
        if now < self._open_until:
            return self._open_until - now
        self._open_until = now + self._rule.pause
        return 0.0

    def succeeded(self) -> None:
        self._failed_at.clear()
        self._open_until = None

    def failed(self) -> None:
        now = self._clock()
        self._failed_at.append(now)
        in_a_row = len(self._failed_at) == self._rule.failures
        if self._open_until is not None or (
            in_a_row and now - self._failed_at[0] <= self._rule.window
        ):
            self._open_until = now + self._rule.pause


class HostGate:
    """One host's slots, rate, circuit, and the pause that it asked for.

    Exchanges count public calls by address and signed ones by key: an exhausted public quota does
    not hold back signed calls.
    """

    def __init__(self, concurrency: int, rate: Rate, rule: CircuitRule) -> None:
        self._clock = asyncio.get_running_loop().time
        self.slots = asyncio.Semaphore(concurrency)
        self.rate = AsyncLimiter(rate.calls, rate.seconds)
        self.circuit = Circuit(rule, self._clock)
        self._public_from = self._signed_from = 0.0

    def hold(self, seconds: float, *, signed_too: bool) -> None:
        """Hold back public calls, with `signed_too` all calls, for some seconds."""
        until = self._clock() + min(seconds, LONGEST_HOLD)
        self._public_from = max(self._public_from, until)
        if signed_too:
            self._signed_from = max(self._signed_from, until)

    def held(self, *, signed: bool) -> float:
        """Return the seconds until a call may begin; 0 if it may now."""
        return max(0.0, (self._signed_from if signed else self._public_from) - self._clock())
