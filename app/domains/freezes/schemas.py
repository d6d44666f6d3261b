"""A freeze as the API shows it."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator
from typing_extensions import TypeAliasType

from app.api.schemas import Document, Input, Label, NextCursor
from botkeys.exchanges.model import Environment, ExchangeId

FreezeScope = TypeAliasType(
    "FreezeScope",
    Annotated[
        Literal["account", "exchange", "key"],
        Field(description="What a freeze covers: the whole account, one exchange or one key."),
    ],
)


class FreezeCreate(Input):
    """A freeze to add. The scopes `exchange` and `key` require `exchange` and `key_id`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"scope": "account", "reason": "Something is wrong"}]}
    )

    scope: FreezeScope
    exchange: Annotated[
        ExchangeId | None,
        Field(description="Required by the scope `exchange`, rejected with any other."),
    ] = None
    key_id: Annotated[
        UUID | None, Field(description="Required by the scope `key`, rejected with any other.")
    ] = None
    reason: Annotated[Label | None, Field(description="A note for people.")] = None

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
    """A stop on new positions, in force until it is lifted."""

    id: UUID
    scope: FreezeScope
    exchange: Annotated[
        ExchangeId | None,
        Field(examples=[None], description="Null unless the scope is `exchange`."),
    ]
    key_id: Annotated[
        UUID | None, Field(examples=[None], description="Null unless the scope is `key`.")
    ]
    environment: Annotated[
        Environment | None,
        Field(
            examples=[None],
            description="The key's environment; null for a freeze of the account or an exchange, "
            "which covers both.",
        ),
    ]
    reason: Annotated[
        str | None, Field(examples=["Something is wrong"], description="A note for people.")
    ]
    created_at: datetime


class FreezePage(Document):
    """A page of freezes."""

    items: list[Freeze]
    next_cursor: NextCursor
