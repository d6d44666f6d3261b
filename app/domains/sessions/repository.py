"""The SQL of sessions. Every statement names the account."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import AnyRow
from app.db.clock import NOW
from app.db.models import DashboardSession
from app.domains.sessions.lifetimes import NOTED, SessionTimes
from app.domains.sessions.visitor import Visitor

AFTER_CLOSURE = timedelta(hours=1)
"""How long the session that closed its account can still be used to watch the closure."""


class SessionRepository:
    """The sessions of one account."""

    def __init__(self, *, session: AsyncSession, account_id: UUID, times: SessionTimes) -> None:
        self._session = session
        self._account_id = account_id
        self._times = times

    async def page(self, after: UUID | None, limit: int) -> list[AnyRow]:
        """Return up to `limit` live sessions that come after the id `after`, newest first."""
        query = (
            select(
                DashboardSession.id,
                DashboardSession.created_at,
                DashboardSession.last_used_at,
                DashboardSession.expires_at,
                DashboardSession.address,
                DashboardSession.user_agent,
            )
            .where(*self._live())
            .order_by(DashboardSession.id.desc())
            .limit(limit)
        )
        if after is not None:
            query = query.where(DashboardSession.id < after)
        return list((await self._session.execute(query)).all())

    async def add(
        self,
        session_id: UUID,
        *,
        secret_hash: bytes,
        proof: bytes,
        evidence: bytes | None,
        lifetime: timedelta,
        visitor: Visitor,
    ) -> bool:
        """Add a session; return `False` if another was opened with the same proof."""
        new = (
            insert(DashboardSession)
            .values(
                account_id=self._account_id,
                id=session_id,
                secret_hash=secret_hash,
                proof=proof,
                evidence=evidence,
                expires_at=NOW + lifetime,
                address=visitor.address,
                user_agent=visitor.user_agent,
            )
            .on_conflict_do_nothing(index_elements=["account_id", "proof"])
            .returning(DashboardSession.id)
        )
        return await self._session.scalar(new) is not None

    async def end(self, *which: ColumnElement[bool]) -> list[UUID]:
        """End live sessions, all of them without a condition; return which."""
        ended = (
            update(DashboardSession)
            .where(*self._live(), *which)
            .values(ended_at=NOW)
            .returning(DashboardSession.id)
            .execution_options(synchronize_session=False)
        )
        return list(await self._session.scalars(ended))

    async def end_one(self, session_id: UUID) -> bool:
        return bool(await self.end(DashboardSession.id == session_id))

    async def end_others(self, but: UUID | None) -> list[UUID]:
        """End all sessions but this one."""
        return await self.end(*(() if but is None else (DashboardSession.id != but,)))

    async def end_beyond(self, most: int) -> list[UUID]:
        """End all but the newest `most` sessions."""
        newest_first = select(DashboardSession.id).where(*self._live())
        older = newest_first.order_by(DashboardSession.id.desc()).offset(most)
        return await self.end(DashboardSession.id.in_(older))

    async def leave_only(self, but: UUID | None) -> None:
        """Delete all sessions of an account that is being closed but the one that closes it.

        That one shows how the closure goes on, for an hour at most, and keeps no address.
        """
        mine = DashboardSession.account_id == self._account_id
        others = (mine,) if but is None else (mine, DashboardSession.id != but)
        await self._session.execute(
            delete(DashboardSession).where(*others).execution_options(synchronize_session=False)
        )
        await self._session.execute(
            update(DashboardSession)
            .where(mine)
            .values(
                expires_at=func.least(DashboardSession.expires_at, NOW + AFTER_CLOSURE),
                address="",
                user_agent=None,
            )
            .execution_options(synchronize_session=False)
        )

    def _live(self) -> tuple[ColumnElement[bool], ...]:
        return (
            DashboardSession.account_id == self._account_id,
            DashboardSession.ended_at.is_(None),
            DashboardSession.expires_at > NOW,
            DashboardSession.last_used_at > NOW - (self._times.idle + NOTED),
        )
