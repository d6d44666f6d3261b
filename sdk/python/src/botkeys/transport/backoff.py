"""Pauses between attempts: growing, bounded, and spread out.

Our own instead of a library's: those log every retry into the program that embeds this client, or
let it switch off all retries of the process at once.
"""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses in seconds: `first`, then twice as long each time, up to `longest`; each has a random
    part of up to `jitter` in addition.
    """

    first: float
    longest: float
    jitter: float

    def pause(self, failures: int) -> float:
        """Return the pause after so many failures in a row."""
        grown: float = self.first * 2 ** min(failures - 1, 60)
        spread = random.uniform(0, self.jitter)  # noqa: S311  # spreads load, guards nothing
        return min(grown + spread, self.longest)
