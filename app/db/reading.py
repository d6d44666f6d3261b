"""Hot reads: one SELECT, compiled once, sent straight through the driver.

SQLAlchemy's pool lends the connection and its expression language makes the statement; what is left
out is what it does for each execution, which takes longer than PostgreSQL takes to answer.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, cast

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db.base import AnySelect

Rows = Sequence[Iterable[Any]]


class Query:
    """A SELECT with named parameters, as PostgreSQL wants it."""

    def __init__(self, statement: AnySelect) -> None:
        compiled = statement.compile(dialect=PGDialect_asyncpg())  # type: ignore[no-untyped-call]
        self.text = compiled.string
        self._names: tuple[str, ...] = tuple(compiled.positiontup or ())

    def arguments(self, parameters: dict[str, Any]) -> list[Any]:
        """Their values in the order of the text's numbers."""
        return [parameters[name] for name in self._names]


class Reader(Protocol):
    async def fetch(self, query: Query, **parameters: Any) -> Rows:
        """All rows, read in a transaction of their own. JSON is decoded: the pool sees to that.

        Raises what the driver raises: `app.db.failures` tells outages from mistakes.
        """


class PoolReader:
    """Reads over any free connection of an engine whose pool does not begin transactions.

    `in_transaction` wraps each read in one: a transaction pooler keeps to one server connection
    only from BEGIN to COMMIT.
    """

    def __init__(self, engine: AsyncEngine, *, in_transaction: bool = False) -> None:
        self._engine = engine
        self._in_transaction = in_transaction

    async def fetch(self, query: Query, **parameters: Any) -> Rows:
        async with self._engine.connect() as connection:
            driver = await driver_connection(connection)
            if driver.is_closed():
                # The server went away while nobody used it: the pool gives another.
                await connection.invalidate()
                driver = await driver_connection(connection)
            try:
                if self._in_transaction:
                    async with driver.transaction():
                        return await driver.fetch(query.text, *query.arguments(parameters))
                return await driver.fetch(query.text, *query.arguments(parameters))
            except BaseException as error:
                # Only after an answer of the server's is the connection known to be in order.
                if driver.is_closed() or not isinstance(error, asyncpg.PostgresError):
                    await connection.invalidate()
                raise


async def driver_connection(connection: AsyncConnection) -> "asyncpg.Connection[asyncpg.Record]":
    """Asyncpg's own connection beneath SQLAlchemy's."""
    lent = await connection.get_raw_connection()
    return cast("asyncpg.Connection[asyncpg.Record]", lent.driver_connection)
