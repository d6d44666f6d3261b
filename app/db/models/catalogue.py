"""What the exchanges list. It belongs to no account, and no foreign key points here."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, Numeric, Text, false
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, one_of
from botkeys.exchanges.model import ContractType, Environment


class _OfCatalogue:
    """The four words that identify a catalogue. `region` is empty if the exchange has none."""

    exchange: Mapped[str] = mapped_column(primary_key=True, sort_order=-1)
    environment: Mapped[str] = mapped_column(primary_key=True, sort_order=-1)
    region: Mapped[str] = mapped_column(primary_key=True, sort_order=-1)
    contract_type: Mapped[str] = mapped_column(primary_key=True, sort_order=-1)


class Catalogue(_OfCatalogue, Base):
    """A catalogue: when it was fetched, and which worker holds the lapsing claim to fetch it.

    `failure` is why the last attempt failed; previously fetched rows stay.
    """

    __tablename__ = "catalogues"
    __table_args__ = (
        CheckConstraint(one_of("environment", Environment), "environment"),
        CheckConstraint(one_of("contract_type", ContractType), "contract_type"),
        CheckConstraint("(claim IS NULL) = (claimed_until IS NULL)", "claims_lapse"),
    )

    instruments_fetched_at: Mapped[datetime | None]
    prices_fetched_at: Mapped[datetime | None]
    attempted_at: Mapped[datetime | None]
    failure: Mapped[str | None]
    claim: Mapped[UUID | None]
    claimed_until: Mapped[datetime | None]


class CatalogueInstrument(_OfCatalogue, Base):
    """An instrument as its exchange last listed it. A delisted one is kept and marked.

    `delisted_at` is when the listing was first seen without it; null if it is listed, or was
    delisted before that was recorded. A `dated` contract is offered to nobody: it is known for the
    sake of trades. `expires_at` is when it is delivered, or when a contract ends that is perpetual
    in all else. `contract_changed_at` is when the size of its contract, or what it is settled in,
    last changed; `former_contracts` has the values before.
    """

    __tablename__ = "instruments"

    symbol: Mapped[str] = mapped_column(primary_key=True)
    base: Mapped[str]
    quote: Mapped[str]
    settle: Mapped[str]
    contract_size: Mapped[Decimal] = mapped_column(Numeric)
    tick_size: Mapped[Decimal] = mapped_column(Numeric)
    lot_size: Mapped[Decimal] = mapped_column(Numeric)
    min_quantity: Mapped[Decimal] = mapped_column(Numeric)
    max_leverage: Mapped[Decimal | None] = mapped_column(Numeric)
    margin_modes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    listed: Mapped[bool]
    search_text: Mapped[str]
    contract_changed_at: Mapped[datetime | None]
    delisted_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    dated: Mapped[bool] = mapped_column(server_default=false())


class FormerContract(_OfCatalogue, Base):
    """The size of a contract, and what it settled in, until they changed at `changed_at`."""

    __tablename__ = "former_contracts"

    symbol: Mapped[str] = mapped_column(primary_key=True)
    changed_at: Mapped[datetime] = mapped_column(primary_key=True)
    contract_size: Mapped[Decimal] = mapped_column(Numeric)
    settle: Mapped[str]


class InstrumentPrice(_OfCatalogue, Base):
    """Prices, in a table of their own: they change every minute, instruments hardly ever."""

    __tablename__ = "instrument_prices"

    symbol: Mapped[str] = mapped_column(primary_key=True)
    price: Mapped[Decimal | None] = mapped_column(Numeric)
    volume_24h: Mapped[Decimal | None] = mapped_column(Numeric)


class LearnedLeverage(_OfCatalogue, Base):
    """A maximum leverage that a signed call returned to any account: kept for the release before,
    which reads and writes it. `KeyLeverage` has the answers by account.
    """

    __tablename__ = "learned_leverages"

    symbol: Mapped[str] = mapped_column(primary_key=True)
    max_leverage: Mapped[Decimal] = mapped_column(Numeric)
    learned_at: Mapped[datetime]
