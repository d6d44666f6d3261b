"""Hot writes: a transaction whose statements go straight through the driver.

Beginning and ending a session's transaction costs more CPU time than the rest of a release.
"""

from collections.abc import Callable
from typing import Any, Protocol, Self

from asyncpg.transaction import Transaction as DriversOwn
from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from app.db import outcome
from app.db.driver import (
    Executor,
    Rows,
    SessionExecutor,
    Statement,
    has_listeners,
)
from app.db.failures import is_outage, raise_if_lost
from app.db.lending import Loan, lend


class Transaction(Executor, Protocol):
    """A transaction that begins with its first statement; a statement after its end begins another.

    Raises what the driver raises, or SQLAlchemy's error around it.
    """

    @property
    def begun(self) -> bool:
        """Return whether it holds a connection."""

    async def commit(self) -> bool:
        """Commit; return whether there was anything to commit.

        Raises `CommitLost` if the connection died meanwhile. After any other error nothing was
        changed.
        """

    async def rollback(self) -> None: ...


class SessionTransaction:
    """A transaction of a session, for engines with listeners to statements."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self.fetch = SessionExecutor(session).fetch

    @property
    def begun(self) -> bool:
        return self._session.in_transaction()

    async def commit(self) -> bool:
        return self.begun and await outcome.commit(self._session)

    async def rollback(self) -> None:
        await self._session.rollback()


class _Open:
    """A lent connection with a transaction."""

    def __init__(self, loan: Loan) -> None:
        self._loan = loan
        self.driver = loan.driver
        self._own: DriversOwn = self.driver.transaction()
        self.sound = True
        """Whether every statement so far has succeeded."""
        self.identity: str | None = None

    @classmethod
    async def begin(cls, engine: Engine) -> Self:
        opened = cls(await lend(engine))
        try:
            await opened._own.start()
        except BaseException as error:
            opened.failed(error)
            await opened._loan.end(in_order=False)
            raise
        return opened

    def failed(self, error: BaseException) -> None:
        self.sound = False
        self._loan.failed(error)

    async def commit(self) -> None:
        in_order = False
        try:
            if not self.sound:
                # PostgreSQL would roll back without reporting it.
                raise RuntimeError("a transaction of which a statement failed cannot be committed")
            try:
                await self._own.commit()
            except Exception as error:
                self.failed(error)
                raise_if_lost(error, self.identity)
                raise
            in_order = True
        finally:
            await self._loan.end(in_order=in_order)

    async def rollback(self) -> None:
        """Roll back, or discard the connection if that fails, which has the same effect."""
        in_order = False
        try:
            if not self.driver.is_closed():
                await self._own.rollback()
                in_order = True
        except Exception as error:
            if not is_outage(error):
                raise
        finally:
            await self._loan.end(in_order=in_order)


class DriverTransaction:
    """A transaction over any free connection of an engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.sync_engine
        self._open: _Open | None = None

    @property
    def begun(self) -> bool:
        return self._open is not None

    async def fetch(self, statement: Statement, **parameters: Any) -> Rows:
        if self._open is None:
            self._open = await _Open.begin(self._engine)
        try:
            rows: Rows = await self._open.driver.fetch(
                statement.text, *statement.arguments(parameters)
            )
        except BaseException as error:
            self._open.failed(error)
            raise
        if statement.identifies and rows:
            *_, self._open.identity = rows[0]
        return rows

    async def commit(self) -> bool:
        ended, self._open = self._open, None
        if ended is not None:
            await ended.commit()
        return ended is not None

    async def rollback(self) -> None:
        ended, self._open = self._open, None
        if ended is not None:
            await ended.rollback()


def transactions(
    engine: AsyncEngine, sessions: async_sessionmaker[AsyncSession]
) -> Callable[[], Transaction]:
    """Return a factory of transactions for requests that write without a session."""

    def made() -> Transaction:
        if has_listeners(engine.sync_engine):
            return SessionTransaction(sessions())
        return DriverTransaction(engine)

    return made
