"""Writes the audit log, in the transaction that an entry tells of."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.entry import GENESIS, Entry, link
from app.db.base import new_id
from app.db.models import AuditEvent, AuditHead
from app.edge.caller import Caller
from app.vault.boxes import SecretBytes


class AuditLog:
    """The log of the caller's account. `record` takes the last lock of the order: call it last."""

    def __init__(
        self,
        session: AsyncSession,
        hmac_key: SecretBytes,
        caller: Caller,
        ids: Callable[[], UUID] = new_id,
    ) -> None:
        self._session = session
        self._key = hmac_key
        self._caller = caller
        self._ids = ids

    async def record(
        self,
        action: str,
        *,
        outcome: str = "allowed",
        code: str | None = None,
        target: str | None = None,
        target_id: UUID | str | None = None,
        environment: str | None = None,
        **details: Any,
    ) -> None:
        account_id = self._caller.account_id
        head = (
            select(AuditHead.sequence, AuditHead.mac)
            .where(AuditHead.account_id == account_id)
            .with_for_update()
        )
        row = (await self._session.execute(head)).one_or_none()
        if row is None:
            first = upsert(AuditHead).values(account_id=account_id, sequence=0, mac=GENESIS)
            await self._session.execute(first.on_conflict_do_nothing())
            row = (await self._session.execute(head)).one()
        now = (await self._session.execute(select(func.clock_timestamp()))).scalar_one()
        entry = Entry(
            account_id=account_id,
            sequence=row.sequence + 1,
            id=self._ids(),
            at=now.astimezone(UTC),
            actor=self._caller.kind,
            actor_id=self._caller.name,
            action=action,
            outcome=outcome,
            code=code,
            target=target,
            target_id=None if target_id is None else str(target_id),
            environment=environment,
            address=self._caller.address,
            request_id=self._caller.request_id,
            details=details,
        )
        mac = link(self._key.reveal(), row.mac, entry)
        await self._session.execute(insert(AuditEvent).values(**asdict(entry), mac=mac))
        await self._session.execute(
            update(AuditHead)
            .where(AuditHead.account_id == account_id)
            .values(sequence=entry.sequence, mac=mac)
        )
