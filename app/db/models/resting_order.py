"""The orders that a bot has resting at its exchange."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ColumnElement,
    ForeignKeyConstraint,
    Index,
    Text,
    cast,
    func,
    select,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import AccountId, Base, RowId
from app.db.clock import NOW


class RestingOrders(Base):
    """A bot's latest count of its resting orders: `counts[n]` of them on `symbols[n]`.

    They belong to the key that the bot had then, and count until `expires_at`. A report replaces
    the row as a whole. Half of each page is left free, so that a new row version fits beside the
    old one.
    """

    __tablename__ = "resting_orders"
    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "bot_id"], ["bots.account_id", "bots.id"], ondelete="CASCADE"
        ),
        CheckConstraint("cardinality(symbols) = cardinality(counts)", "one_count_each"),
        CheckConstraint("0 < ALL (counts)", "counts_positive"),
        Index("ix_resting_orders_key", "account_id", "key_id"),
        {"postgresql_with": {"fillfactor": 50}},
    )

    account_id: Mapped[AccountId]
    bot_id: Mapped[RowId]
    key_id: Mapped[UUID]
    symbols: Mapped[list[str]] = mapped_column(ARRAY(Text))
    counts: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    expires_at: Mapped[datetime]


def resting(*conditions: ColumnElement[bool], symbol: str | None = None) -> ColumnElement[int]:
    """Return how many orders rest in the rows of these conditions: on the symbol, or in all."""
    unnested = func.unnest(RestingOrders.symbols, RestingOrders.counts)
    orders = unnested.table_valued("symbol", "orders").render_derived()
    count = (
        select(cast(func.coalesce(func.sum(orders.c.orders), 0), BigInteger))
        .select_from(RestingOrders)
        .join(orders, true())
        .where(*conditions, RestingOrders.expires_at > NOW)
    )
    if symbol is not None:
        count = count.where(orders.c.symbol == symbol)
    return count.scalar_subquery()
