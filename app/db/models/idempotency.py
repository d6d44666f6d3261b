"""Stored responses, so that a repeated write is answered again but not executed again."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import AccountId, Base
from app.db.models.account import NOW


class IdempotencyRecord(Base):
    """A stored response, or the claim of a request that is still running.

    `idempotency_key` and `request_hash` are keyed hashes, since the header and the request may
    contain a secret; `status` is null while the first request runs, and its claim lapses at
    `claimed_until`. `action` is the request's name in the audit log.
    """

    __tablename__ = "idempotency_records"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
        Index("ix_idempotency_records_created_at", "created_at"),
    )

    account_id: Mapped[AccountId]
    idempotency_key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[bytes]
    claimed_until: Mapped[datetime]
    action: Mapped[str | None]
    status: Mapped[int | None]
    headers: Mapped[dict[str, Any] | None]
    body: Mapped[bytes | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
