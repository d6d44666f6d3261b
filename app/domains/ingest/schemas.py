"""What bots report in batches, and the verdict on each item."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from operator import attrgetter, gt
from typing import Annotated, Any, Generic, Literal, NamedTuple, Protocol, Self, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    GetPydanticSchema,
    StringConstraints,
    model_validator,
)
from pydantic_core import core_schema
from typing_extensions import TypeAliasType

from app.api.schemas import UNDERSTOOD, Document, Flag, Input, Label, Symbol, visible_lines
from app.domains.ingest import columns
from app.domains.ingest.columns import Columns
from app.domains.ingest.fees import NOTHING, Fee, ReportedFees, by_asset, in_asset
from app.domains.ingest.items import MAX_ITEMS, Asset, InvalidItem, or_invalid, together
from app.domains.positions.schemas import PositionSide
from app.domains.trading.event_data import EventData
from app.domains.trading.fields import (
    Amount,
    EventLevel,
    Moment,
    Positive,
    RowName,
    SignalDirection,
)
from botkeys.exchanges.model import ContractKind, MarginMode

ItemStatus = TypeAliasType(
    "ItemStatus",
    Annotated[
        Literal["stored", "completed", "duplicate", "refused"],
        Field(
            description="`duplicate` means that the same item was stored before and remains "
            "unchanged. `completed` means that a trade stored without P&L has got it from this "
            "repeat."
        ),
    ],
)
ItemFault = TypeAliasType(
    "ItemFault",
    Annotated[
        Literal[
            "invalid_item",
            "clock_ahead",
            "data_deleted",
            "id_reused",
            "ambiguous_symbol",
            "contract_differs",
            "contract_size_differs",
            "settle_differs",
        ],
        Field(
            description="Why an item was refused. `id_reused`: another item was stored under this "
            "id. `contract_differs`, `contract_size_differs` and `settle_differs`: a trade "
            "contradicts what the exchange lists. `ambiguous_symbol`: the symbol may mean several "
            "instruments."
        ),
    ],
)
PnlUnknown = TypeAliasType(
    "PnlUnknown",
    Annotated[
        Literal["unknown_contract", "catalogue_unknown", "other_key"],
        Field(
            description="Why a trade has no P&L. `unknown_contract`: the exchange lists no such "
            "symbol, and the bot did not state the whole contract. `catalogue_unknown`: the "
            "exchange's instruments could not be fetched. `other_key`: the trade was stored for "
            "another key, which the batch does not name."
        ),
    ],
)

Message = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2000),
    AfterValidator(visible_lines),
    Field(description="May contain several lines and tabs, for example a traceback."),
]


class Item(Input):
    """An item of a batch. `id` is the bot's own: an item sent again with it is stored once."""

    id: Annotated[
        RowName,
        Field(
            examples=["7f3a-000123"],
            description="The bot's own id for this item. An item sent again with the same id is "
            "stored once.",
        ),
    ]


class TradeItem(Item):
    """A completed round trip, in the exchange's units."""

    symbol: Annotated[Symbol, Field(description=UNDERSTOOD)]
    side: PositionSide
    quantity: Positive
    entry_price: Annotated[Positive, Field(description="The average entry price; more than 0.")]
    exit_price: Annotated[Positive, Field(description="The average exit price; more than 0.")]
    fees: Annotated[
        ReportedFees,
        Field(
            description="Positive if paid, negative if earned: one amount in the settle asset, or "
            "a list of amounts by asset. What was charged in the settle asset lowers the P&L; "
            "other assets are never converted."
        ),
    ] = NOTHING
    leverage: Positive | None = None
    margin_mode: MarginMode | None = None
    position_id: Annotated[
        RowName | None, Field(description="The bot's own id for the position, if it reported one.")
    ] = None
    contract_type: Annotated[
        ContractKind | None,
        Field(
            description="Required for the P&L of a symbol that the exchange never listed; must "
            "agree with what it lists otherwise."
        ),
    ] = None
    contract_size: Annotated[
        Positive | None,
        Field(
            description="What one unit of quantity stands for: an amount of the base asset "
            "(linear) or the quote asset (inverse), or of the settle asset per unit of price "
            "(quanto). As `contract_type`."
        ),
    ] = None
    settle: Annotated[
        Asset | None, Field(description="The asset that P&L is paid in. As `contract_type`.")
    ] = None
    opened_at: Moment
    closed_at: Moment
    exit_reason: Annotated[Label | None, Field(description="The bot's own words.")] = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.closed_at < self.opened_at:
            raise ValueError("closed_at must not be before opened_at")
        return self


