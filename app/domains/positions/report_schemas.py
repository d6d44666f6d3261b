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
            description="Required only in the first report of a position under a key that "
            "the bot had before."
        ),
    ] = None
    revision: Annotated[
        Annotated[int, Field(ge=0, le=MAX_REVISION), WHOLE_NUMBER] | None,
        Field(
            description="A number that the bot increments with each report; a report with a "
            "lower one is ignored."
        ),
    ] = None
    symbol: Annotated[
        Symbol, Field(description="The exchange's own spelling, as in the configuration.")
    ]
    side: PositionSide
    status: Annotated[
        PositionStatus,
        Field(
            description="`opening` asks for permission before the order is placed; `open` "
            "and `closed` report facts."
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
    fees: Annotated[Amount | None, Field(description="Positive if paid, negative if earned.")] = (
        None
    )
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
