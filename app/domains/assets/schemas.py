"""A trading asset as the API shows it."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.json_schema import WithJsonSchema

from app.api.schemas import (
    UNDERSTOOD,
    DecimalText,
    Document,
    Flag,
    Input,
    NextCursor,
    Symbol,
    unrounded,
)
from botkeys.exchanges.model import ContractType, Environment, ExchangeId, MarginMode

_PLACES = 4
_BOUND = 100_000
_TEXT = rf"[0-9]{{1,5}}(\.[0-9]{{1,{_PLACES}}})?"


def _as_leverage(value: Any) -> Any:
    """Accept plain digits only: `Decimal` itself takes `1_0`, exponents and any script's digits."""
    if isinstance(value, str) and not re.fullmatch(_TEXT, value):
        raise ValueError(f"must be a number below {_BOUND} with at most {_PLACES} decimal places")
    return unrounded(value)


Leverage = Annotated[
    Decimal,
    BeforeValidator(_as_leverage),
    Field(gt=0, lt=_BOUND, decimal_places=_PLACES),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"^{_TEXT}$",
            "description": f"More than 0, with at most {_PLACES} decimal places.",
            "examples": ["10"],
        }
    ),
]


class AssetCreate(Input):
    """A trading asset to add. `leverage` is required with the margin modes that are among the
    exchange's `leverage_margin_modes`, and rejected with all others.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"symbol": "BTC-USDT-SWAP", "leverage": "10", "margin_mode": "cross"}]
        }
    )

    symbol: Annotated[Symbol, Field(description=UNDERSTOOD)]
    leverage: Annotated[
        Leverage | None, Field(description="At most the symbol's `max_leverage`, if known.")
    ] = None
    margin_mode: Annotated[
        MarginMode | None,
        Field(
            description="Defaults to `cross`, or to the only mode that the symbol supports. Where "
            "the exchange account has one mode for all symbols, that one is the default, and any "
            "other is refused as `margin_mode_differs`."
        ),
    ] = None
    enabled: Annotated[
        Flag, Field(description="Whether the bot may open positions on the symbol.")
    ] = True


class AssetChange(Input):
    """A change of a trading asset. Omitted members keep their value. A disabled asset opens no new
    positions; open positions are not affected.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"leverage": "5", "enabled": True}]})

    leverage: Annotated[
        Leverage | None, Field(description="At most the symbol's `max_leverage`, if known.")
    ] = None
    margin_mode: Annotated[
        MarginMode | None,
        Field(description="Cannot be changed while a position is open on the symbol."),
    ] = None
    enabled: Annotated[
        Flag | None, Field(description="Whether the bot may open positions on the symbol.")
    ] = None


class Asset(Document):
    """An instrument that the key's bot may trade, with its settings. Units are those of
    `Instrument`.
    """

    symbol: Annotated[
        str, Field(examples=["BTC-USDT-SWAP"], description="The exchange's own spelling.")
    ]
    contract_type: ContractType
    environment: Annotated[Environment, Field(examples=["testnet"])]
    exchange: Annotated[ExchangeId, Field(examples=["okx"])]
    base: Annotated[
        str | None,
        Field(examples=["BTC"], description="The base asset, normalised (XBT becomes BTC)."),
    ]
    quote: Annotated[
        str | None, Field(examples=["USDT"], description="The quote asset, normalised.")
    ]
    settle: Annotated[
        str | None, Field(examples=["USDT"], description="The settle asset, normalised.")
    ]
    price: Annotated[
        DecimalText | None,
        Field(
            examples=["97012.5"], description="The price at the latest fetch, in the quote asset."
        ),
    ]
    volume_24h: Annotated[
        DecimalText | None,
        Field(
            examples=["1840223114.2"],
            description="The volume of the last 24 hours at the latest fetch, in the quote asset.",
        ),
    ]
    leverage: Annotated[
        DecimalText | None,
        Field(
            examples=["10"],
            description="Null where leverage is implicit, everywhere or with this margin mode.",
        ),
    ]
    max_leverage: Annotated[
        DecimalText | None,
        Field(examples=["100"], description="The exchange's maximum; null if it is not known."),
    ]
    margin_mode: Annotated[
        MarginMode, Field(description="Cannot be changed while `open_positions` is not 0.")
    ]
    margin_modes: Annotated[
        list[MarginMode],
        Field(
            examples=[["cross", "isolated"]],
            description="The modes that the symbol supports; a single entry leaves no choice.",
        ),
    ]
    enabled: Annotated[
        bool,
        Field(examples=[True], description="Whether the bot may open positions on the symbol."),
    ]
    listed: Annotated[
        bool, Field(examples=[True], description="Whether the exchange still lists the symbol.")
    ]
    tick_size: Annotated[
        DecimalText | None, Field(examples=["0.1"], description="The price increment.")
    ]
    lot_size: Annotated[
        DecimalText | None, Field(examples=["0.01"], description="The quantity increment.")
    ]
    min_quantity: Annotated[
        DecimalText | None, Field(examples=["0.01"], description="The smallest order quantity.")
    ]
    contract_size: Annotated[
        DecimalText | None,
        Field(
            examples=["0.01"],
            description="What one unit of quantity is worth: in the base asset (linear) or the "
            "quote asset (inverse).",
        ),
    ]
    contract_changed_at: Annotated[
        datetime | None,
        Field(
            description="When the exchange last changed `contract_size` or `settle`; null if it "
            "never did while the service knew the symbol. The event `contract_changed` has the "
            "values before and after.",
        ),
    ]
    may_open_positions: Annotated[
        bool,
        Field(
            examples=[True],
            description="Whether the asset allows new positions; false if `blocked_by` lists a "
            "reason.",
        ),
    ]
    open_positions: Annotated[
        int,
        Field(
            examples=[0],
            description="Positions held with this key, including those being opened. The asset "
            "cannot be removed while there are any. What a bot reports as open more than a minute "
            "after it lost the key does not count.",
        ),
    ]
    blocked_by: Annotated[
        list[str],
        Field(
            examples=[[]],
            description="Every reason why no new position may be opened on the symbol: "
            "`asset_disabled`, `asset_delisted`, `leverage_above_max`.",
        ),
    ]
    created_at: datetime
    updated_at: datetime


class OtherAsset(Document):
    """Another trading asset, by what identifies it."""

    key_id: UUID
    contract_type: ContractType
    symbol: Annotated[str, Field(examples=["ETHUSDT"], description="The exchange's own spelling.")]


class AssetChanged(Asset):
    """A trading asset after a change."""

    also_changed: Annotated[
        list[OtherAsset],
        Field(
            examples=[[]],
            description="Other trading assets whose margin mode changed with it, because their "
            "exchange account has one for all symbols.",
        ),
    ]


class AssetPage(Document):
    """A page of trading assets."""

    items: list[Asset]
    next_cursor: NextCursor