class Trade(NamedTuple):
    """The members of a `TradeItem`, in its order."""

    id: str
    symbol: str
    side: str
    quantity: Decimal
    entry_price: Decimal
    exit_price: Decimal
    fees: Decimal | list[Fee]
    leverage: Decimal | None
    margin_mode: MarginMode | None
    position_id: str | None
    contract_type: ContractKind | None
    contract_size: Decimal | None
    settle: str | None
    opened_at: datetime
    closed_at: datetime
    exit_reason: str | None

    @property
    def time(self) -> datetime:
        return self.closed_at

    @property
    def states_contract(self) -> bool:
        """Whether the bot stated anything about the contract, which the exchange may contradict."""
        return (
            self.contract_type is not None
            or self.contract_size is not None
            or self.settle is not None
        )

    @property
    def settle_fees(self) -> Decimal:
        """The fees that are stated in the settle asset, whatever that is."""
        return NOTHING if isinstance(self.fees, list) else self.fees

    @property
    def other_fees(self) -> str | None:
        """The text of the fees that are stated by asset; which one is the settle asset is open."""
        return by_asset(self.fees) if isinstance(self.fees, list) else None

    def fees_settled_in(self, settle: str) -> tuple[Decimal, str | None]:
        """Return the fees in the settle asset, and the text of the fees in others."""
        if isinstance(self.fees, list):
            return in_asset(self.fees, settle), by_asset(self.fees, but=settle)
        return self.fees, None


def _in_order(members: Mapping[str, Sequence[datetime]]) -> bool:
    return not any(map(gt, members["opened_at"], members["closed_at"]))


TRADE_COLUMNS = Columns(
    TradeItem,
    fits=_in_order,
    id=columns.names,
    quantity=columns.positive,
    entry_price=columns.positive,
    exit_price=columns.positive,
    fees=columns.amounts,
    position_id=columns.names,
    opened_at=columns.moments,
    closed_at=columns.moments,
)
_members = attrgetter(*Trade._fields)


def _as_trade(item: TradeItem) -> Trade:
    return Trade._make(_members(item))


class _AtOneTime(Item):
    at: Moment

    @property
    def time(self) -> datetime:
        return self.at


class FundingItem(_AtOneTime):
    """A funding payment of a perpetual."""

    symbol: Annotated[Symbol, Field(description=UNDERSTOOD)]
    amount: Annotated[Amount, Field(description="Positive if received, negative if paid.")]
    settle: Annotated[
        Asset,
        Field(
            description="The asset of the amount; must agree with what the exchange lists for the "
            "symbol."
        ),
    ]


class EquitySnapshotItem(_AtOneTime):
    """The value of the exchange account at one moment."""

    equity: Annotated[Amount, Field(description="What the account is worth, in `settle`.")]
    balance: Annotated[Amount | None, Field(description="The balance, in `settle`.")] = None
    unrealised_pnl: Annotated[Amount | None, Field(description="Unrealised P&L, in `settle`.")] = (
        None
    )
    settle: Annotated[Asset, Field(description="The asset that the amounts are in.")]
    reset: Annotated[
        Flag, Field(description="Whether test funds were claimed again just before.")
    ] = False


class SignalItem(_AtOneTime):
    """A signal of a strategy, and whether the bot acted on it."""

    symbol: Annotated[Symbol, Field(description=UNDERSTOOD)]
    name: Annotated[Label, Field(description="The bot's own name for the signal.")]
    direction: SignalDirection
    score: Annotated[
        Amount | None, Field(description="How strong the signal is, on the bot's own scale.")
    ] = None
    acted: Annotated[Flag | None, Field(description="Whether the bot acted on it.")] = None
    data: EventData | None = None


