"""Service and floor alternately: requests per second of the one as a fraction of the other's."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.load import Load, LoadRequest, Measured
from benchmarks.report import Row
from benchmarks.server import Server, measure_in_turn
from benchmarks.spread import Kind, decided

CONNECTIONS = 16
_OK = 200


class DifferentAnswers(Exception):
    """Floor and service do not do the same work, so their ratio is meaningless."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure: rounds that alternate floor and service, and seconds of each.

    Rounds go on, up to `most_rounds`, while they do not decide whether the budget is kept.
    """

    rounds: int = 5
    warm_up: float = 0.3
    seconds: float = 1.6
    most_rounds: int = 9

    def load(self, server: Server, requests: Sequence[LoadRequest], status: int = _OK) -> Load:
        return Load(
            server.port,
            list(requests),
            CONNECTIONS,
            self.warm_up,
            self.seconds,
            status,
            server.process.pid,
        )

    def suffices(self, values: Sequence[float], kind: Kind, budget: float | None) -> bool:
        """Return whether these rounds are enough to judge the budget, or too many to go on."""
        if len(values) < self.rounds:
            return False
        return len(values) >= self.most_rounds or decided(values, kind, budget)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two servers, and the requests sent to it."""

    server: Server
    requests: Sequence[LoadRequest]
    status: int = _OK

    def load(self, effort: Effort) -> Load:
        return effort.load(self.server, self.requests, self.status)

    def measure(self, effort: Effort) -> Measured:
        return self.server.measure(self.load(effort))


@dataclass(frozen=True, slots=True)
class Rounds:
    """The measurements of both, round by round."""

    service: list[Measured]
    floor: list[Measured]

    @property
    def ratios(self) -> list[float]:
        pairs = zip(self.service, self.floor, strict=True)
        return [one.per_second / bare.per_second for one, bare in pairs]

    @property
    def by_cpu_time(self) -> float:
        """Return the ratio of the CPU time that a request costs the two processes.

        Other work on the machine disturbs it little. PostgreSQL's own time is not in it.
        """
        pairs = zip(self.service, self.floor, strict=True)
        return median(bare.cpu_ms / one.cpu_ms for one, bare in pairs)

    def row(self, name: str, budget: float | None, **details: Any) -> Row:
        """Return a row whose ratio is the median of the rounds' ratios."""
        return Row.of_rounds(
            name,
            self.ratios,
            "of the floor",
            "at least",
            budget,
            {
                "service": rate_text(self.service),
                "floor": rate_text(self.floor),
                "rounds": len(self.ratios),
                "by CPU time": f"{self.by_cpu_time:.2f}",
                **details,
            },
        )


def in_turn(service: Side, floor: Side, effort: Effort, budget: float | None = None) -> Rounds:
    """Load the two alternately, so that other work on the machine affects both.

    While one is measured, the other is stopped. Each begins every second round, for a machine that
    becomes slower or faster must favour neither.
    """
    measured = Rounds([], [])
    loads = [side.load(effort) for side in (service, floor)]
    while not effort.suffices(measured.ratios, "at least", budget):
        if len(measured.ratios) % 2:
            of_service, of_floor = measure_in_turn(loads)
        else:
            of_floor, of_service = measure_in_turn(loads[::-1])
        measured.service.append(of_service)
        measured.floor.append(of_floor)
    return measured


def rate_text(measured: list[Measured]) -> str:
    per_second = median(one.per_second for one in measured)
    p50, p99 = median(one.p50 for one in measured), median(one.p99 for one in measured)
    cpu = median(one.cpu_ms for one in measured)
    return f"{per_second:.0f}/s (p50 {p50:.1f} ms, p99 {p99:.1f} ms, {cpu:.2f} ms of CPU)"
