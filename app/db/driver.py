"""Hot statements: compiled once, sent straight through the driver.

SQLAlchemy's pool lends the connection and its expression language builds the statement; what is
skipped is its work on each execution, which takes longer than PostgreSQL takes to respond.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, cast

import asyncpg
from sqlalchemy import ClauseElement, Engine
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import SessionTransaction
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.sql.compiler import SQLCompiler

from app.db.failures import is_lost, raise_if_lost
from app.db.lending import Driver, lend
from app.db.pool import suspect

Rows = Sequence[Iterable[Any]]

IDENTITY = "pg_current_xact_id"
"""The function whose value, in the last column of a statement, identifies the transaction."""

_COMPILED = frozenset({"text", "identifies", "_names", "_known"})
_NOTED = "botkeys_identity"


class Statement:
    """A statement with named parameters, compiled for PostgreSQL when it is first needed: a process
    sends only some of what it imports. JSON is passed as text.

    `writes`: it changes something when it is sent outside a transaction.
    """

    text: str
    identifies: bool
    """Whether its last column identifies the transaction (`app.db.outcome`)."""
    _names: tuple[str, ...]
    _known: dict[str, Any]

    def __init__(self, clause: ClauseElement, *, writes: bool = False) -> None:
        self._clause: ClauseElement | None = clause
        self.writes = writes

    def __getattr__(self, name: str) -> Any:
        """Compile the statement; afterwards its members are found without this."""
        if name not in _COMPILED or self._clause is None:
            raise AttributeError(name)
        dialect = PGDialect_asyncpg()  # type: ignore[no-untyped-call]
        compiled = cast("SQLCompiler", self._clause.compile(dialect=dialect))
        self._clause = None
        self.text = compiled.string
        self.identifies = IDENTITY in self.text
        self._names = tuple(compiled.positiontup or ())
        known = compiled.params
        self._known = {name: known[name] for name in self._names if known[name] is not None}
        return getattr(self, name)

    def arguments(self, parameters: dict[str, Any]) -> list[Any]:
        """Return the values in the order of the text's placeholders, including literals."""
        given = {**self._known, **parameters} if self._known else parameters
        return [given[name] for name in self._names]


class Executor(Protocol):
    async def fetch(self, statement: Statement, **parameters: Any) -> Rows:
        """Return all rows, read in a transaction of their own, with JSON decoded by the pool.

        Raises what the driver raises: `app.db.failures` distinguishes outages from mistakes; and
        `CommitLost` for a statement that writes, once it was sent and no answer came.
        """


class BatchExecutor(Executor, Protocol):
    async def fetch_many(self, statement: Statement, many: Sequence[dict[str, Any]]) -> Rows:
        """Execute a statement once for each of these parameters, in one round trip and one
        transaction; return the rows of all. Raises as `fetch` does.
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
        return await self._over_one(statement, statement.arguments(parameters))

    async def fetch_many(self, statement: Statement, many: Sequence[dict[str, Any]]) -> Rows:
        arguments = [statement.arguments(parameters) for parameters in many]
        return await self._over_one(statement, arguments, many=True)

    async def _over_one(
        self, statement: Statement, arguments: list[Any], *, many: bool = False
    ) -> Rows:
        loan = await lend(self._engine)
        in_order = False
        send = self._send_many if many else self._send
        try:
            rows = await send(loan.driver, statement.text, arguments)
            in_order = True
        except BaseException as error:
            loan.failed(error)
            # Only after a response from the server is the connection known to be usable.
            in_order = isinstance(error, asyncpg.PostgresError) and not loan.driver.is_closed()
            if statement.writes:
                raise_if_lost(error)
            raise
        finally:
            await loan.end(in_order=in_order)
        return rows

    async def _send(self, driver: Driver, text: str, arguments: list[Any]) -> Rows:
        if self._in_transaction:
            async with driver.transaction():
                return await driver.fetch(text, *arguments)
        return await driver.fetch(text, *arguments)

    async def _send_many(self, driver: Driver, text: str, many: list[list[Any]]) -> Rows:
        # A transaction by itself: the driver asks the server to commit after the last.
        if self._in_transaction:
            async with driver.transaction():
                return await driver.fetchmany(text, many)
        return await driver.fetchmany(text, many)


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
        self._driver: tuple[Engine, Driver] | None = None

    async def fetch(self, statement: Statement, **parameters: Any) -> Rows:
        """Return all rows; raise what the driver raises, or SQLAlchemy's error around it."""
        transaction = self._session.sync_session.get_transaction()
        if self._sender is None or transaction is None or transaction is not self._transaction:
            self._sender = await self._begin()
            self._transaction = self._session.sync_session.get_transaction()
        try:
            rows = await self._sender.fetch(statement.text, *statement.arguments(parameters))
        except Exception as error:
            if self._driver is not None:
                note_failure(*self._driver, error)
            raise
        if statement.identifies and rows:
            *_, identity = rows[0]
            note(self._session, identity)
        return rows

    async def _begin(self) -> Sender:
        connection = await self._session.connection()
        adapted: Any = (await connection.get_raw_connection()).dbapi_connection
        # SQLAlchemy sends BEGIN before its own first statement; ours may come before that.
        if adapted._transaction is None:  # noqa: SLF001  # no public way
            await adapted._start_transaction()  # noqa: SLF001
        chosen = await sender(connection)
        # SQLAlchemy itself looks at the errors of what is sent through it.
        straight = not isinstance(chosen, _ObservedSender)
        self._driver = (connection.sync_engine, cast("Driver", chosen)) if straight else None
        return chosen


def note(session: AsyncSession, identity: str) -> None:
    """Keep the identity of the session's transaction for its commit."""
    synchronous = session.sync_session
    synchronous.info[_NOTED] = (synchronous.get_transaction(), identity)


def noted(session: AsyncSession) -> str | None:
    """Return the identity of the session's transaction, if a statement returned it."""
    synchronous = session.sync_session
    transaction, identity = synchronous.info.get(_NOTED, (None, None))
    return identity if transaction is synchronous.get_transaction() else None


def has_listeners(engine: Engine) -> bool:
    return bool(engine.dispatch.before_cursor_execute)


def note_failure(engine: Engine, driver: Driver, error: BaseException) -> None:
    """End a connection that is of no more use, and have the rest of the pool looked at.

    SQLAlchemy does not see the errors of statements that went past it.
    """
    if is_lost(error):
        driver.terminate()
        suspect(engine.pool)


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
