"""What the service says to the database, seen and bent while it says it.

Which locks an operation takes and in what order; an operation stopped between its check and its
write, so that another can come in between; and an operation with one of its locks left out.
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
"""Of which operation the statements are. Whoever fires one says so, in a task of its own."""

_LOCK = re.compile(
    r"\s+FOR (?P<strength>NO KEY UPDATE|UPDATE|KEY SHARE|SHARE)(?: OF (?P<of>\w+))?"
    r"(?: SKIP LOCKED)?\s*(?=\)|$)"
)
_TABLE = re.compile(r"\bFROM\s+(\w+)")
_WRITE = re.compile(
    r"\b(INSERT INTO|UPDATE|DELETE FROM) (bots|keys|trading_assets|positions|presence)\b"
)


class Lock(NamedTuple):
    table: str
    strength: str


@dataclass(slots=True)
class Gate:
    """Where an operation stops before its first write. `reached` and `let_go` are set once."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def stop(self) -> None:
        self.reached.set()
        await self.let_go.wait()


@dataclass(eq=False)
class Statements:
    """All statements of the sessions of an engine.

    `taken` are the locks of each operation in the order in which it asked for them. `removed` are
    the (operation, table) whose lock becomes a plain SELECT. `gates` stop an operation, once. With
    `lateness` above 0 a write comes up to that many seconds late, as on a loaded machine.
    """

    removed: set[tuple[str, str]] = field(default_factory=set)
    taken: dict[str, list[Lock]] = field(default_factory=dict)
    gates: dict[str, Gate] = field(default_factory=dict)
    lateness: float = 0
    chance: random.Random = field(default_factory=random.Random)

    async def hear(self, statement: str) -> str:
        """What is to be said in its place, once it may be said."""
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
def overheard(engine: AsyncEngine) -> Iterator[Statements]:
    """The statements of this engine's sessions for as long as the block lasts."""
    statements = Statements()

    def hear(
        _connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any
    ) -> tuple[str, Any]:
        return await_only(statements.hear(statement)), parameters

    event.listen(engine.sync_engine, "before_cursor_execute", hear, retval=True)
    try:
        yield statements
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", hear)
