"""Events: what happened in an account, numbered in the order of the commits."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, false, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import AccountId, Base, one_of
from botkeys.exchanges.model import Environment

_NEWEST = text("id DESC")


class EventHead(Base):
    """The number of an account's newest event. Who adds an event holds this row to the commit.

    `watched`: a webhook waits for the account's events, so `WebhookNews` are written with them.

    Its lock is the last of the locking order: nothing is waited for while it is held, except by
    a statement that takes the heads of several accounts, in the order of their ids.
    """

    __tablename__ = "event_heads"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
        {"postgresql_with": {"fillfactor": 50}},
    )

    account_id: Mapped[AccountId]
    sequence: Mapped[int]
    watched: Mapped[bool] = mapped_column(server_default=false())


class Event(Base):
    """An event. `id` is its number: an event that is committed later has a higher one.

    Rows are only ever added. `key_id` and `bot_id` reference no row: an event outlives both.
    """

    __tablename__ = "events"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
        CheckConstraint(one_of("environment", Environment), "environment"),
        Index("ix_events_of_type", "account_id", "type", _NEWEST),
        Index("ix_events_of_key", "account_id", "key_id", _NEWEST),
        Index("ix_events_of_bot", "account_id", "bot_id", _NEWEST),
        Index("ix_events_age", "at"),
    )

    account_id: Mapped[AccountId]
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    type: Mapped[str]
    at: Mapped[datetime]
    environment: Mapped[str | None]
    key_id: Mapped[UUID | None]
    bot_id: Mapped[UUID | None]
    data: Mapped[dict[str, Any]]
