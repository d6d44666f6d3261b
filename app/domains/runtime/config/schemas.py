"""A bot's configuration as the API shows it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.api.schemas import DecimalText, Document
from botkeys.exchanges.model import ContractType, Environment, ExchangeId, MarginMode


class ExchangeEndpoints(Document):
    """Base addresses of the exchange that the bot connects to; null if no host is known."""

    rest: Annotated[
        str | None,
        Field(examples=["https://www.okx.com"], description="Base address of the REST API."),
    ]
    websocket: Annotated[
        str | None,
        Field(examples=["wss://ws.okx.com:8443"], description="Base address of the WebSocket API."),
    ]


class ConfigKey(Document):
    """The key that is assigned to the bot."""

    id: UUID
    label: Annotated[str, Field(examples=["OKX paper"])]
    exchange: Annotated[ExchangeId, Field(examples=["okx"])]
    environment: Annotated[Environment, Field(examples=["testnet"])]
    contract_type: ContractType
    version: Annotated[
        int, Field(description="The version of the credentials; fetch them again if it changes.")
    ]


class ConfigAsset(Document):
    """An instrument that the bot may trade, with its settings. Units are those of `Instrument`."""

    symbol: Annotated[
        str, Field(examples=["BTC-USDT-SWAP"], description="The exchange's own spelling.")
    ]
    leverage: Annotated[
        DecimalText | None,
        Field(
            examples=["10"],
            description="Null where leverage is implicit, everywhere or with this margin mode. At "
            "Kraken, setting one would make the position isolated.",
        ),
    ]
    margin_mode: MarginMode
    enabled: Annotated[
        bool,
        Field(examples=[True], description="Whether the bot may open positions on the symbol."),
    ]
    max_leverage: Annotated[
        DecimalText | None,
        Field(examples=["100"], description="The exchange's maximum; null if it is not known."),
    ]
    settle: Annotated[
        str | None,
        Field(examples=["USDT"], description="The settle asset, normalised (XBT becomes BTC)."),
    ]
    price: Annotated[
        DecimalText | None,
        Field(
            examples=["97012.5"], description="The price at the latest fetch, in the quote asset."
        ),
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
            "never did while the service knew the symbol. Stop sizing orders with older values."
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
    blocked_by: Annotated[
        list[str],
        Field(
            examples=[[]],
            description="Every reason why no new position may be opened on the symbol.",
        ),
    ]


class Config(Document):
    """The bot's configuration."""

    version: Annotated[
        str,
        Field(
            examples=["9b0f5c6c2fdd2b6ab1f8f1f0f8b7a3d4"],
            description="Changes exactly when another member changes.",
        ),
    ]
    may_open_positions: Annotated[
        bool,
        Field(
            examples=[False],
            description="Whether the bot may open new positions; false if `blocked_by` lists a "
            "reason.",
        ),
    ]
    blocked_by: Annotated[
        list[str],
        Field(
            examples=[["bot_paused"]],
            description="Every reason why no new position may be opened, in order; empty if there "
            "is none: `account_closing`, `frozen`, `bot_paused`, `no_key`, `key_inactive`, "
            "`key_cannot_trade`, `withdrawal_permission`, `unverified`, `credentials_rejected`, "
            "`no_trading_assets`, `catalogue_unknown`.",
        ),
    ]
    key: Annotated[ConfigKey | None, Field(description="Null if the bot has no key.")]
    endpoints: ExchangeEndpoints
    assets: Annotated[
        list[ConfigAsset],
        Field(description="The key's trading assets of its current contract type."),
    ]
