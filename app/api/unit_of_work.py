"""One request's unit of work: its session or its transaction, and the commit."""

import asyncio
from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.db.transactions import Transaction


class UnitOfWork:
    """The unit of work of a request, the only part of it that commits.

    It holds one session or one transaction without a session, so one connection at most. Either is
    created on first use: bots' hottest calls use neither.
    """

    def __init__(
        self, sessions: async_sessionmaker[AsyncSession], transactions: Callable[[], Transaction]
    ) -> None:
        self._sessions = sessions
        self._transactions = transactions
        self._session: AsyncSession | None = None
        self._transaction: Transaction | None = None

    @property
    def session(self) -> AsyncSession:
        if self._transaction is not None and self._transaction.begun:
            raise RuntimeError("this request has a connection already")
        if self._session is None:
            self._session = self._sessions()
        return self._session

    @property
    def transaction(self) -> Transaction:
        """Return the transaction for hot writes, used instead of a session."""
        if self._session is not None and self._session.in_transaction():
            raise RuntimeError("this request has a connection already")
        if self._transaction is None:
            self._transaction = self._transactions()
        return self._transaction

    async def commit(self) -> None:
        """Commit what was done so far.

        An endpoint commits if something must not go unrecorded; what it does afterwards is
        committed before its response is sent.
        """
        if self._session is not None and self._session.in_transaction():
            await self._session.commit()
        if self._transaction is not None:
            await self._transaction.commit()

    async def rollback(self) -> None:
        if self._session is not None:
            await self._session.rollback()
        if self._transaction is not None:
            await self._transaction.rollback()

    async def close(self) -> None:
        """Release the connection; outside a transaction there is none."""
        if self._session is not None and self._session.in_transaction():
            await asyncio.shield(self._session.close())
        if self._transaction is not None and self._transaction.begun:
            await asyncio.shield(self._transaction.rollback())
