"""The time of a request as a multiple of the time that its SQL takes when it is run by hand."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import asyncpg

from benchmarks.rounds import DifferentAnswers

_AT_ONCE = 10
_WARM_UP = 6
"""Executions after which PostgreSQL keeps the plan of a prepared statement."""


@dataclass(frozen=True, slots=True)
class ByHand:
    """A statement of the driver's that returns as many rows as the request has items."""

    sql: str
    arguments: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Compared:
    """The milliseconds of requests and of statements, round by round."""

    service: list[float]
    by_hand: list[float]

    @property
    def ratios(self) -> list[float]:
        return [one / bare for one, bare in zip(self.service, self.by_hand, strict=True)]

    @property
    def details(self) -> dict[str, str]:
        return {
            "service": f"{median(self.service):.2f} ms",
            "SQL": f"{median(self.by_hand):.2f} ms",
            "rounds": str(len(self.service)),
        }


async def compare(
    database_url: str,
    request: Callable[[], Sequence[Any]],
    by_hand: ByHand,
    rounds: int,
    at_once: int = _AT_ONCE,
) -> Compared:
    """Run both alternately, `at_once` times each a round. `request` returns the items; raises
    `DifferentAnswers` unless the statement finds as many.
    """
    connection = await asyncpg.connect(database_url)
    try:
        statement = await connection.prepare(by_hand.sql)
        for _ in range(_WARM_UP):
            rows, items = await statement.fetch(*by_hand.arguments), request()
            if not items or len(rows) != len(items):
                raise DifferentAnswers
        found = Compared([], [])
        for _ in range(rounds):
            began = time.perf_counter()
            for _ in range(at_once):
                request()
            between = time.perf_counter()
            for _ in range(at_once):
                await statement.fetch(*by_hand.arguments)
            ended = time.perf_counter()
            found.service.append((between - began) / at_once * 1000)
            found.by_hand.append((ended - between) / at_once * 1000)
        return found
    finally:
        await connection.close()
