"""The batches of a deletion: one coroutine cuts them while others already delete.

Cutting walks along an index and writes nothing, while deleting often waits for the log to be
written.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from app.domains.trading.kinds import DataKind, Slice


class Batch(NamedTuple):
    """A batch of a slice: rows before `above`, exclusive, back to `cut`, or to their beginning."""

    planned: "PlannedSlice"
    number: int
    above: datetime | None
    cut: datetime | None


class PlannedSlice:
    """The batches of a slice that are known so far, newest first. Each is taken once.

    `empty` is whether the slice was found to have no row: it stays empty, since the marks existed
    before the plan.
    """

    def __init__(self, kind: DataKind, part: Slice) -> None:
        self.kind = kind
        self.part = part
        self.empty = False
        self._ends: list[datetime | None] = []
        self._next = 0
        self._unfinished: set[int] = set()

    @property
    def left(self) -> bool:
        """Whether a batch waits to be taken."""
        return self._next < len(self._ends)

    @property
    def all_deleted(self) -> bool:
        """Whether the batches were the whole slice, and are deleted."""
        return self.empty or (not self._unfinished and self._ends[-1:] == [None])

    @property
    def reached(self) -> datetime | None:
        """The time after which nothing is left; `None` if nothing was reached yet."""
        first = min(self._unfinished, default=len(self._ends))
        return self._ends[first - 1] if first else None

    def add(self, end: datetime | None) -> None:
        """Add the batch that follows the last one; `None` ends with the oldest row."""
        self._unfinished.add(len(self._ends))
        self._ends.append(end)

    def take(self) -> Batch:
        number, self._next = self._next, self._next + 1
        return Batch(self, number, self._ends[number - 1] if number else None, self._ends[number])

    def finish(self, number: int) -> None:
        self._unfinished.remove(number)


class Plan:
    """The slices of an operation, to which batches are added until the plan is `complete`.

    `rows` is how many rows were counted so far.
    """

    def __init__(self, slices: Iterable[PlannedSlice]) -> None:
        self.slices = list(slices)
        self.complete = False
        self.rows = 0
        self._news = asyncio.Event()

    @property
    def left(self) -> bool:
        """Whether a batch waits to be taken, or may come."""
        return not self.complete or any(planned.left for planned in self.slices)

    def add(self, planned: PlannedSlice, end: datetime | None, rows: int) -> None:
        """Add the batch of so many rows that follows the last one of its slice."""
        planned.add(end)
        self.rows += rows
        self._news.set()

    def end(self) -> None:
        """Declare that no batch will be added."""
        self.complete = True
        self._news.set()

    async def take(self) -> Batch | None:
        """Return the next batch, as soon as there is one; `None` if none is left."""
        while self.left:
            for planned in self.slices:
                if planned.left:
                    return planned.take()
            self._news.clear()
            await self._news.wait()
        return None
