"""Answers kept so that a repeated write is answered once more, not done once more."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import AccountId, Base
from app.db.models.account import NOW


class IdempotencyRecord(Base):
    """`idempotency_key` and `request_hash` are keyed hashes, since the header and the request may
    hold a secret; `status` is null while the first request runs, and its claim lapses at
    `claimed_until`. `action` is what the audit log calls the request.
    """

    __tablename__ = "idempotency_records"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
        Index("ix_idempotency_records_age", "account_id", "created_at"),
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
