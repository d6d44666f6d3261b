"""What a bot looks like from outside."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from app.api.schemas import Document, Flag, Input, Label, NextCursor
from botkeys.exchanges.model import Environment, ExchangeId


class BotCreate(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Grid BTC"}]})

    name: Label


class BotChange(Input):
    """`paused` stops new positions and nothing else."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"paused": True}]})

    name: Label | None = None
    paused: Flag | None = None


class KeyAssignment(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"key_id": "01938a5e-0000-7000-8000-000000000000"}]}
    )

    key_id: UUID


class AssignedKey(Document):
    id: UUID
    label: Annotated[str, Field(examples=["OKX paper"])]
    exchange: Annotated[ExchangeId, Field(examples=["okx"])]
    environment: Annotated[Environment, Field(examples=["testnet"])]


class Bot(Document):
    """`online`: a heartbeat came within the lease. `open_positions` counts reservations too."""

    id: UUID
    name: Annotated[str, Field(examples=["Grid BTC"])]
    paused: bool
    online: Annotated[bool, Field(examples=[True])]
    last_heartbeat_at: datetime | None
    key: AssignedKey | None
    open_positions: Annotated[int, Field(examples=[0])]
    created_at: datetime
    updated_at: datetime


class BotPage(Document):
    items: list[Bot]
    next_cursor: NextCursor


class BotToken(Document):
    """Shown once; only a keyed hash of it is stored."""

    token: Annotated[str, Field(examples=["bkb_…"])]
