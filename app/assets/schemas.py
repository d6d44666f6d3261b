"""What a trading asset looks like from outside."""

from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.json_schema import WithJsonSchema

from app.exchanges.model import ContractType, Environment, ExchangeId, MarginMode
from app.schemas import Document, Flag, Input, PlainDecimal, Symbol

Leverage = Annotated[
    PlainDecimal,
    Field(gt=0, max_digits=9, decimal_places=4),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^\d{1,5}(\.\d{1,4})?$"},
                {"type": "number", "exclusiveMinimum": 0, "maximum": 99_999},
            ],
            "examples": ["10"],
        }
    ),
]


class NewAsset(Input):
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
    environment: Environment
    exchange: ExchangeId
    base: Annotated[str | None, Field(examples=["BTC"])]
    quote: Annotated[str | None, Field(examples=["USDT"])]
    settle: Annotated[str | None, Field(examples=["USDT"])]
    price: Annotated[str | None, Field(examples=["97012.5"])]
    volume_24h: Annotated[str | None, Field(examples=["1840223114.2"])]
    leverage: Annotated[str | None, Field(examples=["10"])]
    max_leverage: Annotated[str | None, Field(examples=["100"])]
    margin_mode: MarginMode
    margin_modes: list[MarginMode]
    enabled: bool
    listed: bool
    tick_size: Annotated[str | None, Field(examples=["0.1"])]
    lot_size: Annotated[str | None, Field(examples=["0.01"])]
    min_quantity: Annotated[str | None, Field(examples=["0.01"])]
    contract_size: Annotated[str | None, Field(examples=["0.01"])]
    may_open_positions: bool
    open_positions: Annotated[int, Field(examples=[0])]
    blocked_by: Annotated[list[str], Field(examples=[["leverage_above_max"]])]
    created_at: datetime
    updated_at: datetime


class AssetPage(Document):
    items: list[Asset]
    next_cursor: str | None
