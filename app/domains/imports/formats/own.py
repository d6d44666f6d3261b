"""The service's own exports of `GET /v1/trades`: JSON pages, NDJSON and CSV.

An item is taken back whole, with the figures that it has: it gives the same sums again. P&L that
does not follow from an item's own prices is refused, since the file was then changed or damaged.
"""

from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal
from typing import Annotated, Any, Self
from uuid import UUID

import orjson
from pydantic import Field, ValidationError, model_validator

from app.api.schemas import Input, Label, Symbol
from app.db.models.trading import NOBODY
from app.domains.history.export_formats import unquoted
from app.domains.imports.formats.faults import of_validation
from app.domains.imports.formats.row import ImportedTrade, Outcome, Refusal, Target
from app.domains.ingest.fees import Fee, by_asset
from app.domains.ingest.items import Asset
from app.domains.ingest.pnl import realised_pnl
from app.domains.positions.schemas import PositionSide
from app.domains.trading.fees import MOST_ASSETS
from app.domains.trading.fields import Amount, Moment, Positive, RowName
from app.domains.trading.symbols import Listed
from botkeys.exchanges.model import ContractKind, Environment, ExchangeId, MarginMode

_OTHER_EXCHANGE = "The trade is of another exchange than the key."
_OTHER_ENVIRONMENT = "The trade is of the other environment than the key."
_OTHER_KEY = "The trade belongs to another key of this account. Import it with that key's `key_id`."
_OTHER_PNL = "The P&L does not follow from side, prices, quantity, contract size and fees."


class _NamedBot(Input):
    id: UUID
    name: str | None = None


class _NamedKey(Input):
    id: UUID
    label: str | None = None


class ExportedTrade(Input):
    """An item of the list of trades. Names of bots and keys, `stored_at` and `import_id` are new
    for an imported row.
    """

    id: RowName
    bot: _NamedBot | None = None
    key: _NamedKey
    exchange: ExchangeId
    environment: Environment
    contract_type: ContractKind | None
    symbol: Symbol
    side: PositionSide | None
    quantity: Positive | None
    entry_price: Positive | None
    exit_price: Positive | None
    fees: Amount = Decimal(0)
    pnl: Amount | None
    settle: Asset | None
    contract_size: Positive | None
    leverage: Positive | None = None
    margin_mode: MarginMode | None = None
    position_id: RowName | None = None
    exit_reason: Label | None = None
    opened_at: Moment | None
    closed_at: Moment
    stored_at: Moment | None = None
    import_id: UUID | None = Field(default=None)
    other_fees: Annotated[list[Fee], Field(max_length=MOST_ASSETS)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.opened_at is not None and self.closed_at < self.opened_at:
            raise ValueError("closed_at must not be before opened_at")
        if (self.pnl is None) != (self.settle is None):
            raise ValueError("pnl and settle belong together")
        assets = {fee.asset for fee in self.other_fees}
        if len(assets) < len(self.other_fees) or self.settle in assets:
            raise ValueError("other_fees must name each asset once, and not the settle asset")
        return self


PATHS = (("items",),)
COLUMNS = (
    "id",
    "bot_id",
    "key_id",
    "exchange",
    "environment",
    "contract_type",
    "symbol",
    "side",
    "quantity",
    "entry_price",
    "exit_price",
    "fees",
    "pnl",
    "settle",
    "contract_size",
    "opened_at",
    "closed_at",
)


class OwnFormat:
    """Reads the service's own exports."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def name(self, members: dict[str, Any]) -> str | None:
        """Return nothing: an export is in the exchange's own spelling already."""

    def read(
        self, members: dict[str, Any], listed: Listed | None, *, csv: bool
    ) -> Iterable[Outcome]:
        del listed
        if csv:
            members = _of_cells(members)
        try:
            trade = ExportedTrade.model_validate(members)
        except ValidationError as error:
            return [of_validation(error, ExportedTrade)]
        return [self._outcome(trade)]

    def end(self) -> Iterable[Outcome]:
        return []

    def _outcome(self, trade: ExportedTrade) -> Outcome:
        target = self._target
        if trade.exchange != target.exchange:
            return Refusal("exchange_differs", _OTHER_EXCHANGE)
        if trade.environment != target.environment:
            return Refusal("environment_differs", _OTHER_ENVIRONMENT)
        if trade.key.id in target.others:
            return Refusal("key_differs", _OTHER_KEY)
        if not _follows(trade):
            return Refusal("pnl_differs", _OTHER_PNL)
        named = NOBODY if trade.bot is None else trade.bot.id
        return ImportedTrade(
            target.bot_id or named,
            trade.id,
            trade.contract_type,
            trade.symbol,
            trade.side,
            trade.quantity,
            trade.entry_price,
            trade.exit_price,
            trade.fees,
            trade.leverage,
            trade.margin_mode,
            trade.position_id,
            trade.contract_size,
            trade.settle,
            trade.pnl,
            trade.opened_at,
            trade.closed_at,
            trade.exit_reason,
            by_asset(trade.other_fees),
        )


def _of_cells(cells: dict[str, Any]) -> dict[str, Any]:
    """Return the item that a line of CSV stands for."""
    members = {
        name: unquoted(cell) if isinstance(cell, str) else cell for name, cell in cells.items()
    }
    bot, bot_name = members.pop("bot_id", None), members.pop("bot_name", None)
    key, label = members.pop("key_id", None), members.pop("key_label", None)
    members["bot"] = None if bot is None else {"id": bot, "name": bot_name}
    members["key"] = {"id": key, "label": label}
    fees = members.pop("other_fees", None)
    if isinstance(fees, str):
        with suppress(ValueError):
            fees = orjson.loads(fees)
    if fees is not None:
        members["other_fees"] = fees
    return members


def _follows(trade: ExportedTrade) -> bool:
    """Return whether the P&L is what the other figures give, where they are enough to say."""
    if (
        trade.pnl is None
        or trade.contract_type is None
        or trade.contract_size is None
        or trade.side is None
        or trade.quantity is None
        or trade.entry_price is None
        or trade.exit_price is None
    ):
        return True
    return trade.pnl == realised_pnl(
        trade.contract_type,
        trade.side,
        quantity=trade.quantity,
        entry_price=trade.entry_price,
        exit_price=trade.exit_price,
        contract_size=trade.contract_size,
        fees=trade.fees,
    )
