"""Trades, equity snapshots, signals and events of bots as the API shows them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.api.schemas import DecimalText, Document, NextCursor
from app.domains.positions.schemas import DataBot, DataKey, PositionSide
from app.domains.trading.event_data import EventData
from app.domains.trading.fees import AssetAmount
from app.domains.trading.fields import EventLevel, SignalDirection
from botkeys.exchanges.model import ContractKind, ContractType, Environment, ExchangeId, MarginMode

Symbol = Annotated[str, Field(examples=["BTC-USDT-SWAP"])]
OwnId = Annotated[
    str, Field(description="The id that the bot chose.", examples=["2026-11-22-0001"])
]


class _Reported(Document):
    id: OwnId
    bot: DataBot
    key: DataKey
    exchange: Annotated[ExchangeId, Field(examples=["okx"])]
    environment: Environment
    contract_type: ContractType


class Trade(_Reported):
    """A completed round trip. What the format of an import lacks is null."""

    bot: Annotated[  # type: ignore[assignment]  # wider than what bots report themselves
        DataBot | None, Field(description="Null for an imported trade that belongs to no bot.")
    ]
    contract_type: Annotated[  # type: ignore[assignment]  # wider than that of other kinds
        ContractKind | None,
        Field(
            examples=["linear"],
            description="How the contract turns prices into P&L; null if it is not known.",
        ),
    ]
    symbol: Annotated[Symbol, Field(description="The exchange's own spelling.")]
    side: PositionSide | None
    quantity: Annotated[
        DecimalText | None, Field(examples=["0.5"], description="In the exchange's units.")
    ]
    entry_price: Annotated[
        DecimalText | None,
        Field(
            examples=["97012.5"], description="The average entry price, in the exchange's units."
        ),
    ]
    exit_price: Annotated[
        DecimalText | None,
        Field(examples=["98100"], description="The average exit price, in the exchange's units."),
    ]
    fees: Annotated[
        DecimalText,
        Field(
            examples=["1.25"],
            description="In the settle asset: positive if paid, negative if earned.",
        ),
    ]
    pnl: Annotated[
        DecimalText | None,
        Field(
            examples=["542.5"],
            description="Realised P&L in `settle`, net of fees; null if the contract is not known. "
            "Of an imported trade it is what the file says.",
        ),
    ]
    settle: Annotated[
        str | None,
        Field(
            examples=["USDT"], description="The settle asset; null if the contract is not known."
        ),
    ]
    contract_size: Annotated[
        DecimalText | None,
        Field(
            examples=["1"],
            description="What one unit of quantity is worth; null if the contract is not known, or "
            "the file of an import did not say.",
        ),
    ]
    leverage: Annotated[DecimalText | None, Field(examples=["10"])]
    margin_mode: MarginMode | None
    position_id: Annotated[
        str | None,
        Field(
            examples=["btc-2026-11-22-1"],
            description="The bot's own id for the position, if it reported one.",
        ),
    ]
    exit_reason: Annotated[
        str | None, Field(examples=["take profit"], description="The bot's own words.")
    ]
    opened_at: Annotated[
        datetime | None, Field(description="Null if the file of an import did not say.")
    ]
    closed_at: datetime
    stored_at: Annotated[datetime, Field(description="When the service stored it.")]
    import_id: Annotated[
        UUID | None,
        Field(
            examples=[None],
            description="The operation that imported the trade; null if a bot reported it.",
        ),
    ]
    other_fees: Annotated[
        list[AssetAmount],
        Field(
            examples=[[]],
            description="What was charged in other assets, in their order; no part of `pnl`. As "
            "long as the settle asset is not known, all fees that the bot stated by asset.",
        ),
    ]


class Funding(_Reported):
    """A funding payment of a perpetual."""

    bot: Annotated[  # type: ignore[assignment]  # wider than what bots report themselves
        DataBot | None, Field(description="Null for an imported payment that belongs to no bot.")
    ]
    at: Annotated[datetime, Field(description="When it was paid.")]
    symbol: Annotated[Symbol, Field(description="The exchange's own spelling.")]
    amount: Annotated[
        DecimalText,
        Field(examples=["-1.25"], description="Positive if received, negative if paid."),
    ]
    settle: Annotated[str, Field(examples=["USDT"], description="The asset of the amount.")]
    stored_at: Annotated[datetime, Field(description="When the service stored it.")]
    import_id: Annotated[
        UUID | None,
        Field(
            examples=[None],
            description="The operation that imported the payment; null if a bot reported it.",
        ),
    ]


class EquitySnapshot(_Reported):
    """The value of the exchange account at one moment."""

    at: Annotated[datetime, Field(description="When the account had this value.")]
    equity: Annotated[
        DecimalText,
        Field(examples=["10250.75"], description="What the account is worth, in `settle`."),
    ]
    balance: Annotated[
        DecimalText | None, Field(examples=["10000"], description="The balance, in `settle`.")
    ]
    unrealised_pnl: Annotated[
        DecimalText | None, Field(examples=["250.75"], description="Unrealised P&L, in `settle`.")
    ]
    settle: Annotated[
        str, Field(examples=["USDT"], description="The asset that the amounts are in.")
    ]
    reset: Annotated[bool, Field(description="Whether test funds were claimed again just before.")]
    stored_at: Annotated[datetime, Field(description="When the service stored it.")]


class Signal(_Reported):
    """A signal of a strategy."""

    at: Annotated[datetime, Field(description="When the strategy gave the signal.")]
    symbol: Annotated[Symbol, Field(description="The exchange's own spelling.")]
    name: Annotated[
        str, Field(examples=["mean reversion"], description="The bot's own name for the signal.")
    ]
    direction: SignalDirection
    score: Annotated[
        DecimalText | None,
        Field(examples=["0.82"], description="How strong the signal is, on the bot's own scale."),
    ]
    acted: Annotated[
        bool | None, Field(examples=[True], description="Whether the bot acted on it.")
    ]
    data: EventData | None
    stored_at: Annotated[datetime, Field(description="When the service stored it.")]


class BotEvent(Document):
    """An event that a bot reported, or that the service recorded about a bot."""

    id: Annotated[
        OwnId,
        Field(
            description="The bot's own id for the event, or the service's for an event that it "
            "recorded itself."
        ),
    ]
    bot: Annotated[DataBot | None, Field(description="Null if no bot had the key.")]
    key: Annotated[DataKey | None, Field(description="Null if the bot had no key.")]
    exchange: ExchangeId | None
    environment: Annotated[Environment | None, Field(description="Null if the bot had no key.")]
    contract_type: ContractKind | None
    at: Annotated[datetime, Field(description="When it happened.")]
    kind: Annotated[
        str,
        Field(
            examples=["position_unexpected"],
            description="The kind of event; bots choose their own names.",
        ),
    ]
    level: Annotated[EventLevel, Field(examples=["warning"])]
    message: Annotated[
        str,
        Field(
            examples=["A position was opened that nobody asked for."],
            description="What happened, for people.",
        ),
    ]
    data: EventData | None


class TradePage(Document):
    """A page of trades."""

    items: list[Trade]
    next_cursor: NextCursor


class FundingPage(Document):
    """A page of funding payments."""

    items: list[Funding]
    next_cursor: NextCursor


class EquitySnapshotPage(Document):
    """A page of equity snapshots."""

    items: list[EquitySnapshot]
    next_cursor: NextCursor


class SignalPage(Document):
    """A page of signals."""

    items: list[Signal]
    next_cursor: NextCursor


class BotEventPage(Document):
    """A page of events."""

    items: list[BotEvent]
    next_cursor: NextCursor
