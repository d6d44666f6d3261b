"""Imports as the API takes and shows them."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypeAliasType

from app.api.schemas import Document

MOST_ROWS = 1_000_000
MOST_KEPT = 1000
"""How many refused rows are kept to be looked up; all are counted."""

ImportFormat = TypeAliasType(
    "ImportFormat",
    Annotated[
        Literal["botkeys", "freqtrade", "bybit_closed_pnl", "binance_income", "binance_trades"],
        Field(
            description="Who wrote the file: `botkeys` is this service's own list of trades, "
            "`freqtrade` that of freqtrade; the others are answers of the exchanges' own routes, "
            "and `bybit_closed_pnl` also what Bybit's website exports."
        ),
    ],
)
OnError = TypeAliasType(
    "OnError",
    Annotated[
        Literal["report", "abort"],
        Field(
            description="`report` stores every sound row and reports the others; `abort` stores "
            "nothing if one row is refused."
        ),
    ],
)
RowFault = TypeAliasType(
    "RowFault",
    Annotated[
        Literal[
            "invalid_item",
            "clock_ahead",
            "data_deleted",
            "exchange_differs",
            "environment_differs",
            "key_differs",
            "pnl_differs",
            "unknown_contract",
            "unordered",
        ],
        Field(description="Why a row was refused."),
    ],
)


class RefusedRow(Document):
    """A row that was refused. Nothing of its content is kept."""

    line: Annotated[
        int,
        Field(
            examples=[12],
            description="The line of the file, from 1; in JSON the number of the item.",
        ),
    ]
    code: Annotated[RowFault, Field(examples=["invalid_item"])]
    detail: Annotated[
        str,
        Field(examples=["closed_at: Field required (missing)"], description="Why, for people."),
    ]


class RefusedRows(Document):
    """The refused rows of an import, in the order of the file."""

    items: Annotated[
        list[RefusedRow],
        Field(description=f"Up to {MOST_KEPT}; the operation's receipt counts all."),
    ]
    next_cursor: Annotated[
        str | None, Field(description="Always null: the list is complete.", examples=[None])
    ]
