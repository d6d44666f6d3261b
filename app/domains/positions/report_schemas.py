"""What a bot reports of a position."""

from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from app.api.schemas import WHOLE_NUMBER, Input, Symbol
from app.domains.positions.schemas import PositionSide, PositionStatus
from app.domains.trading.fields import Amount, Moment, NotNegative, Positive
from botkeys.exchanges.model import MarginMode

MAX_REVISION = 2**53
"""What a number of JavaScript can count to."""


class PositionReport(Input):
    """What is left out stays as it was reported before."""

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
        Field(description="Needed only by a first report of a key that the bot had before."),
    ] = None
    revision: Annotated[
        Annotated[int, Field(ge=0, le=MAX_REVISION), WHOLE_NUMBER] | None,
        Field(description="Raised with each report; a lower is ignored."),
    ] = None
    symbol: Annotated[Symbol, Field(description="The exchange's own, as in the configuration.")]
    side: PositionSide
    status: Annotated[
        PositionStatus,
        Field(
            description="`opening` asks for permission, before the order is placed; `open` and "
            "`closed` say what is so."
        ),
    ]
    quantity: Annotated[NotNegative, Field(description="More than 0 until it is closed.")]
    entry_price: Positive | None = None
    exit_price: Positive | None = None
    leverage: Annotated[
        Positive | None, Field(description="At first the trading asset's, if left out.")
    ] = None
    margin_mode: Annotated[
        MarginMode | None, Field(description="At first the trading asset's, if left out.")
    ] = None
    fees: Annotated[Amount | None, Field(description="Paid; negative: earned.")] = None
    opened_at: Annotated[
        Moment | None, Field(description="The time of the first `open` report, if left out.")
    ] = None
    closed_at: Annotated[
        Moment | None,
        Field(description="Read with `closed`; the time of that report, if left out."),
    ] = None

    @field_validator("quantity")
    @classmethod
    def _is_something(cls, quantity: Decimal, info: ValidationInfo) -> Decimal:
        if not quantity and info.data.get("status") in {"opening", "open"}:
            raise ValueError("must be more than 0 until the position is closed")
        return quantity
