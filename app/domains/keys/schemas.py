"""What a key looks like from outside."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from app.api.schemas import Document, Flag, Input, Label, NextCursor, SecretText
from app.domains.trading.counts import DeletedRows, KindCounts
from botkeys.exchanges.model import ContractType, Environment, ExchangeId, PermissionAnswer

_CREDENTIALS_EXAMPLE: JsonDict = {
    "api_key": "7d3ce1f0-0000-4000-8000-1c2a5b9e7f10",
    "api_secret": "0A1B2C3D4E5F60718293A4B5C6D7E8F9:passphrase",
}
_KEY_EXAMPLE: JsonDict = {
    "label": "OKX paper",
    "exchange": "okx",
    "environment": "testnet",
    "contract_type": "linear",
    **_CREDENTIALS_EXAMPLE,
}


class CredentialsReplace(Input):
    """What the exchange gave out for one API key."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CREDENTIALS_EXAMPLE]})

    api_key: Annotated[SecretText, Field(description="Sealed at once; only a mask is kept.")]
    api_secret: Annotated[
        SecretText, Field(description="Never shown again. OKX, KuCoin: `secret:passphrase`.")
    ]
    api_passphrase: Annotated[
        SecretText | None, Field(description="OKX, KuCoin: the passphrase, if not in the secret.")
    ] = None
    verify_: Annotated[
        Flag,
        Field(alias="verify", description="Ask the exchange whether it accepts the key."),
    ] = True


class KeyCreate(CredentialsReplace):
    model_config = ConfigDict(json_schema_extra={"examples": [_KEY_EXAMPLE]})

    label: Label
    exchange: ExchangeId
    environment: Environment
    region: Annotated[
        str | None,
        Field(max_length=20, description="Where the exchange has regions of its own (OKX)."),
    ] = None
    contract_type: ContractType
    active: Flag = True


class KeyChange(Input):
    """`exchange` and `api_key` never change: replace the key by a new one."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"label": "OKX main", "active": False}]}
    )

    label: Label | None = None
    active: Flag | None = None
    contract_type: Annotated[
        ContractType | None,
        Field(
            description="Shows the instruments and trading assets of the other type. Not while "
            "the key's bot is online, nor while a position is open with the key."
        ),
    ] = None
    environment: Annotated[
        Environment | None, Field(description="Cannot be changed; refused unless it is the same.")
    ] = None


class AssignedBot(Document):
    id: UUID
    name: Annotated[str, Field(examples=["Grid BTC"])]


class KeyPermissions(Document):
    """What the exchange says that the key may do; `unknown` where it does not tell."""

    read: Annotated[PermissionAnswer, Field(examples=["yes"])]
    trade: Annotated[PermissionAnswer, Field(examples=["yes"])]
    withdraw: Annotated[PermissionAnswer, Field(examples=["no"])]
    ip_restricted: Annotated[PermissionAnswer, Field(examples=["unknown"])]


class Verification(Document):
    """`reason`: why it is unreachable (`no_endpoint`, `no_answer`, `bad_answer`, `rate_limited`: by
    the exchange, or by us before it) or rejected; `possible`: causes that are not told apart.
    """

    status: Annotated[str, Field(examples=["verified"])]
    reason: Annotated[str | None, Field(examples=[None])]
    possible: Annotated[list[str] | None, Field(examples=[None])]
    checked_at: datetime | None


class LastRelease(Document):
    """When a bot last fetched the credentials, and the address it called from."""

    at: datetime
    from_: Annotated[str, Field(alias="from", examples=["203.0.113.7"])]


class Key(Document):
    """Everything but the secrets; `masked_key` helps to tell keys apart."""

    id: UUID
    label: Annotated[str, Field(examples=["OKX paper"])]
    exchange: Annotated[ExchangeId, Field(examples=["okx"])]
    environment: Annotated[Environment, Field(examples=["testnet"])]
    region: Annotated[str | None, Field(examples=[None])]
    contract_type: ContractType
    masked_key: Annotated[str, Field(examples=["7d3c…7f10"])]
    active: Annotated[bool, Field(examples=[True])]
    bot: AssignedBot | None
    permissions: KeyPermissions
    expires_at: Annotated[datetime | None, Field(examples=[None])]
    verification: Verification
    last_release: LastRelease | None
    version: Annotated[int, Field(examples=[1])]
    created_at: datetime
    updated_at: datetime


class KeyPage(Document):
    items: list[Key]
    next_cursor: NextCursor


class AssociatedData(StrEnum):
    """What becomes of the trading data of a key that is deleted."""

    KEEP = "keep"
    DELETE = "delete"


class DeletionReceipt(Document):
    """What went with the key; trading data stay."""

    key_id: UUID
    associated_data: Annotated[str, Field(examples=["keep"])]
    deleted: Annotated[
        DeletedRows,
        Field(examples=[{"keys": 1, "credentials": 1, "trading_assets": 4, "freezes": 0}]),
    ]


class KeyDeletionPreview(Document):
    """The rows that would go with the key. Held positions and a bot are in its way."""

    key_id: UUID
    counts: KindCounts
    held_positions: Annotated[int, Field(examples=[0])]
    bot: Annotated[AssignedBot | None, Field(examples=[None])]
