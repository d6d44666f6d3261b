"""Events of bots, reported by the bot or recorded by the service."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import AccountId, Base, RowId, one_of
from app.db.models.account import NOW
from botkeys.exchanges.model import ContractKind, Environment

LEVELS = ("info", "warning", "error")
_NEWEST = (text("at DESC"), text("id DESC"))


class BotEvent(Base):
    """An event of a bot. `key_id` references no row: an event outlives its key and its bot.

    An event of a key without a bot names no bot. `reported_id` is the bot's own id, for events that
    it reported itself.
    """

    __tablename__ = "bot_events"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
        UniqueConstraint("account_id", "bot_id", "reported_id"),
        CheckConstraint(one_of("level", LEVELS), "level"),
        CheckConstraint(one_of("contract_type", ContractKind), "contract_type"),
        CheckConstraint(one_of("environment", Environment), "environment"),
        Index("ix_bot_events_page", "account_id", "environment", *_NEWEST),
        Index("ix_bot_events_of_key", "account_id", "key_id", "environment", *_NEWEST),
        Index("ix_bot_events_of_bot", "account_id", "bot_id", "environment", *_NEWEST),
        Index("ix_bot_events_of_kind", "account_id", "environment", "kind", *_NEWEST),
        Index("ix_bot_events_of_level", "account_id", "environment", "level", *_NEWEST),
    )

    account_id: Mapped[AccountId]
    id: Mapped[RowId]
    bot_id: Mapped[UUID | None]
    key_id: Mapped[UUID | None]
    environment: Mapped[str | None]
    exchange: Mapped[str | None]
    contract_type: Mapped[str | None]
    reported_id: Mapped[str | None]
    kind: Mapped[str]
    level: Mapped[str]
    message: Mapped[str]
    data: Mapped[dict[str, Any] | None]
    at: Mapped[datetime] = mapped_column(server_default=NOW)
