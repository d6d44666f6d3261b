"""What a user's import has staged until a worker stores it, and the rows that were refused."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Index, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.schema import SchemaItem

from app.db.base import AccountId, Base, RowId


def _of_operation() -> SchemaItem:
    return ForeignKeyConstraint(
        ["account_id", "import_id"],
        ["operations.account_id", "operations.id"],
        ondelete="CASCADE",
    )


class ImportedRow(Base):
    """A trade of an import, checked and not stored yet. `line` is its place in the file.

    A row of `kind` funding is a payment: `pnl` is its amount, and `closed_at` its time.
    """

    __tablename__ = "import_rows"
    __table_args__ = (
        _of_operation(),
        Index("ix_import_rows_closed_at", "account_id", "import_id", "closed_at", "bot_id", "id"),
    )

    account_id: Mapped[AccountId]
    import_id: Mapped[RowId]
    bot_id: Mapped[RowId]
    id: Mapped[str] = mapped_column(primary_key=True)
    line: Mapped[int]
    contract_type: Mapped[str | None]
    symbol: Mapped[str]
    side: Mapped[str | None]
    quantity: Mapped[Decimal | None] = mapped_column(Numeric)
    entry_price: Mapped[Decimal | None] = mapped_column(Numeric)
    exit_price: Mapped[Decimal | None] = mapped_column(Numeric)
    fees: Mapped[Decimal] = mapped_column(Numeric)
    leverage: Mapped[Decimal | None] = mapped_column(Numeric)
    margin_mode: Mapped[str | None]
    position_id: Mapped[str | None]
    contract_size: Mapped[Decimal | None] = mapped_column(Numeric)
    settle: Mapped[str | None]
    pnl: Mapped[Decimal | None] = mapped_column(Numeric)
    opened_at: Mapped[datetime | None]
    closed_at: Mapped[datetime]
    exit_reason: Mapped[str | None]
    other_fees: Mapped[dict[str, Any] | None]
    kind: Mapped[str] = mapped_column(server_default=text("'trades'"))


class ImportRefusal(Base):
    """A row of an import that was refused, and why; no value of it is kept."""

    __tablename__ = "import_refusals"
    __table_args__ = (_of_operation(),)

    account_id: Mapped[AccountId]
    import_id: Mapped[RowId]
    line: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    code: Mapped[str]
    detail: Mapped[str]
