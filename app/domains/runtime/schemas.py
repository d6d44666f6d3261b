"""What a bot sends and gets."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field
from typing_extensions import TypeAliasType

from app.api.schemas import Document, Input
from botkeys.exchanges.model import ContractType, Environment, ExchangeId, MarginMode

SealingSuite = TypeAliasType(
    "SealingSuite",
    Annotated[
        Literal["mlkem768-x25519", "x25519"],
        Field(
            description="The key agreement that seals a release: hybrid with ML-KEM-768, or "
            "X25519 alone."
        ),
    ],
)


class ReleaseRequest(Input):
    """A one-time public key that the bot generated in memory for this one request."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "suite": "x25519",
                    "public_key": "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo",
                }
            ]
        }
    )

    suite: SealingSuite
    public_key: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9_-]+={0,2}$",
            max_length=2000,
            description="base64url of an ML-KEM-768 key (1184 bytes) followed by an X25519 "
            "key (32 bytes), or of an X25519 key alone.",
        ),
    ]


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


class Release(Document):
    """The bot's credentials, sealed to its one-time key as described in docs/custody.md. Binary
    members are base64url.
    """

    release_id: UUID
    account_id: UUID
    bot_id: UUID
    key_id: UUID
    version: Annotated[int, Field(description="The version of the credentials.")]
    exchange: Annotated[ExchangeId, Field(examples=["okx"])]
    environment: Annotated[Environment, Field(examples=["testnet"])]
    suite: Annotated[SealingSuite, Field(examples=["x25519"])]
    sealed_data_key: Annotated[
        str,
        Field(
            examples=["hSDwCYkwp1R0i33c…"],
            description="The data key, sealed to the one-time public key.",
        ),
    ]
    nonce: Annotated[
        str, Field(examples=["X3k2mQ0r8sTzVw1y"], description="The nonce of `ciphertext`.")
    ]
    ciphertext: Annotated[
        str,
        Field(
            examples=["0QwNqfVg6c3M1w2k…"],
            description="The credentials, encrypted with the data key.",
        ),
    ]
    endpoints: ExchangeEndpoints


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
        str | None,
        Field(examples=["10"], description="Null on exchanges where leverage is implicit."),
    ]
    margin_mode: MarginMode
    enabled: Annotated[
        bool,
        Field(examples=[True], description="Whether the bot may open positions on the symbol."),
    ]
    max_leverage: Annotated[
        str | None,
        Field(examples=["100"], description="The exchange's maximum; null if it is not known."),
    ]
    settle: Annotated[
        str | None,
        Field(examples=["USDT"], description="The settle asset, normalised (XBT becomes BTC)."),
    ]
    price: Annotated[
        str | None,
        Field(
            examples=["97012.5"], description="The price at the latest fetch, in the quote asset."
        ),
    ]
    tick_size: Annotated[str | None, Field(examples=["0.1"], description="The price increment.")]
    lot_size: Annotated[str | None, Field(examples=["0.01"], description="The quantity increment.")]
    min_quantity: Annotated[
        str | None, Field(examples=["0.01"], description="The smallest order quantity.")
    ]
    contract_size: Annotated[
        str | None,
        Field(
            examples=["0.01"],
            description="What one unit of quantity is worth: in the base asset (linear) or "
            "the quote asset (inverse).",
        ),
    ]
    may_open_positions: Annotated[
        bool,
        Field(
            examples=[True],
            description="Whether the asset allows new positions; false if `blocked_by` "
            "lists a reason.",
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
            description="Whether the bot may open new positions; false if `blocked_by` "
            "lists a reason.",
        ),
    ]
    blocked_by: Annotated[
        list[str],
        Field(
            examples=[["bot_paused"]],
            description="Every reason why no new position may be opened, in order; empty if "
            "there is none.",
        ),
    ]
    key: Annotated[ConfigKey | None, Field(description="Null if the bot has no key.")]
    endpoints: ExchangeEndpoints
    assets: Annotated[
        list[ConfigAsset],
        Field(description="The key's trading assets of its current contract type."),
    ]
