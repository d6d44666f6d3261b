"""The instruments that a bot may trade with a key, with leverage and margin mode."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import AccountId, Base, RowId, one_of
from app.db.models.account import NOW
from botkeys.exchanges.model import ContractType, MarginMode


class TradingAsset(Base):
    """A trading asset of one contract type of a key; switching the key keeps the other type's.

    `leverage` is null if the exchange has none to set. `symbol` is the exchange's own and names a
    row of the catalogue without a foreign key, since that table belongs to no account.
    """

    __tablename__ = "trading_assets"
    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "key_id"], ["keys.account_id", "keys.id"], ondelete="CASCADE"
        ),
        CheckConstraint(one_of("contract_type", ContractType), "contract_type"),
        CheckConstraint(one_of("margin_mode", MarginMode), "margin_mode"),
        CheckConstraint("leverage > 0", "leverage_positive"),
        CheckConstraint("revision >= 1", "counted_from_one"),
    )

    account_id: Mapped[AccountId]
    key_id: Mapped[RowId]
    contract_type: Mapped[str] = mapped_column(primary_key=True)
    symbol: Mapped[str] = mapped_column(primary_key=True)
    leverage: Mapped[Decimal | None] = mapped_column(Numeric)
    margin_mode: Mapped[str]
    enabled: Mapped[bool]
    revision: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)
