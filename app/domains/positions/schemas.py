"""Positions as the API shows them, and as a bot reports them."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, field_validator
from typing_extensions import TypeAliasType

from app.api.schemas import (
    UNDERSTOOD,
    WHOLE_NUMBER,
    DecimalText,
    Document,
    Input,
    NextCursor,
    Symbol,
)
from app.domains.trading.fields import Amount, Moment, NotNegative, Positive, RowName
from botkeys.exchanges.model import ContractKind, Environment, ExchangeId, MarginMode

MAX_REVISION = 2**53
"""The largest revision: JavaScript represents all integers up to it exactly."""
PositionSide = TypeAliasType(
    "PositionSide",
    Annotated[Literal["long", "short"], Field(description="The direction of a position.")],
)
PositionStatus = TypeAliasType(
    "PositionStatus",
    Annotated[
        Literal["opening", "open", "closed"],
        Field(description="`opening` is a reservation made before the order is placed."),
    ],
)
CloseReason = TypeAliasType(
    "CloseReason",
    Annotated[
        Literal["reported", "by_hand", "lapsed"],
        Field(
            description="How a position was closed: reported by the bot, closed by hand, or a "
            "reservation that lapsed."
        ),
    ],
)


def _no_dots(name: str) -> str:
    """Reject names that stand for folders: HTTP clients remove them from an address."""
    if name in {".", ".."}:
        raise ValueError("must not be `.` or `..`, which a URL path cannot end with")
    return name


PositionId = Annotated[
    RowName,
    AfterValidator(_no_dots),
    Field(
        description="The bot's own id for the position: 1 to 200 visible characters without white "
        "space or slashes, and neither `.` nor `..`. Percent-encode it in the URL (RFC 3986)."
    ),
]


class DataBot(Document):
    """The bot that reported the data. `name` is null once the bot is deleted."""

    id: UUID
    name: Annotated[str | None, Field(examples=["Grid BTC"])]


class DataKey(Document):
    """The key that the data were reported for, even if it was deleted since."""

    id: UUID
    label: Annotated[str, Field(examples=["OKX paper"])]


class Position(Document):
    """A position as stored, in the exchange's units.

    A position that is `opening` is a reservation. It holds until `expires_at`; after that its
    `status` is `closed` and its `close_reason` is `lapsed`.
    """

    id: Annotated[
        str, Field(examples=["btc-2026-11-22-1"], description="The bot's own id for the position.")
    ]
    bot: DataBot
    key: DataKey
    exchange: Annotated[ExchangeId, Field(examples=["okx"])]
    environment: Annotated[Environment, Field(examples=["testnet"])]
    contract_type: ContractKind
    symbol: Annotated[
        str, Field(examples=["BTC-USDT-SWAP"], description="The exchange's own spelling.")
    ]
    side: PositionSide
    status: Annotated[PositionStatus, Field(examples=["open"])]
    quantity: Annotated[
        DecimalText, Field(examples=["0.5"], description="In the exchange's units.")
    ]
    entry_price: Annotated[
        DecimalText | None,
        Field(
            examples=["97012.5"], description="The average entry price, in the exchange's units."
        ),
    ]
    exit_price: Annotated[
        str | None,
        Field(examples=[None], description="The average exit price, in the exchange's units."),
    ]
    leverage: Annotated[DecimalText | None, Field(examples=["10"])]
    margin_mode: MarginMode | None
    fees: Annotated[
        DecimalText | None,
        Field(
            examples=["1.25"],
            description="In the settle asset: positive if paid, negative if earned.",
        ),
    ]
    revision: Annotated[
        int | None, Field(examples=[2], description="The bot's own count of its reports.")
    ]
    opened_at: datetime | None
    closed_at: Annotated[datetime | None, Field(examples=[None])]
    close_reason: Annotated[
        CloseReason | None, Field(examples=[None], description="Null until the position is closed.")
    ]
    expires_at: Annotated[
        datetime | None,
        Field(
            examples=[None],
            description="Until when a reservation holds; null if the position is no reservation.",
        ),
    ]
    created_at: datetime
    updated_at: datetime


class PositionPage(Document):
    """A page of positions."""

    items: list[Position]
    next_cursor: NextCursor


class PositionReport(Input):
    """A report of a position. Omitted members keep the value of the previous report."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "revision": 2,
                    "symbol": "BTC-USDT-SWAP",
                    "side": "long",
                    "status": "open",
                    "quantity": "0.5",
                    "entry_price": "97012.5",
                    "opened_at": "2026-11-22T10:35:00Z",
                },
                {
                    "revision": 1,
                    "symbol": "BTC-USDT-SWAP",
                    "side": "long",
                    "status": "opening",
                    "quantity": "0.5",
                },
            ]
        }
    )

    key_id: Annotated[
        UUID | None,
        Field(
            description="Required only in the first report of a position under a key that the bot "
            "had before."
        ),
    ] = None
    revision: Annotated[
        Annotated[int, Field(ge=0, le=MAX_REVISION), WHOLE_NUMBER] | None,
        Field(
            description="A number that the bot increments with each report; a report with a lower "
            "one is ignored."
        ),
    ] = None
    symbol: Annotated[Symbol, Field(description=UNDERSTOOD)]
    side: PositionSide
    status: Annotated[
        PositionStatus,
        Field(
            description="`opening` asks for permission before the order is placed; `open` and "
            "`closed` report facts."
        ),
    ]
    quantity: Annotated[NotNegative, Field(description="More than 0 until the position is closed.")]
    entry_price: Annotated[
        Positive | None, Field(description="The average entry price, in the exchange's units.")
    ] = None
    exit_price: Annotated[
        Positive | None, Field(description="The average exit price, in the exchange's units.")
    ] = None
    leverage: Annotated[
        Positive | None,
        Field(description="Defaults to the trading asset's leverage in the first report."),
    ] = None
    margin_mode: Annotated[
        MarginMode | None,
        Field(description="Defaults to the trading asset's margin mode in the first report."),
    ] = None
    fees: Annotated[
        Amount | None,
        Field(
            description="In the settle asset: positive if paid, negative if earned. What was "
            "charged in another asset is left out."
        ),
    ] = None
    opened_at: Annotated[
        Moment | None, Field(description="Defaults to the time of the first `open` report.")
    ] = None
    closed_at: Annotated[
        Moment | None,
        Field(description="Used only with `closed`; defaults to the time of that report."),
    ] = None

    @field_validator("quantity")
    @classmethod
    def _is_something(cls, quantity: Decimal, info: ValidationInfo) -> Decimal:
        if not quantity and info.data.get("status") in {"opening", "open"}:
            raise ValueError("must be more than 0 until the position is closed")
        return quantity
