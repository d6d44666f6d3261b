"""Accounts, made on first use."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import AccountId, Base

NOW = text("clock_timestamp()")


class Account(Base):
    """`account_id` is UUIDv5(issuer, subject): the two are kept for the people who operate it.

    `closing_at` is when its closure was asked for; until it is done nothing new is opened.
    """

    __tablename__ = "accounts"

    account_id: Mapped[AccountId]
    issuer: Mapped[str]
    subject: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    closing_at: Mapped[datetime | None]
