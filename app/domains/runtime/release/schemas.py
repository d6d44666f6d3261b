"""The request for a bot's credentials, and the response."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field
from typing_extensions import TypeAliasType

from app.api.schemas import Document, Input
from app.domains.runtime.config.schemas import ExchangeEndpoints
from botkeys.exchanges.model import Environment, ExchangeId

SealingSuite = TypeAliasType(
    "SealingSuite",
    Annotated[
        Literal["mlkem768-x25519", "x25519"],
        Field(
            description="The key agreement that seals a release: hybrid with ML-KEM-768, or X25519 "
            "alone."
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
            description="base64url of an ML-KEM-768 key (1184 bytes) followed by an X25519 key (32 "
            "bytes), or of an X25519 key alone.",
        ),
    ]


class SealedApiKey(Document):
    """The API key of a key pair, sealed to the bot's one-time key with a data key of its own."""

    sealed_data_key: Annotated[
        str,
        Field(
            examples=["hSDwCYkwp1R0i33c…"],
            description="The data key, sealed to the one-time public key and bound to the negated "
            "version.",
        ),
    ]
    nonce: Annotated[
        str, Field(examples=["X3k2mQ0r8sTzVw1y"], description="The nonce of `ciphertext`.")
    ]
    ciphertext: Annotated[
        str,
        Field(
            examples=["0QwNqfVg6c3M1w2k…"],
            description="The API key, encrypted with the data key.",
        ),
    ]


class Release(Document):
    """The bot's credentials, sealed to its one-time key as described in docs/custody.md. Binary
    members are base64url.
    """

    release_id: Annotated[UUID, Field(description="The id of this release, as in the audit log.")]
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
    sealed_api_key: Annotated[
        SealedApiKey | None,
        Field(
            description="For a key whose key pair was made here: `ciphertext` then holds the "
            "private half alone, and this the API key. Null for other keys."
        ),
    ]
    endpoints: ExchangeEndpoints
