"""A trade or payment as every format hands it on, and what a format is."""

from collections.abc import Collection, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, Protocol, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

from app.domains.trading.symbols import Listed, Place
from botkeys.exchanges.model import ContractKind, ContractType


class ImportedTrade(NamedTuple):
    """A trade of a file. What the file does not say is `None`; nothing is guessed.

    The fields are the columns of `import_rows` after its `line`. `other_fees` is the text of what
    is stored. Of `kind` funding it is a payment: see `payment`.
    """

    bot_id: UUID
    id: str
    contract_type: ContractKind | None
    symbol: str
    side: str | None
    quantity: Decimal | None
    entry_price: Decimal | None
    exit_price: Decimal | None
    fees: Decimal
    leverage: Decimal | None
    margin_mode: str | None
    position_id: str | None
    contract_size: Decimal | None
    settle: str | None
    pnl: Decimal | None
    opened_at: datetime | None
    closed_at: datetime
    exit_reason: str | None
    other_fees: str | None = None
    kind: str = "trades"


def payment(
    bot_id: UUID,
    name: str,
    contract_type: ContractKind,
    symbol: str,
    amount: Decimal,
    settle: str,
    at: datetime,
) -> ImportedTrade:
    """Return a funding payment: positive if received, negative if paid."""
    return ImportedTrade(
        bot_id=bot_id,
        id=name,
        contract_type=contract_type,
        symbol=symbol,
        side=None,
        quantity=None,
        entry_price=None,
        exit_price=None,
        fees=Decimal(0),
        leverage=None,
        margin_mode=None,
        position_id=None,
        contract_size=None,
        settle=settle,
        pnl=amount,
        opened_at=None,
        closed_at=at,
        exit_reason=None,
        kind="funding",
    )


class Refusal(NamedTuple):
    """A row that is not stored, and why. `detail` contains no value of the row."""

    code: str
    detail: str


class Skipped(NamedTuple):
    """A row that is sound and no trade: an open one, or a transfer between wallets."""


SKIPPED = Skipped()
Outcome: TypeAlias = ImportedTrade | Refusal | Skipped


class Target(NamedTuple):
    """The key that the history belongs to. `bot_id` is `None` if the request names no bot.

    `others` are the account's other keys, deleted or not. `zone` is that of times without one.
    """

    key_id: UUID
    exchange: str
    environment: str
    contract_type: ContractType
    region: str | None
    bot_id: UUID | None
    others: Collection[UUID]
    zone: ZoneInfo | None = None

    @property
    def place(self) -> Place:
        return Place(self.exchange, self.environment, self.region or "", self.contract_type)


class Format(Protocol):
    """A reader of one file. It may keep what a later row completes, within bounds."""

    def name(self, members: dict[str, Any]) -> str | None:
        """Return the instrument's name in a record, if it is to be looked up."""

    def read(
        self, members: dict[str, Any], listed: Listed | None, *, csv: bool
    ) -> Iterable[Outcome]:
        """Return what became of a record. `listed` is what the exchange lists as its `name`."""

    def end(self) -> Iterable[Outcome]:
        """Return what was kept until the end of the file."""
