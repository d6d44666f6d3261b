"""What a position looks like from outside."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field
from typing_extensions import TypeAliasType

from app.api.schemas import Document, NextCursor
from app.domains.trading.fields import RowName
from botkeys.exchanges.model import ContractType, Environment, ExchangeId, MarginMode

PositionSide = TypeAliasType("PositionSide", Literal["long", "short"])
PositionStatus = TypeAliasType("PositionStatus", Literal["opening", "open", "closed"])
CloseReason = TypeAliasType("CloseReason", Literal["reported", "by_hand", "lapsed"])


def _no_dots(name: str) -> str:
    """Those that stand for folders never arrive: HTTP clients take them out of an address."""
    if name in {".", ".."}:
        raise ValueError("must not be . or .., which no address can end with")
    return name


PositionId = Annotated[
    RowName,
    AfterValidator(_no_dots),
    Field(
        description="The bot's own name for the position: 1 to 200 visible characters, without "
        "white space and slashes, and neither `.` nor `..`. Escape it in the address (RFC 3986)."
    ),
]


class DataBot(Document):
    """`name` is null once the bot is deleted."""

    id: UUID
    name: Annotated[str | None, Field(examples=["Grid BTC"])]


class DataKey(Document):
    """The key that it was reported for, whatever became of it since."""

    id: UUID
    label: Annotated[str, Field(examples=["OKX paper"])]


class Position(Document):
    """As stored, in the exchange's units.

    `opening` is a reservation that holds until `expires_at` and is `closed` from then on, with the
    `close_reason` `lapsed`. `revision` is the bot's own count of its reports.
    """

    id: Annotated[str, Field(examples=["btc-2026-11-22-1"])]
    bot: DataBot
    key: DataKey
    exchange: Annotated[ExchangeId, Field(examples=["okx"])]
    environment: Annotated[Environment, Field(examples=["testnet"])]
    contract_type: ContractType
    symbol: Annotated[str, Field(examples=["BTC-USDT-SWAP"])]
    side: PositionSide
    status: Annotated[PositionStatus, Field(examples=["open"])]
    quantity: Annotated[str, Field(examples=["0.5"])]
    entry_price: Annotated[str | None, Field(examples=["97012.5"])]
    exit_price: Annotated[str | None, Field(examples=[None])]
    leverage: Annotated[str | None, Field(examples=["10"])]
    margin_mode: MarginMode | None
    fees: Annotated[str | None, Field(examples=["1.25"], description="Paid; negative: earned.")]
    revision: Annotated[int | None, Field(examples=[2])]
    opened_at: datetime | None
    closed_at: Annotated[datetime | None, Field(examples=[None])]
    close_reason: Annotated[CloseReason | None, Field(examples=[None])]
    expires_at: Annotated[datetime | None, Field(examples=[None])]
    created_at: datetime
    updated_at: datetime


class PositionPage(Document):
    items: list[Position]
    next_cursor: NextCursor
