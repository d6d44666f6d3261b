"""Webhooks, and what became of each event that was sent to one."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKeyConstraint, Index, Text, text, true
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import AccountId, Base, RowId, one_of
from app.db.models.account import NOW

FORMATS = ("standard", "slack", "discord", "ntfy")
DELIVERY_STATUSES = ("pending", "delivered", "failed", "cancelled")
DISABLED_REASONS = ("failing", "gone")


class Webhook(Base):
    """An address that events are sent to.

    `sealed_url` is encrypted: an address may be all that is needed to write to a chat. `sequence`
    is the number of the last event that deliveries were made of; no types stand for all of them.
    Secrets are derived from `secret_version` and not stored; the version before it signs as well
    until `former_secret_until`. `failing_since` is when the first attempt failed after the last
    success.
    """

    __tablename__ = "webhooks"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
        CheckConstraint(one_of("format", FORMATS), "format"),
        CheckConstraint(one_of("disabled_reason", DISABLED_REASONS), "disabled_reason"),
        CheckConstraint("NOT active OR disabled_at IS NULL", "disabled_is_inactive"),
        CheckConstraint("(disabled_at IS NULL) = (disabled_reason IS NULL)", "disabled"),
        Index("ix_webhooks_active", "account_id", postgresql_where=text("active")),
    )

    account_id: Mapped[AccountId]
    id: Mapped[RowId]
    sealed_url: Mapped[bytes]
    types: Mapped[list[str]] = mapped_column(ARRAY(Text))
    format: Mapped[str]
    active: Mapped[bool] = mapped_column(server_default=true())
    secret_version: Mapped[int] = mapped_column(server_default=text("1"))
    former_secret_until: Mapped[datetime | None]
    sequence: Mapped[int]
    failing_since: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)
    revision: Mapped[int] = mapped_column(server_default=text("1"))


class WebhookNews(Base):
    """A note that an account has events, or a webhook, that deliveries are not made of yet.

    Each transaction writes its own row, so that they never wait for each other; a worker that has
    made the deliveries deletes the rows that were there before. It goes with the events' head.
    """

    __tablename__ = "webhook_news"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["event_heads.account_id"], ondelete="CASCADE"),
    )

    account_id: Mapped[AccountId]
    id: Mapped[RowId] = mapped_column(server_default=text("gen_random_uuid()"))


class WebhookDelivery(Base):
    """An event on its way to a webhook. Its body is made when it is sent, from the event itself.

    `event_number` is null for a test, which is no event. A worker that sends it has put its `claim`
    on the row and `next_attempt_at` beyond the time that an attempt takes: if the worker dies,
    another one sends it then.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "webhook_id"],
            ["webhooks.account_id", "webhooks.id"],
            ondelete="CASCADE",
        ),
        CheckConstraint(one_of("status", DELIVERY_STATUSES), "status"),
        CheckConstraint("(status = 'pending') = (next_attempt_at IS NOT NULL)", "pending"),
        CheckConstraint("(status = 'pending') = (finished_at IS NULL)", "finished"),
        Index("ix_webhook_deliveries_of_webhook", "account_id", "webhook_id", text("id DESC")),
        Index(
            "uq_webhook_deliveries_event",
            "account_id",
            "webhook_id",
            "event_number",
            unique=True,
            postgresql_where=text("event_number IS NOT NULL AND replay_of IS NULL"),
        ),
        Index(
            "ix_webhook_deliveries_due",
            "next_attempt_at",
            postgresql_where=text("status = 'pending'"),
        ),
        Index("ix_webhook_deliveries_age", "status", "created_at"),
    )

    account_id: Mapped[AccountId]
    id: Mapped[RowId]
    webhook_id: Mapped[UUID]
    event_number: Mapped[int | None]
    type: Mapped[str]
    replay_of: Mapped[UUID | None]
    status: Mapped[str] = mapped_column(server_default="pending")
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_attempt_at: Mapped[datetime | None]
    claim: Mapped[UUID | None]
    last_attempt_at: Mapped[datetime | None]
    response_status: Mapped[int | None]
    error: Mapped[str | None]
    duration_ms: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    finished_at: Mapped[datetime | None]
