"""One request's unit of work: its session, its caller, its claim, its transaction."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext, suppress

from fastapi import Request, Response
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.api.access import Access
from app.api.pipeline.idempotency import (
    Claim,
    IdempotencyRepository,
    key_hash,
    read_key,
    request_hash,
)
from app.api.write_limiter import WriteSlot
from app.auth.caller import Caller
from app.auth.principal import UserPrincipal
from app.context import Context
from app.db.driver import SessionExecutor
from app.db.transactions import Transaction
from app.domains.accounts.repository import AccountRepository
from app.domains.audit.log import AuditLog
from app.domains.bots.config_rows import ConfigRow
from app.errors import AppError


class UnitOfWork:
    """Holds one session or one transaction without any, so one connection at most. Only this class
    commits.

    Either is made when somebody asks for it: bots' hottest calls never do.
    """

    def __init__(
        self, context: Context, access: Access, sessions: async_sessionmaker[AsyncSession]
    ) -> None:
        self.context = context
        self.access = access
        self.config_rows: Sequence[ConfigRow] = ()
        """Of the calling bot, where the route reads it."""
        self.write_slot: WriteSlot | None = None
        """Of a user's write."""
        self._sessions = sessions
        self._session: AsyncSession | None = None
        self._transaction: Transaction | None = None
        self._caller: Caller | None = None
        self._claim: Claim | None = None

    @property
    def session(self) -> AsyncSession:
        if self._transaction is not None and self._transaction.begun:
            raise RuntimeError("this request has a connection already")
        if self._session is None:
            self._session = self._sessions()
        return self._session

    @property
    def transaction(self) -> Transaction:
        """For hot writes, in the place of a session."""
        if self._session is not None and self._session.in_transaction():
            raise RuntimeError("this request has a connection already")
        if self._transaction is None:
            self._transaction = self.context.database.transactions()
        return self._transaction

    @property
    def caller(self) -> Caller:
        if self._caller is None:
            raise RuntimeError("the caller was not proved")
        return self._caller

    def released(self) -> AbstractAsyncContextManager[None]:
        """While an exchange is asked: other writes of the account go on."""
        return nullcontext() if self.write_slot is None else self.write_slot.released()

    def enter(self, caller: Caller) -> None:
        self._caller = caller

    def audit(self) -> AuditLog:
        """Bots' audited calls are hot."""
        hot = self.access.for_bots
        executor = self.transaction if hot else SessionExecutor(self.session)
        return AuditLog(executor, self.context.audit, self.caller)

    async def claim(self, request: Request) -> Response | None:
        """Claim the request's Idempotency-Key, if it has one and the route takes one.

        The claim is committed at once: no transaction stays open while an exchange is asked.
        """
        header = request.headers.get("idempotency-key")
        if header is None or not self.access.replayable:
            return None
        target = request.url.path + "?" + request.url.query
        claim = Claim(
            self.caller.account_id,
            key_hash(self.context.audit, read_key(header)),
            request_hash(self.context.audit, request.method, target, await request.body()),
            action=self.access.action,
        )
        if isinstance(self.caller.principal, UserPrincipal):
            await self._enter(self.caller.principal)
        held = await IdempotencyRepository(self.session).claim(claim)
        await self.session.commit()
        if isinstance(held, Response):
            return held
        self._claim = held
        return None

    async def _enter(self, principal: UserPrincipal) -> None:
        """While an account is being closed, the answer to the request that closes it is given
        again; a new request of the kind looks for itself.
        """
        status = await AccountRepository(self.session).lock_shared_in_any_status(principal)
        if not self.access.while_closing or status.closing_at is None:
            status.require_open(principal)

    async def checkpoint(self) -> None:
        """Make what was done so far lasting, before something that must not go unrecorded."""
        await self._commit()

    async def commit(self, response: Response) -> None:
        """Make the work lasting, and with it the answer that a repeated request will get."""
        if self._claim is not None:
            await IdempotencyRepository(self.session).store(self._claim, response)
        await self._commit()
        self._claim = None

    async def _commit(self) -> None:
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
        """Outside a transaction neither holds a connection: there is nothing to close."""
        if self._session is not None and self._session.in_transaction():
            await asyncio.shield(self._session.close())
        if self._transaction is not None and self._transaction.begun:
            await asyncio.shield(self._transaction.rollback())

    async def refuse(self, error: AppError) -> None:
        """Undo everything, then record the refusal of a write in a transaction of its own."""
        await self.rollback()
        if self.access.action is None or self._caller is None:
            return
        if isinstance(self._caller.principal, UserPrincipal):
            await AccountRepository(self.session).ensure_exists(self._caller.principal)
        await self._release_claim()
        await self.audit().record(
            self.access.action, outcome="refused", code=error.code, **_audited_members(error)
        )
        await self._commit()

    async def abandon(self) -> None:
        """Undo everything after a failure that is ours, or a client that went away."""
        with suppress(SQLAlchemyError, OSError):
            await self.rollback()
            if self._claim is not None:
                await self._release_claim()
                await self.session.commit()

    async def _release_claim(self) -> None:
        if self._claim is not None:
            await IdempotencyRepository(self.session).release(self._claim)
            self._claim = None


def _audited_members(error: AppError) -> dict[str, str]:
    """The members of a problem that an audit entry repeats: short words only."""
    return {
        name: value
        for name, value in error.members.items()
        if name in ("reason", "required") and isinstance(value, str)
    }
