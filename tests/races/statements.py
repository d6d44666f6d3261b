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
    r"\s+FOR (?P<strength>NO KEY UPDATE|UPDATE|KEY SHARE|SHARE)(?P<of> OF (?P<table>\w+))?\s*$"
)
_TABLE = re.compile(r"\bFROM\s+(?P<table>\w+)")
_WRITE = re.compile(
    r"^\s*(INSERT INTO|UPDATE|DELETE FROM) (bots|keys|trading_assets|positions|presence)\b"
)


class Lock(NamedTuple):
    table: str
    strength: str


@dataclass(slots=True)
class Gate:
    """Where an operation stops before its first write. `reached` and `let_go` are set once."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(eq=False)
class Statements:
    """All statements of an engine.

    `taken` are the locks of each operation in the order in which it asked for them. `removed` are
    the (operation, table) whose lock becomes a plain SELECT. `gates` stop an operation, once. With
    `lateness` above 0 a write comes up to that many seconds late, as on a loaded machine.
    """

    removed: set[tuple[str, str]] = field(default_factory=set)
    taken: dict[str, list[Lock]] = field(default_factory=dict)
    gates: dict[str, Gate] = field(default_factory=dict)
    lateness: float = 0
    chance: random.Random = field(default_factory=random.Random)

    def __call__(
        self, _conn: Any, _cursor: Any, statement: str, parameters: Any, *_: Any
    ) -> tuple[str, Any]:
        operation = OPERATION.get()
        if operation:
            if _WRITE.match(statement):
                self._stop(operation)
            else:
                statement = self._lock(operation, statement)
        return statement, parameters

    def _lock(self, operation: str, statement: str) -> str:
        locking = _LOCK.search(statement)
        if locking is None:
            return statement
        found = locking if locking["of"] else _TABLE.search(statement)
        assert found is not None, statement
        lock = Lock(found["table"], locking["strength"])
        self.taken.setdefault(operation, []).append(lock)
        if (operation, lock.table) in self.removed:
            return statement[: locking.start()]
        return statement

    def _stop(self, operation: str) -> None:
        gate = self.gates.pop(operation, None)
        if gate is not None:
            gate.reached.set()
            await_only(gate.let_go.wait())
        elif self.lateness:
            await_only(asyncio.sleep(self.chance.random() * self.lateness))


@contextmanager
def overheard(engine: AsyncEngine) -> Iterator[Statements]:
    """The statements of this engine for as long as the block lasts."""
    statements = Statements()
    event.listen(engine.sync_engine, "before_cursor_execute", statements, retval=True)
    try:
        yield statements
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", statements)
