"""Freezes, which stop new positions of an account, an exchange or a key."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import AccountId, Base, RowId, one_of
from app.db.models.account import NOW

SCOPES = ("account", "exchange", "key")


class Freeze(Base):
    """A freeze; there is one for each target.

    `exchange` and `key_id` are set if the scope needs them. It is deleted with its key.
    """

    __tablename__ = "freezes"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
        ForeignKeyConstraint(
            ["account_id", "key_id"], ["keys.account_id", "keys.id"], ondelete="CASCADE"
        ),
        UniqueConstraint(
            "account_id", "scope", "exchange", "key_id", postgresql_nulls_not_distinct=True
        ),
        CheckConstraint(one_of("scope", SCOPES), "scope"),
        CheckConstraint("(scope = 'exchange') = (exchange IS NOT NULL)", "exchange_of_scope"),
        CheckConstraint("(scope = 'key') = (key_id IS NOT NULL)", "key_of_scope"),
        Index("ix_freezes_read", "account_id", "scope", "exchange", "key_id", "created_at"),
    )

    account_id: Mapped[AccountId]
    id: Mapped[RowId]
    scope: Mapped[str]
    exchange: Mapped[str | None]
    key_id: Mapped[UUID | None]
    reason: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
