"""Positions, as the bots report them."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import AccountId, Base, RowId, one_of
from app.db.models.account import NOW
from app.exchanges.model import ContractType, Environment, MarginMode

STATUSES = ("opening", "open", "closed")
SIDES = ("long", "short")


class Position(Base):
    """`id` is the bot's own name for it. `opening` is a reservation that holds until `expires_at`;
    one past it counts as closed. It outlives its bot and its key. The partial index answers how
    many hold the key of a bot.
    """

    __tablename__ = "positions"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
        CheckConstraint(one_of("status", STATUSES), "status"),
        CheckConstraint(one_of("side", SIDES), "side"),
        CheckConstraint(one_of("environment", Environment), "environment"),
        CheckConstraint(one_of("contract_type", ContractType), "contract_type"),
        CheckConstraint(one_of("margin_mode", MarginMode), "margin_mode"),
        CheckConstraint("(status = 'opening') = (expires_at IS NOT NULL)", "only_openings_expire"),
        Index(
            "ix_positions_held",
            "account_id",
            "bot_id",
            postgresql_where=text("status IN ('opening', 'open')"),
        ),
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
    margin_mode: Mapped[str | None]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)
