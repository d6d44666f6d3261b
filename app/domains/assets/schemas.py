"""What a trading asset looks like from outside."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.json_schema import WithJsonSchema

from app.api.schemas import Document, Flag, Input, NextCursor, Symbol, unrounded
from botkeys.exchanges.model import ContractType, Environment, ExchangeId, MarginMode

_PLACES = 4
_BOUND = 100_000
_TEXT = rf"[0-9]{{1,5}}(\.[0-9]{{1,{_PLACES}}})?"


def _as_leverage(value: Any) -> Any:
    """Python's own reading takes `1_0`, exponents and digits of any script."""
    if isinstance(value, str) and not re.fullmatch(_TEXT, value):
        raise ValueError(f"must be a number below {_BOUND} of at most {_PLACES} decimal places")
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
    """`leverage` is required, except on exchanges where it is implicit: there it is refused."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"symbol": "BTC-USDT-SWAP", "leverage": "10", "margin_mode": "cross"}]
        }
    )

    symbol: Annotated[Symbol, Field(description="The exchange's own, as in the instruments.")]
    leverage: Annotated[
        Leverage | None, Field(description="At most the symbol's `max_leverage`, where known.")
    ] = None
    margin_mode: Annotated[
        MarginMode | None,
        Field(description="`cross` if left out, or the only mode that the symbol has."),
    ] = None
    enabled: Flag = True


class AssetChange(Input):
    """A disabled asset opens no new positions and leaves open ones alone."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"leverage": "5", "enabled": True}]})

    leverage: Leverage | None = None
    margin_mode: MarginMode | None = None
    enabled: Flag | None = None


class Asset(Document):
    """An instrument that the key's bot may trade, and how; units as in `Instrument`.

    `leverage` is null where the exchange has none to set, `max_leverage` where it is not known.
    With one entry in `margin_modes` there is nothing to choose. `listed`: the exchange still
    lists the symbol. `open_positions` are held with this key, openings included: while there are
    any, the margin mode stays, and so does the asset. `blocked_by`: `asset_disabled`,
    `asset_delisted`, `leverage_above_max`.
    """

    symbol: Annotated[str, Field(examples=["BTC-USDT-SWAP"])]
    contract_type: ContractType
    environment: Annotated[Environment, Field(examples=["testnet"])]
    exchange: Annotated[ExchangeId, Field(examples=["okx"])]
    base: Annotated[str | None, Field(examples=["BTC"])]
    quote: Annotated[str | None, Field(examples=["USDT"])]
    settle: Annotated[str | None, Field(examples=["USDT"])]
    price: Annotated[str | None, Field(examples=["97012.5"])]
    volume_24h: Annotated[str | None, Field(examples=["1840223114.2"])]
    leverage: Annotated[str | None, Field(examples=["10"])]
    max_leverage: Annotated[str | None, Field(examples=["100"])]
    margin_mode: MarginMode
    margin_modes: Annotated[list[MarginMode], Field(examples=[["cross", "isolated"]])]
    enabled: Annotated[bool, Field(examples=[True])]
    listed: Annotated[bool, Field(examples=[True])]
    tick_size: Annotated[str | None, Field(examples=["0.1"])]
    lot_size: Annotated[str | None, Field(examples=["0.01"])]
    min_quantity: Annotated[str | None, Field(examples=["0.01"])]
    contract_size: Annotated[str | None, Field(examples=["0.01"])]
    may_open_positions: Annotated[bool, Field(examples=[True])]
    open_positions: Annotated[int, Field(examples=[0])]
    blocked_by: Annotated[list[str], Field(examples=[[]])]
    created_at: datetime
    updated_at: datetime


class AssetPage(Document):
    items: list[Asset]
    next_cursor: NextCursor
