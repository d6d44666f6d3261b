"""Bots, their tokens and their presence."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import AccountId, Base, RowId
from app.db.models.account import NOW


class Bot(Base):
    """A bot. The unique (account, key) enforces "one bot per key"; the foreign key enforces
    that an assigned key cannot be deleted.
    """

    __tablename__ = "bots"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
        ForeignKeyConstraint(["account_id", "key_id"], ["keys.account_id", "keys.id"]),
        UniqueConstraint("account_id", "key_id"),
        CheckConstraint("revision >= 1", "counted_from_one"),
        Index("ix_bots_page", "account_id", text("id DESC")),
        # With the collation "C", which is not compared with the migrations.
        Index("ix_bots_name", "account_id", text("lower(name)"), "id"),
        Index("ix_bots_created_at", "account_id", "created_at", "id"),
    )

    account_id: Mapped[AccountId]
    id: Mapped[RowId]
    name: Mapped[str]
    paused: Mapped[bool] = mapped_column(server_default=false())
    key_id: Mapped[UUID | None]
    revision: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)


class BotToken(Base):
    """A keyed hash of a bot's one token; only the role `runtime` can create or check one."""

    __tablename__ = "bot_tokens"
    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "bot_id"], ["bots.account_id", "bots.id"], ondelete="CASCADE"
        ),
        CheckConstraint("octet_length(token_hash) = 32", "hash_length"),
    )

    account_id: Mapped[AccountId]
    bot_id: Mapped[RowId]
    token_hash: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class Assignment(Base):
    """A record that a bot has or once had a key, which its late reports may still name.

    `ended_at` is when the bot last lost the key.
    """

    __tablename__ = "assignments"
    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "bot_id"], ["bots.account_id", "bots.id"], ondelete="CASCADE"
        ),
        Index("ix_assignments_key", "account_id", "key_id"),
    )

    account_id: Mapped[AccountId]
    bot_id: Mapped[RowId]
    key_id: Mapped[UUID] = mapped_column(primary_key=True)
    first_at: Mapped[datetime] = mapped_column(server_default=NOW)
    ended_at: Mapped[datetime | None]


class Presence(Base):
    """When a bot last sent a heartbeat, in a row of its own: heartbeats never touch the bot's.

    `announced_online` is what the bot's latest event stated. Half of each page is left free, so
    that a heartbeat's new row version fits beside the old one and no index changes.
    """

    __tablename__ = "presence"
    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "bot_id"], ["bots.account_id", "bots.id"], ondelete="CASCADE"
        ),
        Index(
            "ix_presence_online", "account_id", "bot_id", postgresql_where=text("announced_online")
        ),
        {"postgresql_with": {"fillfactor": 50}},
    )

    account_id: Mapped[AccountId]
    bot_id: Mapped[RowId]
    last_heartbeat_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    announced_online: Mapped[bool] = mapped_column(server_default=false())
