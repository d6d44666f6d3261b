"""What trades, equity snapshots, signals and events of bots look like from outside."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypeAliasType

from app.api.schemas import Document, NextCursor
from app.domains.ingest.items import EventData
from app.domains.positions.schemas import DataBot, DataKey, PositionSide
from botkeys.exchanges.model import ContractType, Environment, ExchangeId, MarginMode

Symbol = Annotated[str, Field(examples=["BTC-USDT-SWAP"])]
OwnId = Annotated[str, Field(description="The bot's own.", examples=["2026-11-22-0001"])]
EventLevel = TypeAliasType("EventLevel", Literal["info", "warning", "error"])
SignalDirection = TypeAliasType("SignalDirection", Literal["long", "short", "flat"])


class _Reported(Document):
    id: OwnId
    bot: DataBot
    key: DataKey
    exchange: Annotated[ExchangeId, Field(examples=["okx"])]
    environment: Environment
    contract_type: ContractType


class Trade(_Reported):
    """A completed round trip. `pnl` is net of fees, in the asset `settle`; it, `settle` and
    `contract_size` are null where the contract is not known: never guessed.
    """

    symbol: Symbol
    side: PositionSide
    quantity: Annotated[str, Field(examples=["0.5"])]
    entry_price: Annotated[str, Field(examples=["97012.5"])]
    exit_price: Annotated[str, Field(examples=["98100"])]
    fees: Annotated[str, Field(examples=["1.25"], description="Paid; negative: earned.")]
    pnl: Annotated[str | None, Field(examples=["542.5"])]
    settle: Annotated[str | None, Field(examples=["USDT"])]
    contract_size: Annotated[str | None, Field(examples=["1"])]
    leverage: Annotated[str | None, Field(examples=["10"])]
    margin_mode: MarginMode | None
    position_id: Annotated[str | None, Field(examples=["btc-2026-11-22-1"])]
    exit_reason: Annotated[str | None, Field(examples=["take profit"])]
    opened_at: datetime
    closed_at: datetime
    stored_at: datetime


class EquitySnapshot(_Reported):
    """What the exchange account was worth, in `settle`. `reset`: its test funds were claimed anew
    just before.
    """

    at: datetime
    equity: Annotated[str, Field(examples=["10250.75"])]
    balance: Annotated[str | None, Field(examples=["10000"])]
    unrealised_pnl: Annotated[str | None, Field(examples=["250.75"])]
    settle: Annotated[str, Field(examples=["USDT"])]
    reset: bool
    stored_at: datetime


class Signal(_Reported):
    """What a strategy said. `acted`: whether the bot did."""

    at: datetime
    symbol: Symbol
    name: Annotated[str, Field(examples=["mean reversion"])]
    direction: SignalDirection
    score: Annotated[str | None, Field(examples=["0.82"])]
    acted: Annotated[bool | None, Field(examples=[True])]
    data: EventData | None
    stored_at: datetime


class BotEvent(Document):
    """What a bot reported of itself, or the service has to tell of it: then `id` is the service's.

    An event of a bot that had no key has no `key` and no `environment`; one of a key that no bot
    had has no `bot`.
    """

    id: OwnId
    bot: DataBot | None
    key: DataKey | None
    exchange: ExchangeId | None
    environment: Environment | None
    contract_type: ContractType | None
    at: datetime
    kind: Annotated[str, Field(examples=["position_unexpected"])]
    level: Annotated[EventLevel, Field(examples=["warning"])]
    message: Annotated[str, Field(examples=["A position was opened that nobody asked for."])]
    data: EventData | None


class TradePage(Document):
    items: list[Trade]
    next_cursor: NextCursor


class EquitySnapshotPage(Document):
    items: list[EquitySnapshot]
    next_cursor: NextCursor


class SignalPage(Document):
    items: list[Signal]
    next_cursor: NextCursor


class BotEventPage(Document):
    items: list[BotEvent]
    next_cursor: NextCursor
