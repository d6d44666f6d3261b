"""What a freeze looks like from outside."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator
from typing_extensions import TypeAliasType

from app.api.schemas import Document, Input, Label, NextCursor
from botkeys.exchanges.model import Environment, ExchangeId

FreezeScope = TypeAliasType("FreezeScope", Literal["account", "exchange", "key"])


class FreezeCreate(Input):
    """`exchange` belongs to the scope `exchange`, `key_id` to the scope `key`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"scope": "account", "reason": "Something is wrong"}]}
    )

    scope: FreezeScope
    exchange: ExchangeId | None = None
    key_id: UUID | None = None
    reason: Label | None = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        for scope, member in (("exchange", "exchange"), ("key", "key_id")):
            if (self.scope == scope) != (getattr(self, member) is not None):
                raise ValueError(f"`{member}` belongs to the scope `{scope}`, and to no other")
        return self

    @property
    def target(self) -> dict[str, Any]:
        return {"scope": self.scope, "exchange": self.exchange, "key_id": self.key_id}


class Freeze(Document):
    """`environment` is that of the key; a freeze of an account or an exchange is of both."""

    id: UUID
    scope: FreezeScope
    exchange: Annotated[ExchangeId | None, Field(examples=[None])]
    key_id: Annotated[UUID | None, Field(examples=[None])]
    environment: Annotated[Environment | None, Field(examples=[None])]
    reason: Annotated[str | None, Field(examples=["Something is wrong"])]
    created_at: datetime


class FreezePage(Document):
    items: list[Freeze]
    next_cursor: NextCursor
