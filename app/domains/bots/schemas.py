"""A bot as the API shows it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from app.api.schemas import Document, Flag, Input, Label, NextCursor
from botkeys.exchanges.model import ContractType, Environment, ExchangeId


class BotCreate(Input):
    """A bot to add."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Grid BTC"}]})

    name: Annotated[Label, Field(description="A name for people; it need not be unique.")]


class BotChange(Input):
    """A change of a bot. Omitted members keep their value."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"paused": True}]})

    name: Annotated[
        Label | None, Field(description="A name for people; it need not be unique.")
    ] = None
    paused: Annotated[
        Flag | None,
        Field(
            description="A paused bot opens no new positions and continues to manage its open ones."
        ),
    ] = None


class KeyAssignment(Input):
    """The key to assign to the bot."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"key_id": "01938a5e-0000-7000-8000-000000000000"}]}
    )

    key_id: Annotated[
        UUID, Field(description="The id of a key that is active and not assigned to another bot.")
    ]


class AssignedKey(Document):
    """The key that is assigned to the bot."""

    id: UUID
    label: Annotated[str, Field(examples=["OKX paper"])]
    exchange: Annotated[ExchangeId, Field(examples=["okx"])]
    environment: Annotated[Environment, Field(examples=["testnet"])]
    contract_type: ContractType
    active: Annotated[
        bool, Field(examples=[True], description="A key that is not active opens no new positions.")
    ]


class Bot(Document):
    """A trading bot."""

    id: UUID
    name: Annotated[str, Field(examples=["Grid BTC"])]
    paused: Annotated[
        bool,
        Field(
            description="A paused bot opens no new positions and continues to manage its open ones."
        ),
    ]
    online: Annotated[
        bool, Field(examples=[True], description="Whether the latest heartbeat is recent enough.")
    ]
    last_heartbeat_at: Annotated[
        datetime | None, Field(description="Null if the bot never sent one.")
    ]
    blocked_by: Annotated[
        list[str],
        Field(
            examples=[["no_trading_assets"]],
            description="Every reason why the bot may open no positions now, as in its "
            "configuration; empty if it may.",
        ),
    ]
    key: Annotated[
        AssignedKey | None, Field(description="The assigned key; null if there is none.")
    ]
    open_positions: Annotated[
        int, Field(examples=[0], description="Positions that are open or being opened.")
    ]
    open_orders: Annotated[
        int,
        Field(
            examples=[0],
            description="Orders resting at the exchange, as the bot reported within 5 minutes.",
        ),
    ]
    created_at: datetime
    updated_at: datetime


class BotPage(Document):
    """A page of bots."""

    items: list[Bot]
    next_cursor: NextCursor


class BotToken(Document):
    """A bot's token. It is shown once; the service stores only a keyed hash of it."""

    token: Annotated[
        str,
        Field(examples=["bkb_…"], description="The secret to send as `Authorization: Bearer …`."),
    ]
