"""Verifies the chain of an account's audit log against its head, link by link."""

import hmac
from dataclasses import fields
from datetime import UTC
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import AuditEvent, AuditHead
from app.domains.audit.entry import GENESIS, Entry, link
from botkeys.sealing.boxes import SecretBytes

_BATCH = 1000
_FIELDS = [field.name for field in fields(Entry)]


async def broken_at(session: AsyncSession, hmac_key: SecretBytes, account_id: UUID) -> int | None:
    """Return the sequence number of the first missing or altered entry; `None` if all are intact.

    Removing the newest entries is detected too: the head states how many there were.
    """
    head = (
        await session.execute(
            select(AuditHead.sequence, AuditHead.mac).where(AuditHead.account_id == account_id)
        )
    ).one_or_none()
    sequence, mac = 0, GENESIS
    while True:
        rows = (
            await session.execute(
                select(AuditEvent.__table__)
                .where(AuditEvent.account_id == account_id, AuditEvent.sequence > sequence)
                .order_by(AuditEvent.sequence)
                .limit(_BATCH)
            )
        ).all()
        for row in rows:
            values = {name: getattr(row, name) for name in _FIELDS}
            values["at"] = values["at"].astimezone(UTC)
            mac = link(hmac_key.reveal(), mac, Entry(**values))
            if row.sequence != sequence + 1 or not hmac.compare_digest(mac, row.mac):
                return sequence + 1
            sequence += 1
        if len(rows) < _BATCH:
            break
    if head is None:
        return None if sequence == 0 else 1
    if head.sequence != sequence or not hmac.compare_digest(mac, head.mac):
        return sequence + 1 if head.sequence > sequence else sequence
    return None
