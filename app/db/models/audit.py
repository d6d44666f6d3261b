"""The audit log: rows are only ever added, each chained to the one before it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import AccountId, Base, one_of

OUTCOMES = ("allowed", "refused")
DETAILS_INDEXED = ("key_id", "former_key_id", "bot_id")
"""The members of `details` by which entries are found."""

_ORDER = ("at", "sequence")


class AuditHead(Base):
    """The newest entry of an account's chain. Its row lock is the last of the locking order.

    `seal` is an HMAC over account, `sealed_sequence` and that entry's `mac`. A release that does
    not seal leaves it behind at the entry before its own. The account has no more keys and bots
    than `keys_at_most` and `bots_at_most`, which were counted at `counted_at`: see
    `app.domains.accounts.quotas`.
    """

    __tablename__ = "audit_heads"

    account_id: Mapped[AccountId]
    sequence: Mapped[int]
    mac: Mapped[bytes]
    seal: Mapped[bytes | None]
    sealed_sequence: Mapped[int | None]
    keys_at_most: Mapped[int | None]
    bots_at_most: Mapped[int | None]
    counted_at: Mapped[datetime | None]


class AuditStart(Base):
    """Where a chain begins after older entries were retired; the newest of an account counts.

    `mac` is that of the entry `sequence`, which was the last one retired. `seal` is an HMAC over
    all the other columns.
    """

    __tablename__ = "audit_starts"
    __table_args__ = (ForeignKeyConstraint(["account_id"], ["audit_heads.account_id"]),)

    account_id: Mapped[AccountId]
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    mac: Mapped[bytes]
    before: Mapped[datetime]
    retired_at: Mapped[datetime]
    retired_by: Mapped[str]
    seal: Mapped[bytes]


class AuditEvent(Base):
    """One entry. `mac` is HMAC(audit key, previous mac ‖ this entry); see docs/custody.md.

    `format` tells which members `mac` covers. The table is partitioned by month of `at`: it has no
    primary key, but each partition (in the schema `audit_months`) has this one.
    """

    __tablename__ = "audit_events"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["audit_heads.account_id"]),
        CheckConstraint(one_of("outcome", OUTCOMES), "outcome"),
        # For the filters of the list: each ends with its order.
        # Always true, and so only for the statement that names it.
        Index("ix_audit_events_at", "account_id", *_ORDER, postgresql_where=text("sequence > 0")),
        Index("ix_audit_events_action", "account_id", "action", *_ORDER),
        Index("ix_audit_events_actor_id", "account_id", "actor_id", *_ORDER),
        Index(
            "ix_audit_events_target_id",
            "account_id",
            "target_id",
            *_ORDER,
            postgresql_where=text("target_id IS NOT NULL"),
        ),
        *(
            Index(
                f"ix_audit_events_details_{name}",
                "account_id",
                text(f"(details ->> '{name}')"),
                *_ORDER,
                postgresql_where=text(f"(details ->> '{name}') IS NOT NULL"),
            )
            for name in DETAILS_INDEXED
        ),
    )

    account_id: Mapped[AccountId]
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    id: Mapped[UUID]
    at: Mapped[datetime]
    actor: Mapped[str]
    actor_id: Mapped[str]
    action: Mapped[str]
    outcome: Mapped[str]
    code: Mapped[str | None]
    target: Mapped[str | None]
    target_id: Mapped[str | None]
    environment: Mapped[str | None]
    address: Mapped[str | None]
    request_id: Mapped[str]
    details: Mapped[dict[str, Any]]
    mac: Mapped[bytes]
    format: Mapped[int] = mapped_column(server_default=text("1"))
