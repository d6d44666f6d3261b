"""Accounts, created on first use."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import AccountId, Base, one_of
from botkeys.exchanges.model import Environment

NOW = text("clock_timestamp()")


class Account(Base):
    """An account. `account_id` is UUIDv5(issuer, subject); both are stored for operators to read.

    `closing_at` is when its closure was requested; nothing new is opened until it is complete.
    Tokens issued before `tokens_from` are invalid: they belong to an account that was closed by
    `closing_operation_id`. `timezone` is an IANA name, for reports by the day. `revision` is the
    ETag.
    """

    __tablename__ = "accounts"
    __table_args__ = (CheckConstraint(one_of("selected_environment", Environment), "environment"),)

    account_id: Mapped[AccountId]
    issuer: Mapped[str]
    subject: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    closing_at: Mapped[datetime | None]
    tokens_from: Mapped[datetime | None]
    closing_operation_id: Mapped[UUID | None]
    selected_environment: Mapped[str] = mapped_column(server_default=Environment.LIVE)
    timezone: Mapped[str] = mapped_column(server_default="UTC")
    revision: Mapped[int] = mapped_column(server_default=text("1"))
