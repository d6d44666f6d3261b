"""An event as the API shows it."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from typing_extensions import TypeAliasType

from app.api.schemas import Document, NextCursor
from app.domains.events.types import DESCRIBED, EventType
from botkeys.exchanges.model import Environment

AccountEventData = TypeAliasType(
    "AccountEventData",
    Annotated[
        dict[str, Any],
        Field(
            description="What the type's data hold; a member without a value is left out. "
            + " ".join(
                f"`{type_}`: {', '.join(f'`{name}`' for name in described.data)}."
                for type_, described in DESCRIBED.items()
            ),
            examples=[{"label": "OKX paper", "exchange": "okx"}],
        ),
    ],
)


class Event(Document):
    """Something that happened in the account: ids, labels and reasons, never balances or secrets.

    An event that concerns no key, or no bot, has no `key_id`, or no `bot_id`.
    """

    id: Annotated[
        str,
        Field(
            examples=["42-647aa1c3f8c2d"],
            description="Unique in the account, and what a stream takes as `Last-Event-ID`.",
        ),
    ]
    type: EventType
    at: Annotated[datetime, Field(description="When it happened.")]
    environment: Annotated[
        Environment | None,
        Field(examples=["testnet"], description="The environment that it concerns, if it is one."),
    ]
    key_id: UUID | None = None
    bot_id: UUID | None = None
    data: AccountEventData


class EventPage(Document):
    """A page of events."""

    items: list[Event]
    next_cursor: NextCursor
