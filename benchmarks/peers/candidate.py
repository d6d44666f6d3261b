"""What a peer can be asked for, and how its memory is counted."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import psutil

from benchmarks.load import Measured
from benchmarks.rounds import Effort

_MIB = 2**20


class Skipped(Exception):
    """This peer cannot be measured here; the text is the reason, as a sentence."""


@dataclass(frozen=True, slots=True)
class Protection:
    """What a peer protects a secret from: facts, from its own documentation and source."""

    at_rest: str
    in_memory: str
    audit: str


@dataclass(frozen=True, slots=True)
class Memory:
    """MiB of all processes together.

    `proportional` counts a page that several share once in all, `resident` once for each, which
    for PostgreSQL's processes is several times what they use.
    """

    proportional: float
    resident: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """One kind of request to one peer."""

    peer: str
    what: str
    durable: str
    protection: Protection
    measure: Callable[[Effort], Measured]
    memory: Callable[[], Memory]
    prepare: Callable[[], None] = lambda: None
    """Called before each round, uncounted: it removes what the round before stored."""

    note: Callable[[], str] = lambda: ""
    """Called after all rounds: what else was seen."""

    @property
    def name(self) -> str:
        return f"{self.peer}: {self.what}"


def memory_of(pids: Iterable[int]) -> Memory:
    """Return the memory of these processes and of their descendants."""
    proportional = resident = 0
    for pid in pids:
        first = psutil.Process(pid)
        for process in (first, *first.children(recursive=True)):
            try:
                found = process.memory_full_info()
            except psutil.NoSuchProcess:
                continue  # a connection's process that ended meanwhile
            proportional, resident = proportional + found.pss, resident + found.rss
    return Memory(proportional / _MIB, resident / _MIB)
