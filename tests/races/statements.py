"""The statements that the service sends to the database, recorded and modified on the way.

Shows which locks an operation takes and in what order; stops an operation between its check and its
write, so that another one can run in between; and leaves out one of an operation's locks.
"""

import asyncio
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import await_only

OPERATION: ContextVar[str] = ContextVar("operation", default="")
"""The operation that statements belong to, set in a task of its own."""

_LOCK = re.compile(
    r"\s+FOR (?P<strength>NO KEY UPDATE|UPDATE|KEY SHARE|SHARE)(?: OF (?P<of>\w+))?"
    r"(?: SKIP LOCKED)?\s*(?=\)|$)"
)
_TABLE = re.compile(r"\bFROM\s+(\w+)")
_WRITE = re.compile(
    r"\b(INSERT INTO|UPDATE|DELETE FROM)"
    r" (bots|keys|trading_assets|positions|presence|resting_orders)\b"
)


class Lock(NamedTuple):
    table: str
    strength: str


@dataclass(slots=True)
class Gate:
    """The point before its first write at which an operation stops. Both events are set once."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def stop(self) -> None:
        self.reached.set()
        await self.let_go.wait()


@dataclass(eq=False)
class Statements:
    """All statements of an engine's sessions.

    `taken` holds the locks of each operation in the order in which it requested them. `removed`
    holds each (operation, table) whose lock becomes a plain SELECT. `gates` stop an operation once.
    With `lateness` above 0, a write is delayed by up to that many seconds, as on a loaded machine.
    """

    removed: set[tuple[str, str]] = field(default_factory=set)
    taken: dict[str, list[Lock]] = field(default_factory=dict)
    gates: dict[str, Gate] = field(default_factory=dict)
    lateness: float = 0
    chance: random.Random = field(default_factory=random.Random)

    async def process(self, statement: str) -> str:
        """Return the statement to run instead, once it may run."""
        operation = OPERATION.get()
        if not operation:
            return statement
        if _WRITE.search(statement):
            await self._stop(operation)
        return _LOCK.sub(lambda found: self._lock(operation, found), statement)

    def _lock(self, operation: str, found: re.Match[str]) -> str:
        table = found["of"] or _TABLE.findall(found.string, 0, found.start())[-1]
        self.taken.setdefault(operation, []).append(Lock(table, found["strength"]))
        return "" if (operation, table) in self.removed else found[0]

    async def _stop(self, operation: str) -> None:
        gate = self.gates.pop(operation, None)
        if gate is not None:
            await gate.stop()
        elif self.lateness:
            await asyncio.sleep(self.chance.random() * self.lateness)


@contextmanager
def recorded_statements(engine: AsyncEngine) -> Iterator[Statements]:
    """Yield the statements of this engine's sessions for the duration of the block."""
    statements = Statements()

    def process(
        _connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any
    ) -> tuple[str, Any]:
        return await_only(statements.process(statement)), parameters

    event.listen(engine.sync_engine, "before_cursor_execute", process, retval=True)
    try:
        yield statements
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", process)
