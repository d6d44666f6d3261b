"""Service and floor alternately: requests per second of the one as a fraction of the other's."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.load import Load, LoadRequest, Measured
from benchmarks.report import Row
from benchmarks.server import Server

CONNECTIONS = 16
_OK = 200


class DifferentAnswers(Exception):
    """Floor and service do not do the same work, so their ratio is meaningless."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure: rounds that alternate floor and service, and seconds of each."""

    rounds: int = 7
    warm_up: float = 1.0
    seconds: float = 3.0

    def load(self, server: Server, requests: Sequence[LoadRequest], status: int = _OK) -> Load:
        return Load(server.port, list(requests), CONNECTIONS, self.warm_up, self.seconds, status)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two servers, and the requests sent to it."""

    server: Server
    requests: Sequence[LoadRequest]
    status: int = _OK

    def measure(self, effort: Effort) -> Measured:
        return self.server.measure(effort.load(self.server, self.requests, self.status))


@dataclass(frozen=True, slots=True)
class Rounds:
    """The measurements of both, round by round."""

    service: list[Measured]
    floor: list[Measured]

    @property
    def ratios(self) -> list[float]:
        pairs = zip(self.service, self.floor, strict=True)
        return [one.per_second / bare.per_second for one, bare in pairs]

    def row(self, name: str, budget: float | None, **details: Any) -> Row:
        """Return a row whose ratio is the median of the rounds' ratios."""
        return Row(
            name=name,
            value=median(self.ratios),
            unit="of the floor",
            kind="at least",
            budget=budget,
            details={
                "service": rate_text(self.service),
                "floor": rate_text(self.floor),
                "rounds": " ".join(f"{ratio:.2f}" for ratio in self.ratios),
                **details,
            },
        )


def in_turn(service: Side, floor: Side, effort: Effort) -> Rounds:
    """Load the two alternately, so that other work on the machine affects both.

    While one is measured, the other is stopped.
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


def rate_text(measured: list[Measured]) -> str:
    per_second = median(one.per_second for one in measured)
    p50, p99 = median(one.p50 for one in measured), median(one.p99 for one in measured)
    return f"{per_second:.0f}/s (p50 {p50:.1f} ms, p99 {p99:.1f} ms)"
