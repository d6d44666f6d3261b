"""Resting orders as bots report them."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from app.api.schemas import UNDERSTOOD, WHOLE_NUMBER, Document, Input, Symbol

MOST_SYMBOLS = 500
MOST_ORDERS = 10_000


class OrderCount(Input):
    """How many orders rest on a symbol."""

    symbol: Annotated[
        Symbol,
        Field(
            examples=["BTC-USDT-SWAP"],
            description=UNDERSTOOD,
        ),
    ]
    count: Annotated[
        int,
        Field(
            ge=1,
            le=MOST_ORDERS,
            examples=[3],
            description="Orders that the exchange holds unfilled.",
        ),
        WHOLE_NUMBER,
    ]


class OrderReport(Input):
    """All orders of the bot that rest at the exchange; an empty list says that none does."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"orders": [{"symbol": "BTC-USDT-SWAP", "count": 3}]}]}
    )

    orders: Annotated[
        list[OrderCount],
        Field(
            max_length=MOST_SYMBOLS,
            description="One entry for each symbol. Symbols left out have no orders.",
        ),
    ]
    key_id: Annotated[
        UUID | None,
        Field(
            description="The key that the orders were placed with; a report that arrives after "
            "the bot's key was swapped is then refused."
        ),
    ] = None

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        if len({entry.symbol for entry in self.orders}) < len(self.orders):
            raise ValueError("name each symbol once")
        return self


class RestingOrders(Document):
    """The resting orders as stored."""

    key_id: Annotated[UUID, Field(description="The key that they lock.")]
    orders: list[OrderCount]
    expires_at: Annotated[
        datetime | None,
        Field(description="Until when they count, unless they are reported again; null if none."),
    ]
