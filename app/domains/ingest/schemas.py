"""What bots report in batches, and the verdict on each item."""

from abc import ABC, abstractmethod
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, Self, TypeVar
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator
from typing_extensions import TypeAliasType

from app.api.schemas import Document, Flag, Input, Label, Symbol, visible_lines
from app.domains.history.schemas import EventLevel, SignalDirection
from app.domains.ingest.items import Asset, EventData, InvalidItem, or_invalid
from app.domains.positions.schemas import PositionSide
from app.domains.trading.fields import Amount, Moment, Positive, RowName
from botkeys.exchanges.model import MarginMode

MAX_ITEMS = 1000

ItemStatus = TypeAliasType("ItemStatus", Literal["stored", "duplicate", "refused"])
ItemFault = TypeAliasType("ItemFault", Literal["invalid_item", "clock_ahead", "data_deleted"])

Message = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2000),
    AfterValidator(visible_lines),
    Field(description="May have several lines, and tabs: a traceback fits if it is not too long."),
]


class Item(Input, ABC):
    """`id` is the bot's own: an item that is sent again under it is stored once."""

    id: Annotated[RowName, Field(examples=["7f3a-000123"])]

    @property
    @abstractmethod
    def time(self) -> datetime:
        """When it happened, for deletions and for the order of lists."""


class TradeItem(Item):
    """A completed round trip, in the exchange's units. Fees are positive where they were paid.

    The contract size is the catalogue's. `contract_size` and `settle` are for a symbol that the
    exchange does not list any more: without them no P&L can be computed for it.
    """

    symbol: Symbol
    side: PositionSide
    quantity: Positive
    entry_price: Positive
    exit_price: Positive
    fees: Amount = Decimal(0)
    leverage: Positive | None = None
    margin_mode: MarginMode | None = None
    position_id: RowName | None = None
    contract_size: Positive | None = None
    settle: Asset | None = None
    opened_at: Moment
    closed_at: Moment
    exit_reason: Label | None = None

    @property
    def time(self) -> datetime:
        return self.closed_at

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.closed_at < self.opened_at:
            raise ValueError("closed_at must not be before opened_at")
        return self


class _AtOneTime(Item):
    at: Moment

    @property
    def time(self) -> datetime:
        return self.at


class EquitySnapshotItem(_AtOneTime):
    """What the exchange account was worth. `reset`: test funds were claimed anew just before."""

    equity: Amount
    balance: Amount | None = None
    unrealised_pnl: Amount | None = None
    settle: Asset
    reset: Flag = False


class SignalItem(_AtOneTime):
    """What a strategy said, and whether the bot acted on it."""

    symbol: Symbol
    name: Label
    direction: SignalDirection
    score: Amount | None = None
    acted: Flag | None = None
    data: EventData | None = None


class EventItem(_AtOneTime):
    kind: Label
    level: EventLevel
    message: Message
    data: EventData | None = None


ItemType = TypeVar("ItemType", bound=Item)


class Batch(Input, Generic[ItemType]):
    """`key_id` is the bot's present key where it is left out; any key that it ever had will do."""

    key_id: UUID | None = None
    items: list[ItemType | InvalidItem]


def _example(**item: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [{"items": [{"id": "7f3a-000123", **item}]}]})


_AT = "2026-11-22T10:00:00Z"


class TradeBatch(Batch[TradeItem]):
    model_config = _example(
        symbol="BTC-USDT-SWAP",
        side="long",
        quantity="0.5",
        entry_price="97012.5",
        exit_price="98100",
        fees="1.25",
        opened_at="2026-11-22T09:00:00Z",
        closed_at=_AT,
        exit_reason="take profit",
    )

    items: Annotated[
        list[Annotated[TradeItem | InvalidItem, or_invalid(TradeItem)]],
        Field(max_length=MAX_ITEMS),
    ]


class EquitySnapshotBatch(Batch[EquitySnapshotItem]):
    model_config = _example(at=_AT, equity="10250.75", balance="10000", settle="USDT")

    items: Annotated[
        list[Annotated[EquitySnapshotItem | InvalidItem, or_invalid(EquitySnapshotItem)]],
        Field(max_length=MAX_ITEMS),
    ]


class SignalBatch(Batch[SignalItem]):
    model_config = _example(
        at=_AT, symbol="BTC-USDT-SWAP", name="breakout", direction="long", score="0.8", acted=True
    )

    items: Annotated[
        list[Annotated[SignalItem | InvalidItem, or_invalid(SignalItem)]],
        Field(max_length=MAX_ITEMS),
    ]


class EventBatch(Batch[EventItem]):
    model_config = _example(
        at=_AT, kind="reconnected", level="info", message="The feed was away for 3 seconds."
    )

    items: Annotated[
        list[Annotated[EventItem | InvalidItem, or_invalid(EventItem)]],
        Field(max_length=MAX_ITEMS),
    ]


class ItemVerdict(Document):
    """`duplicate`: an item of this id was stored before, and stays as it was.

    A refused item has a `code`: `invalid_item`, `clock_ahead` or `data_deleted`. Sent again it is
    refused again, unless it is put right.
    """

    id: Annotated[
        str | None,
        Field(examples=["7f3a-000123"], description="`null`: the item has no id that can be told."),
    ]
    status: ItemStatus
    code: Annotated[ItemFault | None, Field(examples=[None])] = None
    detail: Annotated[str | None, Field(examples=[None])] = None


class BatchVerdicts(Document):
    """In the order of the items."""

    results: list[ItemVerdict]
