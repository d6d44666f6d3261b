"""What bots report: trades, funding, equity snapshots and signals, one table each."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Numeric, text
from sqlalchemy.orm import Mapped, declared_attr, mapped_column
from sqlalchemy.schema import SchemaItem

from app.db.base import AccountId, Base, RowId, one_of
from app.db.models.account import NOW
from app.db.models.position import SIDES
from botkeys.exchanges.model import ContractKind, ContractType, Environment, MarginMode

DIRECTIONS = ("long", "short", "flat")
IMPORTS_MAY_LACK = ("side", "quantity", "entry_price", "exit_price", "opened_at")
NOBODY = UUID(int=0)
"""The `bot_id` of imported rows that belong to no bot."""


class _Reported:
    """The columns that all reports share. `id` is the bot's own; a repeated report is stored once.

    Exchange, environment and contract type are the key's at that time; like bot and key they
    reference no row, since reports outlive both. The indexes serve the filters of a list, newest
    first.
    """

    __time__ = "at"
    __symbols__ = False
    __contracts__: Iterable[str] = ContractType

    account_id: Mapped[AccountId]
    bot_id: Mapped[RowId]
    id: Mapped[str] = mapped_column(primary_key=True, sort_order=-1)
    key_id: Mapped[UUID] = mapped_column(sort_order=-1)
    exchange: Mapped[str] = mapped_column(sort_order=-1)
    environment: Mapped[str] = mapped_column(sort_order=-1)
    contract_type: Mapped[str] = mapped_column(sort_order=-1)
    stored_at: Mapped[datetime] = mapped_column(server_default=NOW, sort_order=1)

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[SchemaItem, ...]:
        name = cls.__tablename__  # type: ignore[attr-defined]  # every table with this mixin has one
        newest = (text(f"{cls.__time__} DESC"), text("bot_id DESC"), text("id DESC"))
        indexes = [
            Index(f"ix_{name}_page", "account_id", "environment", *newest),
            Index(f"ix_{name}_of_key", "account_id", "key_id", "environment", *newest),
            Index(f"ix_{name}_of_bot", "account_id", "bot_id", "environment", newest[0], newest[2]),
        ]
        if cls.__symbols__:
            indexes.append(
                Index(f"ix_{name}_of_symbol", "account_id", "environment", "symbol", *newest)
            )
        return (
            ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
            CheckConstraint(one_of("environment", Environment), "environment"),
            CheckConstraint(one_of("contract_type", cls.__contracts__), "contract_type"),
            *cls._more(),
            *indexes,
        )

    @classmethod
    def _more(cls) -> tuple[SchemaItem, ...]:
        return ()


class Trade(_Reported, Base):
    """A completed round trip. `pnl` is net of `fees`, in the settle asset.

    `other_fees` maps other assets onto what was charged in them, as text; all of it if the settle
    asset is unknown and the bot named the assets. Null if there is none.

    `contract_type`, `contract_size` and `settle` are those it was computed with. P&L, size and
    settle asset are null if the contract is unknown; they are never guessed. `contract_type` then
    is what the bot stated, if anything. A row with an `import_id` was brought by a user: what the
    format of that import lacks is null.
    """

    __tablename__ = "trades"
    __time__ = "closed_at"
    __symbols__ = True
    __contracts__ = ContractKind

    contract_type: Mapped[str | None] = mapped_column(sort_order=-1)  # type: ignore[assignment]
    symbol: Mapped[str]
    side: Mapped[str | None]
    quantity: Mapped[Decimal | None] = mapped_column(Numeric)
    entry_price: Mapped[Decimal | None] = mapped_column(Numeric)
    exit_price: Mapped[Decimal | None] = mapped_column(Numeric)
    fees: Mapped[Decimal] = mapped_column(Numeric)
    other_fees: Mapped[dict[str, Any] | None] = mapped_column(sort_order=3)
    leverage: Mapped[Decimal | None] = mapped_column(Numeric)
    margin_mode: Mapped[str | None]
    position_id: Mapped[str | None]
    contract_size: Mapped[Decimal | None] = mapped_column(Numeric)
    settle: Mapped[str | None]
    pnl: Mapped[Decimal | None] = mapped_column(Numeric)
    opened_at: Mapped[datetime | None]
    closed_at: Mapped[datetime]
    exit_reason: Mapped[str | None]
    import_id: Mapped[UUID | None] = mapped_column(sort_order=2)

    @classmethod
    def _more(cls) -> tuple[SchemaItem, ...]:
        return (
            CheckConstraint(one_of("side", SIDES), "side"),
            CheckConstraint(one_of("margin_mode", MarginMode), "margin_mode"),
            CheckConstraint(
                "(pnl IS NULL) = (settle IS NULL)"
                " AND (import_id IS NOT NULL OR (pnl IS NULL) = (contract_size IS NULL))",
                "pnl_of_a_known_contract",
            ),
            CheckConstraint(
                "import_id IS NOT NULL OR "
                + " AND ".join(f"{column} IS NOT NULL" for column in IMPORTS_MAY_LACK),
                "whole_unless_imported",
            ),
        )


class Funding(_Reported, Base):
    """A funding payment of a perpetual: positive if received, negative if paid.

    A row with an `import_id` was brought by a user.
    """

    __tablename__ = "funding"
    __symbols__ = True
    __contracts__ = ContractKind

    at: Mapped[datetime]
    symbol: Mapped[str]
    amount: Mapped[Decimal] = mapped_column(Numeric)
    settle: Mapped[str]
    import_id: Mapped[UUID | None] = mapped_column(sort_order=2)


class EquitySnapshot(_Reported, Base):
    """The value of the exchange account. `reset`: test funds were claimed again just before."""

    __tablename__ = "equity_snapshots"

    at: Mapped[datetime]
    equity: Mapped[Decimal] = mapped_column(Numeric)
    balance: Mapped[Decimal | None] = mapped_column(Numeric)
    unrealised_pnl: Mapped[Decimal | None] = mapped_column(Numeric)
    settle: Mapped[str]
    reset: Mapped[bool]

    @classmethod
    def _more(cls) -> tuple[SchemaItem, ...]:
        """Return an index of each key and asset with data, and one that finds the resets."""
        series = ("account_id", "environment", "key_id", "settle", "bot_id")
        resets = ("account_id", "environment", "at")
        return (
            Index("ix_equity_snapshots_series", *series),
            Index("ix_equity_snapshots_resets", *resets, postgresql_where=text("reset")),
        )


class Signal(_Reported, Base):
    """A strategy's signal, and whether the bot acted on it."""

    __tablename__ = "signals"
    __symbols__ = True

    at: Mapped[datetime]
    symbol: Mapped[str]
    name: Mapped[str]
    direction: Mapped[str]
    score: Mapped[Decimal | None] = mapped_column(Numeric)
    acted: Mapped[bool | None]
    data: Mapped[dict[str, Any] | None]

    @classmethod
    def _more(cls) -> tuple[SchemaItem, ...]:
        return (CheckConstraint(one_of("direction", DIRECTIONS), "direction"),)
