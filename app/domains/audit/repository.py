"""Reads the audit log. Every statement names the account."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import AnyRow
from app.db.models import AuditEvent


class AuditRepository:
    def __init__(self, *, session: AsyncSession, account_id: UUID) -> None:
        self._session = session
        self._account_id = account_id

    async def page(self, before: int | None, limit: int) -> list[AnyRow]:
        """Return up to `limit` entries older than the sequence number `before`, newest first."""
        columns = [
            column
            for column in AuditEvent.__table__.columns
            if column.name not in {"account_id", "mac", "format"}
        ]
        query = (
            select(*columns)
            .where(AuditEvent.account_id == self._account_id)
            .order_by(AuditEvent.sequence.desc())
            .limit(limit)
        )
        if before is not None:
            query = query.where(AuditEvent.sequence < before)
        return list((await self._session.execute(query)).all())
