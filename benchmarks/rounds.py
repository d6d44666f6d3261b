"""Service and floor in turn: requests per second of the one as a part of the other's."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.load import ListQuery, Load, Measured
from benchmarks.report import Row
from benchmarks.server import Server

CONNECTIONS = 16
_OK = 200


class DifferentAnswers(Exception):
    """Floor and service do not do the same work, so no ratio of theirs means anything."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure: rounds of floor and service in turn, seconds of each."""

    rounds: int = 7
    warm_up: float = 1.0
    seconds: float = 3.0

    def load(self, server: Server, asked: Sequence[ListQuery], status: int = _OK) -> Load:
        return Load(server.port, list(asked), CONNECTIONS, self.warm_up, self.seconds, status)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two, and what is asked of it."""

    server: Server
    asked: Sequence[ListQuery]
    status: int = _OK

    def measure(self, effort: Effort) -> Measured:
        return self.server.measure(effort.load(self.server, self.asked, self.status))


@dataclass(frozen=True, slots=True)
class Rounds:
    """What was measured of both, round by round."""

    service: list[Measured]
    floor: list[Measured]

    @property
    def ratios(self) -> list[float]:
        pairs = zip(self.service, self.floor, strict=True)
        return [one.per_second / bare.per_second for one, bare in pairs]

    def row(self, name: str, budget: float | None, **details: Any) -> Row:
        """The ratio is the median of the rounds' own ratios."""
        return Row(
            name=name,
            value=median(self.ratios),
            unit="of the floor",
            kind="at least",
            budget=budget,
            details={
                "service": told(self.service),
                "floor": told(self.floor),
                "rounds": " ".join(f"{ratio:.2f}" for ratio in self.ratios),
                **details,
            },
        )


def in_turn(service: Side, floor: Side, effort: Effort) -> Rounds:
    """The two are loaded in turn, so that whatever else the machine does meets both; while one is
    measured the other is stopped.
    """
    measured = Rounds([], [])
    for _ in range(effort.rounds):
        service.server.pause()
        measured.floor.append(floor.measure(effort))
        service.server.go_on()
        floor.server.pause()
        measured.service.append(service.measure(effort))
        floor.server.go_on()
    return measured


def told(measured: list[Measured]) -> str:
    per_second = median(one.per_second for one in measured)
    p50, p99 = median(one.p50 for one in measured), median(one.p99 for one in measured)
    return f"{per_second:.0f}/s (p50 {p50:.1f} ms, p99 {p99:.1f} ms)"
