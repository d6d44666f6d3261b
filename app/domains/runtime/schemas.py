"""What a bot sends and gets."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field
from typing_extensions import TypeAliasType

from app.api.schemas import Document, Input
from botkeys.exchanges.model import ContractType, Environment, ExchangeId, MarginMode

SealingSuite = TypeAliasType("SealingSuite", Literal["mlkem768-x25519", "x25519"])


class ReleaseRequest(Input):
    """A one-time public key, made in the bot's memory for this one request."""

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
            description="base64url of ML-KEM-768 (1184 B) and X25519 (32 B), or of X25519 alone.",
        ),
    ]


class ExchangeEndpoints(Document):
    """Where the bot connects to at its exchange; `null` where no host is known."""

    rest: Annotated[str | None, Field(examples=["https://www.okx.com"])]
    websocket: Annotated[str | None, Field(examples=["wss://ws.okx.com:8443"])]


class Release(Document):
    """Sealed to the bot's one-time key (docs/custody.md). Binary members are base64url."""

    release_id: UUID
    account_id: UUID
    bot_id: UUID
    key_id: UUID
    version: int
    exchange: Annotated[ExchangeId, Field(examples=["okx"])]
    environment: Annotated[Environment, Field(examples=["testnet"])]
    suite: Annotated[SealingSuite, Field(examples=["x25519"])]
    sealed_data_key: Annotated[str, Field(examples=["hSDwCYkwp1R0i33c…"])]
    nonce: Annotated[str, Field(examples=["X3k2mQ0r8sTzVw1y"])]
    ciphertext: Annotated[str, Field(examples=["0QwNqfVg6c3M1w2k…"])]
    endpoints: ExchangeEndpoints


class ConfigKey(Document):
    id: UUID
    label: Annotated[str, Field(examples=["OKX paper"])]
    exchange: Annotated[ExchangeId, Field(examples=["okx"])]
    environment: Annotated[Environment, Field(examples=["testnet"])]
    contract_type: ContractType
    version: int


class ConfigAsset(Document):
    """An instrument that the bot may trade, in the exchange's units (see `Instrument`).

    `leverage` is null where the exchange has none to set, `max_leverage` where it is not known.
    """

    symbol: Annotated[str, Field(examples=["BTC-USDT-SWAP"])]
    leverage: Annotated[str | None, Field(examples=["10"])]
    margin_mode: MarginMode
    enabled: Annotated[bool, Field(examples=[True])]
    max_leverage: Annotated[str | None, Field(examples=["100"])]
    settle: Annotated[str | None, Field(examples=["USDT"])]
    price: Annotated[str | None, Field(examples=["97012.5"])]
    tick_size: Annotated[str | None, Field(examples=["0.1"])]
    lot_size: Annotated[str | None, Field(examples=["0.01"])]
    min_quantity: Annotated[str | None, Field(examples=["0.01"])]
    contract_size: Annotated[str | None, Field(examples=["0.01"])]
    may_open_positions: Annotated[bool, Field(examples=[True])]
    blocked_by: Annotated[list[str], Field(examples=[[]])]


class Config(Document):
    """`version` changes exactly when the rest does. `blocked_by` lists every reason, in order."""

    version: Annotated[str, Field(examples=["9b0f5c6c2fdd2b6ab1f8f1f0f8b7a3d4"])]
    may_open_positions: Annotated[bool, Field(examples=[False])]
    blocked_by: Annotated[list[str], Field(examples=[["bot_paused"]])]
    key: ConfigKey | None
    endpoints: ExchangeEndpoints
    assets: list[ConfigAsset]
