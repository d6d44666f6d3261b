"""Hot statements: compiled once, sent straight through the driver.

SQLAlchemy's pool lends the connection and its expression language makes the statement; what is left
out is what it does for each execution, which takes longer than PostgreSQL takes to answer.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeAlias, cast

import asyncpg
from sqlalchemy import ClauseElement, Engine
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import SessionTransaction
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.util import await_only, greenlet_spawn

Driver: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Rows = Sequence[Iterable[Any]]


class Statement:
    """A statement with named parameters, as PostgreSQL wants it. JSON is given as text."""

    def __init__(self, clause: ClauseElement) -> None:
        dialect = PGDialect_asyncpg()  # type: ignore[no-untyped-call]
        compiled = cast("SQLCompiler", clause.compile(dialect=dialect))
        self.text = compiled.string
        self._names: tuple[str, ...] = tuple(compiled.positiontup or ())
        known = compiled.params
        self._known = {name: known[name] for name in self._names if known[name] is not None}

    def arguments(self, parameters: dict[str, Any]) -> list[Any]:
        """Their values in the order of the text's numbers; literals are the statement's own."""
        given = {**self._known, **parameters} if self._known else parameters
        return [given[name] for name in self._names]


class Executor(Protocol):
    async def fetch(self, statement: Statement, **parameters: Any) -> Rows:
        """All rows, read in a transaction of their own. JSON is decoded: the pool sees to that.

        Raises what the driver raises: `app.db.failures` tells outages from mistakes.
        """


class AutocommitExecutor:
    """Reads over any free connection of an engine whose pool does not begin transactions.

    `in_transaction` wraps each read in one: a transaction pooler keeps to one server connection
    only from BEGIN to COMMIT.
    """

    def __init__(self, engine: AsyncEngine, *, in_transaction: bool = False) -> None:
        self._engine = engine.sync_engine
        self._in_transaction = in_transaction

    async def fetch(self, statement: Statement, **parameters: Any) -> Rows:
        rows: Rows = await greenlet_spawn(
            self._fetch, statement.text, statement.arguments(parameters)
        )
        return rows

    def _fetch(self, text: str, arguments: list[Any]) -> Rows:
        """Runs in a greenlet, as the pool wants it: borrow, read and give back in one switch."""
        lent, driver = borrow(self._engine)
        try:
            rows: Rows = await_only(self._send(driver, text, arguments))
        except BaseException as error:
            # Only after an answer of the server's is the connection known to be in order.
            if driver.is_closed() or not isinstance(error, asyncpg.PostgresError):
                lent.invalidate()
            raise
        finally:
            lent.close()
        return rows

    async def _send(self, driver: Driver, text: str, arguments: list[Any]) -> Rows:
        if self._in_transaction:
            async with driver.transaction():
                return await driver.fetch(text, *arguments)
        return await driver.fetch(text, *arguments)


class Sender(Protocol):
    async def fetch(self, text: str, /, *arguments: Any) -> Rows: ...


class _Overheard:
    """Sends through SQLAlchemy what somebody listens to: tracing, or a test."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def fetch(self, text: str, /, *arguments: Any) -> Rows:
        result = await self._connection.exec_driver_sql(text, arguments)
        return result.all() if result.returns_rows else ()


class SessionExecutor:
    """Sends statements in a session's own transaction, which the first of them begins.

    They go straight through the driver unless the engine has listeners to statements.
    """

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._transaction: SessionTransaction | None = None
        self._sender: Sender | None = None

    async def fetch(self, statement: Statement, **parameters: Any) -> Rows:
        """All rows. Raises what the driver raises, or SQLAlchemy's error around it."""
        transaction = self._session.sync_session.get_transaction()
        if self._sender is None or transaction is None or transaction is not self._transaction:
            self._sender = await self._begin()
            self._transaction = self._session.sync_session.get_transaction()
        return await self._sender.fetch(statement.text, *statement.arguments(parameters))

    async def _begin(self) -> Sender:
        connection = await self._session.connection()
        adapted: Any = (await connection.get_raw_connection()).dbapi_connection
        # SQLAlchemy sends BEGIN before the first statement of its own: this may come before it.
        if adapted._transaction is None:  # noqa: SLF001  # has no public way
            await adapted._start_transaction()  # noqa: SLF001
        return await sender(connection)


def is_overheard(engine: Engine) -> bool:
    return bool(engine.dispatch.before_cursor_execute)


def borrow(engine: Engine) -> tuple[PoolProxiedConnection, Driver]:
    """A free connection of the pool's, and what sends over it. To be called in a greenlet."""
    lent = engine.raw_connection()
    while _driver(lent).is_closed():
        # The server went away while nobody used it: the pool gives another.
        lent.invalidate()
        lent = engine.raw_connection()
    return lent, _driver(lent)


def _driver(lent: PoolProxiedConnection) -> Driver:
    return cast("Driver", lent.driver_connection)


async def driver_connection(connection: AsyncConnection) -> Driver:
    """Asyncpg's own connection beneath SQLAlchemy's."""
    return _driver(await connection.get_raw_connection())


async def sender(connection: AsyncConnection) -> Sender:
    """What sends over this connection: the driver, or SQLAlchemy for those who listen to it."""
    if is_overheard(connection.sync_engine):
        return _Overheard(connection)
    return await driver_connection(connection)
