"""Positions as reported by bots."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKeyConstraint,
    FromClause,
    Index,
    Numeric,
    func,
    or_,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db import clock
from app.db.base import AccountId, Base, RowId, one_of
from app.db.models.account import NOW
from botkeys.exchanges.model import ContractKind, Environment, MarginMode

STATUSES = ("opening", "open", "closed")
SIDES = ("long", "short")
CLOSE_REASONS = ("reported", "by_hand", "lapsed")
_NEWEST = (text("created_at DESC"), text("bot_id DESC"), text("id DESC"))
_NEWEST_OF_BOT = (_NEWEST[0], _NEWEST[2])
_HELD = text("status IN ('opening', 'open')")


class Position(Base):
    """A position. `id` is the bot's own identifier for it.

    `opening` is a reservation valid until `expires_at`; after that it counts as closed. The row
    outlives its bot and its key, and keeps the exchange, environment and contract type that its key
    had. `revision` is the bot's own count of its reports. `locks_key` is false for a position that
    its bot reported as open when it had long lost the key: it stands in the way of that bot only.
    The partial indexes answer how many positions hold the key of a bot, a key, or a symbol.
    """

    __tablename__ = "positions"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
        CheckConstraint(one_of("status", STATUSES), "status"),
        CheckConstraint(one_of("side", SIDES), "side"),
        CheckConstraint(one_of("environment", Environment), "environment"),
        CheckConstraint(one_of("contract_type", ContractKind), "contract_type"),
        CheckConstraint(one_of("margin_mode", MarginMode), "margin_mode"),
        CheckConstraint("(status = 'opening') = (expires_at IS NOT NULL)", "only_openings_expire"),
        CheckConstraint("(status = 'closed') = (close_reason IS NOT NULL)", "closed_for_a_reason"),
        CheckConstraint(one_of("close_reason", CLOSE_REASONS), "close_reason"),
        CheckConstraint("quantity >= 0", "quantity_not_negative"),
        Index("ix_positions_held", "account_id", "bot_id", postgresql_where=_HELD),
        # Without the time, so that a renewal of an opening changes no index.
        Index(
            "ix_positions_opening",
            "account_id",
            "bot_id",
            postgresql_where=text("status = 'opening'"),
        ),
        Index("ix_positions_held_by_key", "account_id", "key_id", "symbol", postgresql_where=_HELD),
        Index("ix_positions_page", "account_id", "environment", *_NEWEST),
        Index("ix_positions_of_key", "account_id", "key_id", "environment", *_NEWEST),
        Index("ix_positions_of_bot", "account_id", "bot_id", "environment", *_NEWEST_OF_BOT),
        Index("ix_positions_of_symbol", "account_id", "environment", "symbol", *_NEWEST),
    )

    account_id: Mapped[AccountId]
    bot_id: Mapped[RowId]
    id: Mapped[str] = mapped_column(primary_key=True)
    key_id: Mapped[UUID]
    exchange: Mapped[str]
    environment: Mapped[str]
    contract_type: Mapped[str]
    symbol: Mapped[str]
    side: Mapped[str]
    status: Mapped[str]
    quantity: Mapped[Decimal] = mapped_column(Numeric)
    locks_key: Mapped[bool] = mapped_column(server_default=true())
    margin_mode: Mapped[str | None]
    leverage: Mapped[Decimal | None] = mapped_column(Numeric)
    entry_price: Mapped[Decimal | None] = mapped_column(Numeric)
    exit_price: Mapped[Decimal | None] = mapped_column(Numeric)
    fees: Mapped[Decimal | None] = mapped_column(Numeric)
    revision: Mapped[int | None]
    opened_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    close_reason: Mapped[str | None]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)


def held() -> ColumnElement[bool]:
    """Return the condition for positions that their bot holds: open ones, and openings that have
    not lapsed.
    """
    return or_(
        Position.status == "open",
        (Position.status == "opening") & (Position.expires_at > clock.NOW),
    )


def locking() -> ColumnElement[bool]:
    """Return the condition for positions that lock their key, its contract type and its assets."""
    return held() & Position.locks_key


def happened(rows: FromClause) -> ColumnElement[datetime]:
    """Return when a position that is not held ended, for comparison with a deletion's cut-off.

    `rows` are the rows of the table. Marking an opening as lapsed does not change the result.
    """
    return func.coalesce(rows.c.closed_at, rows.c.expires_at, rows.c.updated_at)
