"""Releases of credentials to bots, which the hourly limit counts."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import AccountId, Base, RowId
from app.db.models.account import NOW


class Release(Base):
    """One release. `address` is where the bot called from."""

    __tablename__ = "releases"
    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "bot_id"], ["bots.account_id", "bots.id"], ondelete="CASCADE"
        ),
        Index("ix_releases_recent", "account_id", "bot_id", text("at DESC")),
        Index("ix_releases_of_key", "account_id", "key_id", "at", "id"),
        Index("ix_releases_at", "at"),
    )

    account_id: Mapped[AccountId]
    id: Mapped[RowId]
    bot_id: Mapped[UUID]
    key_id: Mapped[UUID]
    version: Mapped[int]
    suite: Mapped[str]
    address: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=NOW)
