"""Hot statements: compiled once, sent straight through the driver.

SQLAlchemy's pool lends the connection and its expression language builds the statement; what is
skipped is its work on each execution, which takes longer than PostgreSQL takes to respond.
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
    """A statement with named parameters, compiled for PostgreSQL. JSON is passed as text."""

    def __init__(self, clause: ClauseElement) -> None:
        dialect = PGDialect_asyncpg()  # type: ignore[no-untyped-call]
        compiled = cast("SQLCompiler", clause.compile(dialect=dialect))
        self.text = compiled.string
        self._names: tuple[str, ...] = tuple(compiled.positiontup or ())
        known = compiled.params
        self._known = {name: known[name] for name in self._names if known[name] is not None}

    def arguments(self, parameters: dict[str, Any]) -> list[Any]:
        """Return the values in the order of the text's placeholders, including literals."""
        given = {**self._known, **parameters} if self._known else parameters
        return [given[name] for name in self._names]


class Executor(Protocol):
    async def fetch(self, statement: Statement, **parameters: Any) -> Rows:
        """Return all rows, read in a transaction of their own, with JSON decoded by the pool.

        Raises what the driver raises: `app.db.failures` distinguishes outages from mistakes.
        """


class AutocommitExecutor:
    """Reads over any free connection of an engine whose pool does not begin transactions.

    `in_transaction` wraps each read in one: a transaction pooler guarantees the same server
    connection only from BEGIN to COMMIT.
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
        """Borrow, read and give back in one switch; runs in a greenlet, as the pool requires."""
        lent, driver = borrow(self._engine)
        try:
            rows: Rows = await_only(self._send(driver, text, arguments))
        except BaseException as error:
            # Only after a response from the server is the connection known to be usable.
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


class _ObservedSender:
    """Sends through SQLAlchemy because someone listens to statements: tracing, or a test."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def fetch(self, text: str, /, *arguments: Any) -> Rows:
        result = await self._connection.exec_driver_sql(text, arguments)
        return result.all() if result.returns_rows else ()


class SessionExecutor:
    """Sends statements in a session's own transaction, which the first one begins.

    They go straight through the driver unless the engine has listeners for statements.
    """

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._transaction: SessionTransaction | None = None
        self._sender: Sender | None = None

    async def fetch(self, statement: Statement, **parameters: Any) -> Rows:
        """Return all rows; raise what the driver raises, or SQLAlchemy's error around it."""
        transaction = self._session.sync_session.get_transaction()
        if self._sender is None or transaction is None or transaction is not self._transaction:
            self._sender = await self._begin()
            self._transaction = self._session.sync_session.get_transaction()
        return await self._sender.fetch(statement.text, *statement.arguments(parameters))

    async def _begin(self) -> Sender:
        connection = await self._session.connection()
        adapted: Any = (await connection.get_raw_connection()).dbapi_connection
        # SQLAlchemy sends BEGIN before its own first statement; ours may come before that.
        if adapted._transaction is None:  # noqa: SLF001  # no public way
            await adapted._start_transaction()  # noqa: SLF001
        return await sender(connection)


def has_listeners(engine: Engine) -> bool:
    return bool(engine.dispatch.before_cursor_execute)


def borrow(engine: Engine) -> tuple[PoolProxiedConnection, Driver]:
    """Return a free connection of the pool and its driver connection; call this in a greenlet."""
    lent = engine.raw_connection()
    while _driver(lent).is_closed():
        # The server closed it while it was idle: the pool gives another.
        lent.invalidate()
        lent = engine.raw_connection()
    return lent, _driver(lent)


def _driver(lent: PoolProxiedConnection) -> Driver:
    return cast("Driver", lent.driver_connection)


async def driver_connection(connection: AsyncConnection) -> Driver:
    """Return asyncpg's own connection beneath SQLAlchemy's."""
    return _driver(await connection.get_raw_connection())


async def sender(connection: AsyncConnection) -> Sender:
    """Return what sends over this connection: the driver, or SQLAlchemy if it has listeners."""
    if has_listeners(connection.sync_engine):
        return _ObservedSender(connection)
    return await driver_connection(connection)
