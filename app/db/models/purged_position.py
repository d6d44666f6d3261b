"""Tombstones of deleted positions."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import AccountId, Base, RowId


class PurgedPosition(Base):
    """A tombstone of a bot's deleted position whose row is gone.

    It identifies a late report without a time. `digest` is the SHA-256 of account, bot and the
    position's id. Anything that began after `purged_at` is another position. It expires after a
    while, and is removed with the bot.

    A purge writes many at once: there is no foreign key to check, since each is made from a row of
    `positions`, which has one.
    """

    __tablename__ = "purged_positions"
    __table_args__ = (
        CheckConstraint("octet_length(digest) = 32", "digest_length"),
        Index("ix_purged_positions_age", "purged_at"),
    )

    account_id: Mapped[AccountId]
    bot_id: Mapped[RowId]
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    purged_at: Mapped[datetime]
