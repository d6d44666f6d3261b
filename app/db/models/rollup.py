"""Daily totals of trades, stored so that no request has to add up a million of them."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKeyConstraint,
    Index,
    Numeric,
    Text,
    Uuid,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import AccountId, Base, one_of
from app.db.models.account import NOW
from botkeys.exchanges.model import Environment

BY_KEY, BY_BOT, BY_SYMBOL = 1, 2, 4
"""Bits of a scope: whose trades a row adds up. 0 is the whole environment, 7 the finest."""

SCOPES = BY_KEY | BY_BOT | BY_SYMBOL
_Environment = Annotated[str, mapped_column(Text, primary_key=True, sort_order=-1)]
_Amount = Annotated[Decimal, mapped_column(Numeric)]
_Part = Annotated[UUID, mapped_column(Uuid, primary_key=True, sort_order=-1)]
_Name = Annotated[str, mapped_column(Text, primary_key=True, sort_order=-1)]
_Day = Annotated[date, mapped_column(Date, primary_key=True, sort_order=-1)]


class TradeDay(Base):
    """All trades and funding of one UTC day, one scope and one settle asset.

    `pnl` is net: it includes `funding`, which is no trade. `other_fees` maps other assets onto the
    sums of what was charged in them, as text; null if there are none.

    Trades that a deletion mark covered when the row was recomputed are left out. Columns outside
    the scope hold the zero UUID or are empty; so is the settle asset of trades whose contract was
    unknown, for which only the count is meaningful.

    `held` is in seconds, of the trades whose opening is known; `untimed` counts the others. The
    day's curve begins at 0: `high` and `low` are its extremes including that beginning, `drawdown`
    its largest fall; each with its first time, null for the beginning.
    """

    __tablename__ = "trade_days"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
        CheckConstraint(one_of("environment", Environment), "environment"),
        CheckConstraint(f"scope BETWEEN 0 AND {SCOPES}", "scope"),
        Index("ix_trade_days_of_day", "account_id", "environment", "day"),
    )

    account_id: Mapped[AccountId]
    environment: Mapped[_Environment]
    scope: Mapped[int] = mapped_column(primary_key=True, sort_order=-1, autoincrement=False)
    key_id: Mapped[_Part]
    bot_id: Mapped[_Part]
    symbol: Mapped[_Name]
    settle: Mapped[_Name]
    day: Mapped[_Day]
    trades: Mapped[int] = mapped_column(BigInteger)
    wins: Mapped[int] = mapped_column(BigInteger)
    losses: Mapped[int] = mapped_column(BigInteger)
    pnl: Mapped[_Amount]
    funding: Mapped[Decimal] = mapped_column(Numeric, server_default=text("0"))
    gross_profit: Mapped[_Amount]
    gross_loss: Mapped[_Amount]
    fees: Mapped[_Amount]
    held: Mapped[Decimal | None] = mapped_column(Numeric)
    first_opened: Mapped[datetime | None]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    high: Mapped[_Amount]
    high_at: Mapped[datetime | None]
    low: Mapped[_Amount]
    low_at: Mapped[datetime | None]
    drawdown: Mapped[_Amount]
    peak_at: Mapped[datetime | None]
    trough_at: Mapped[datetime | None]
    untimed: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    other_fees: Mapped[dict[str, Any] | None]


class StaleDay(Base):
    """A UTC day whose trades changed after its `trade_days` were computed, so these are invalid.

    Each batch writes its own rows, so that batches never wait for each other. The recomputation
    deletes the rows that it saw before it reads the trades.
    """

    __tablename__ = "stale_days"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
        CheckConstraint(one_of("environment", Environment), "environment"),
        Index("ix_stale_days_marked_at", "marked_at"),
        Index("ix_stale_days_of_day", "day", "marked_at"),
    )

    account_id: Mapped[AccountId]
    environment: Mapped[_Environment]
    day: Mapped[_Day]
    id: Mapped[UUID] = mapped_column(
        primary_key=True, sort_order=-1, server_default=text("gen_random_uuid()")
    )
    marked_at: Mapped[datetime] = mapped_column(server_default=NOW)
