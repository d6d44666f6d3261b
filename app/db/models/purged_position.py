"""What is remembered of positions that were deleted."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import AccountId, Base, RowId


class PurgedPosition(Base):
    """That a bot had a position which was deleted and whose row is gone: a late report that tells
    no time is known by it. `digest` is the SHA-256 of account, bot and the position's id. What
    began after `purged_at` is another position. Forgotten after a while, and with the bot.

    A purge writes many at once: the index by age costs it nothing, and there is no foreign key to
    look after, since each is made of a row of `positions`, which has one.
    """

    __tablename__ = "purged_positions"
    __table_args__ = (
        CheckConstraint("octet_length(digest) = 32", "digest_length"),
        Index("ix_purged_positions_purged_at", "purged_at", postgresql_using="brin"),
    )

    account_id: Mapped[AccountId]
    bot_id: Mapped[RowId]
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    purged_at: Mapped[datetime]
