"""Lends connections of a pool to what goes past SQLAlchemy.

An idle connection is taken from the pool's queue as it is. SQLAlchemy's own way of lending wraps it
in an object, switches to a greenlet and resets the connection afterwards, which takes longer than
sending a statement and reading its rows. That way remains for a pool with no idle connection: it
waits, and connects.
"""

from typing import TypeAlias, cast

import asyncpg
from sqlalchemy import Engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.util import greenlet_spawn

from app.db.failures import is_lost
from app.db.pool import LeanPool, suspect

Driver: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Loan:
    """A connection that is lent until `end`; `driver` is asyncpg's own."""

    __slots__ = ("_engine", "_entry", "_pool", "_proxied", "driver")

    def __init__(
        self,
        engine: Engine,
        lent: PoolProxiedConnection | ConnectionPoolEntry,
        pool: LeanPool | None = None,
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._proxied: PoolProxiedConnection | None = None
        self._entry: ConnectionPoolEntry | None = None
        if pool is None:
            self._proxied = cast("PoolProxiedConnection", lent)
        else:
            self._entry = cast("ConnectionPoolEntry", lent)
        self.driver = cast("Driver", lent.driver_connection)

    def failed(self, error: BaseException) -> None:
        """End the connection if it is of no more use, and have the rest of the pool looked at.

        SQLAlchemy does not see the errors of statements that went past it.
        """
        if is_lost(error):
            self.driver.terminate()
            suspect(self._engine.pool)

    async def end(self, *, in_order: bool) -> None:
        """Give the connection back, or remove it from the pool without waiting for a server that
        may be dead.
        """
        if self._proxied is not None:
            await greenlet_spawn(_end, self._proxied, in_order=in_order)
        elif self._pool is not None and self._entry is not None:
            if not in_order:
                self.driver.terminate()
                self._entry.invalidate()
            self._pool.give_back(self._entry)


async def lend(engine: Engine) -> Loan:
    """Return a free connection of the engine's pool."""
    pool = engine.pool
    if isinstance(pool, LeanPool):
        entry = pool.take()
        if entry is not None:
            return Loan(engine, entry, pool)
    return Loan(engine, await greenlet_spawn(engine.raw_connection))


def _end(lent: PoolProxiedConnection, *, in_order: bool) -> None:
    if not in_order:
        if lent.is_valid:
            cast("Driver", lent.driver_connection).terminate()
        lent.invalidate()
    lent.close()
