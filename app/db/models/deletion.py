"""Deletion marks, and operations: deletions and imports, which take long."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import AccountId, Base, RowId, one_of
from app.db.models.account import NOW
from botkeys.exchanges.model import Environment

STATUSES = ("queued", "running", "succeeded", "failed", "cancelled")
DELETIONS = ("delete_key_data", "delete_data", "close_account")
IMPORT_TRADES = "import_trades"
KINDS = (*DELETIONS, IMPORT_TRADES)
UNFINISHED = text("status IN ('queued', 'running')")


class DeletionMark(Base):
    """A scope of trading data that is deleted, whether or not its rows are gone yet.

    It covers what happened before `cutoff` in `environment` with `key_id`; null matches any. It
    stays for good, so that no late report restores deleted data; a later deletion of the same scope
    advances the cut-off.
    """

    __tablename__ = "deletion_marks"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
        UniqueConstraint("account_id", "environment", "key_id", postgresql_nulls_not_distinct=True),
        CheckConstraint(one_of("environment", Environment), "environment"),
        Index("ix_deletion_marks_read", "account_id", "environment", "key_id", "cutoff"),
        Index("ix_deletion_marks_key", "account_id", "key_id"),
    )

    account_id: Mapped[AccountId]
    id: Mapped[RowId]
    environment: Mapped[str | None]
    key_id: Mapped[UUID | None]
    cutoff: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class Operation(Base):
    """Long work as a row: any worker claims it, and another takes over when the claim lapses.

    `scope` is what it works on, `receipt` counts its results by kind. `done` and `total` are rows;
    `error` is a sentence of ours.
    """

    __tablename__ = "operations"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
        CheckConstraint(one_of("status", STATUSES), "status"),
        CheckConstraint(one_of("kind", KINDS), "kind"),
        CheckConstraint(one_of("environment", Environment), "environment"),
        CheckConstraint("done >= 0 AND total >= 0", "counts"),
        CheckConstraint("(claim IS NULL) = (claimed_until IS NULL)", "claims_lapse"),
        Index("ix_operations_unfinished", "created_at", postgresql_where=UNFINISHED),
        Index(
            "ix_operations_finished_at",
            "finished_at",
            postgresql_where=text("finished_at IS NOT NULL"),
        ),
        Index("ix_operations_page", "account_id", text("id DESC")),
        # An account has one import at a time.
        Index(
            "uq_operations_importing",
            "account_id",
            unique=True,
            postgresql_where=text("kind = 'import_trades' AND status IN ('queued', 'running')"),
        ),
    )

    account_id: Mapped[AccountId]
    id: Mapped[RowId]
    kind: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="queued")
    phase: Mapped[str | None]
    environment: Mapped[str | None]
    done: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    total: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    scope: Mapped[dict[str, Any]]
    receipt: Mapped[dict[str, Any] | None]
    error: Mapped[str | None]
    cancel_requested: Mapped[bool] = mapped_column(server_default=false())
    claim: Mapped[UUID | None]
    claimed_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    started_at: Mapped[datetime | None]
    last_progress_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