class EventItem(_AtOneTime):
    """An event that the bot reports."""

    kind: Annotated[Label, Field(description="The bot's own word for this kind of event.")]
    level: EventLevel
    message: Message
    data: EventData | None = None


class Reported(Protocol):
    """An item of a batch as it was read."""

    @property
    def id(self) -> str: ...

    @property
    def time(self) -> datetime:
        """When the item happened, for deletions and for the order of lists."""


ItemType = TypeVar("ItemType", bound=Reported)


_OF_ANY_KIND = GetPydanticSchema(lambda _source, _handler: core_schema.list_schema())
"""An annotation of items that each kind of batch reads as its own."""


class Batch(Input, Generic[ItemType]):
    """A batch. `key_id` defaults to the bot's current key; any key that it ever had is accepted."""

    key_id: Annotated[
        UUID | None,
        Field(
            description="Defaults to the bot's current key. A key that the bot had before is "
            "accepted too."
        ),
    ] = None
    items: Annotated[list[ItemType | InvalidItem], _OF_ANY_KIND]


def _example(**item: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [{"items": [{"id": "7f3a-000123", **item}]}]})


_AT = "2026-11-22T10:00:00Z"


class TradeBatch(Batch[Trade]):
    """Up to 1000 trades of one key."""

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
        list[Annotated[Trade | InvalidItem, or_invalid(TradeItem, _as_trade)]],
        Field(max_length=MAX_ITEMS),
        together(TRADE_COLUMNS, Trade._make),
    ]


class FundingBatch(Batch[FundingItem]):
    """Up to 1000 funding payments of one key."""

    model_config = _example(at=_AT, symbol="BTC-USDT-SWAP", amount="-1.25", settle="USDT")

    items: Annotated[
        list[Annotated[FundingItem | InvalidItem, or_invalid(FundingItem)]],
        Field(max_length=MAX_ITEMS),
    ]


class EquitySnapshotBatch(Batch[EquitySnapshotItem]):
    """Up to 1000 equity snapshots of one key."""

    model_config = _example(at=_AT, equity="10250.75", balance="10000", settle="USDT")

    items: Annotated[
        list[Annotated[EquitySnapshotItem | InvalidItem, or_invalid(EquitySnapshotItem)]],
        Field(max_length=MAX_ITEMS),
    ]


class SignalBatch(Batch[SignalItem]):
    """Up to 1000 signals of one key."""

    model_config = _example(
        at=_AT, symbol="BTC-USDT-SWAP", name="breakout", direction="long", score="0.8", acted=True
    )

    items: Annotated[
        list[Annotated[SignalItem | InvalidItem, or_invalid(SignalItem)]],
        Field(max_length=MAX_ITEMS),
    ]


class EventBatch(Batch[EventItem]):
    """Up to 1000 events of one key."""

    model_config = _example(
        at=_AT, kind="reconnected", level="info", message="The feed was away for 3 seconds."
    )

    items: Annotated[
        list[Annotated[EventItem | InvalidItem, or_invalid(EventItem)]],
        Field(max_length=MAX_ITEMS),
    ]


class ItemVerdict(Document):
    """What became of one item. A refused item has a `code`; sent again unchanged, it is refused
    again. A trade without P&L has `pnl_unknown`; a repeat with what was missing completes it.
    """

    id: Annotated[
        str | None,
        Field(
            examples=["7f3a-000123"],
            description="The item's id; null if it has none that can be read.",
        ),
    ]
    status: ItemStatus
    code: Annotated[
        ItemFault | None,
        Field(examples=[None], description="Why the item was refused; omitted otherwise."),
    ] = None
    pnl_unknown: Annotated[
        PnlUnknown | None,
        Field(examples=[None], description="Why the trade has no P&L; omitted otherwise."),
    ] = None
    detail: Annotated[
        str | None,
        Field(
            examples=[None],
            description="What is wrong with the item or missing in it, for people; omitted "
            "otherwise.",
        ),
    ] = None


class BatchVerdicts(Document):
    """One verdict per item, in the order of the items."""

    results: list[ItemVerdict]
