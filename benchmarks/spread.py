"""How sure a median of rounds is, and so whether a budget is kept, missed, or unclear.

A round on a busy machine can be far off, so no single one counts. The interval around the median
is the one of order statistics, which supposes nothing about how rounds are distributed: of 5 rounds
the lowest and the highest enclose the true median in 94 of 100 runs, of 11 the third lowest and the
third highest do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import comb
from statistics import median
from typing import Literal

Kind = Literal["at least", "at most"]

CONFIDENCE = 0.9
"""How sure an interval should be; few rounds give the widest one and less confidence."""


class Verdict(StrEnum):
    """What rounds say about a budget."""

    KEPT = "ok"
    MISSED = "missed"
    UNCLEAR = "unclear"
    """The budget lies within the interval: other rounds could have decided otherwise."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A median, and the interval that holds the true one with this confidence."""

    median: float
    low: float
    high: float
    confidence: float

    def verdict(self, kind: Kind, budget: float) -> Verdict:
        if self.low < budget < self.high:
            return Verdict.UNCLEAR
        return Verdict.KEPT if keeps(self.median, kind, budget) else Verdict.MISSED

    def apart_from(self, other: "Spread") -> bool:
        """Return whether the two intervals do not touch."""
        return self.high < other.low or other.high < self.low


def keeps(value: float, kind: Kind, budget: float) -> bool:
    return value >= budget if kind == "at least" else value <= budget


def spread(values: Sequence[float]) -> Spread:
    """Return the median of the rounds and its narrowest interval of at least `CONFIDENCE`."""
    ordered, number = sorted(values), len(values)
    cut = 0
    while cut + 1 <= (number - 1) // 2 and _confidence(number, cut + 1) >= CONFIDENCE:
        cut += 1
    found = _confidence(number, cut)
    return Spread(median(ordered), ordered[cut], ordered[number - 1 - cut], found)


def _confidence(number: int, cut: int) -> float:
    """Return how often the interval without the `cut` lowest and highest encloses the median.

    Each round falls below the true median with probability one half.
    """
    outside = sum(comb(number, below) for below in range(cut + 1))
    return max(0.0, 1 - 2 * outside / float(2**number))


def decided(values: Sequence[float], kind: Kind, budget: float | None) -> bool:
    """Return whether further rounds are not needed to tell if the budget is kept."""
    return budget is None or spread(values).verdict(kind, budget) is not Verdict.UNCLEAR
