"""One request's unit of work: its session or its transaction, and the commit."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.db import outcome
from app.db.failures import CommitLost, is_outage
from app.db.outcome import Outcomes
from app.db.transactions import Transaction
from app.errors import OutcomeUnknown


class UnitOfWork:
    """The unit of work of a request, the only part of it that commits.

    It holds one session or one transaction without a session, so one connection at most. Either is
    created on first use: bots' hottest calls use neither.
    """

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        transactions: Callable[[], Transaction],
        outcomes: Outcomes,
    ) -> None:
        self._sessions = sessions
        self._transactions = transactions
        self._outcomes = outcomes
        self.changed = False
        """Whether something that the caller asked for is committed already."""
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

    async def read_from(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        """Make sessions of another server from now on, and give back what was held so far."""
        await self.close()
        self._sessions, self._session = sessions, None

    def note_change(self) -> None:
        """Note that something that the caller asked for was committed apart from this unit."""
        self.changed = True

    async def commit(self) -> None:
        """Commit what was done so far.

        An endpoint commits if something must not go unrecorded; what it does afterwards is
        committed before its response is sent.

        If the connection dies meanwhile, the outcome is looked up: this returns if the commit was
        made, and raises the outage if nothing was changed, `OutcomeUnknown` if that cannot be
        found out.
        """
        try:
            self.changed |= await self._commit()
        except CommitLost as lost:
            with suppress(Exception):  # the connection is dead; this gives its place back
                await self.rollback()
            committed = await self._outcomes.committed(lost)
            if committed is None:
                raise OutcomeUnknown from lost
            if not committed:
                raise lost.__cause__ or lost from None
            self.changed = True

    async def commit_own(self) -> None:
        """Commit records of the service's own, about which the caller need not know."""
        try:
            await self._commit()
        except CommitLost as lost:
            raise lost.__cause__ or lost from None

    async def _commit(self) -> bool:
        wrote = False
        if self._session is not None and self._session.in_transaction():
            wrote = await outcome.commit(self._session)
        if self._transaction is not None:
            wrote |= await self._transaction.commit()
        return wrote

    async def rollback(self) -> None:
        if self._session is not None:
            await self._session.rollback()
        if self._transaction is not None:
            await self._transaction.rollback()

    async def close(self) -> None:
        """Release the connection; outside a transaction there is none.

        That it is dead is no failure of the request, which has its answer by now.
        """
        try:
            if self._session is not None and self._session.in_transaction():
                await asyncio.shield(self._session.close())
            if self._transaction is not None and self._transaction.begun:
                await asyncio.shield(self._transaction.rollback())
        except Exception as error:
            if not is_outage(error):
                raise
