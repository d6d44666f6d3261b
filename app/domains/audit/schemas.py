"""An audit entry as the API shows it."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from typing_extensions import TypeAliasType

from app.api.schemas import Document, NextCursor
from botkeys.exchanges.model import Environment

AuditDetails = TypeAliasType(
    "AuditDetails",
    Annotated[
        dict[str, Any],
        Field(
            description="Facts about the event; the members depend on `action`. An entry of "
            "several refusals that are alike has `count`, `first_at`, `last_at` and `addresses`; "
            "its request is the last of them.",
            examples=[{"exchange": "okx", "label": "OKX paper"}],
        ),
    ],
)


class AuditEvent(Document):
    """An entry of the audit log: a change, a refusal or a release."""

    sequence: Annotated[
        int, Field(examples=[42], description="The entry's number in the account's log.")
    ]
    id: UUID
    at: Annotated[datetime, Field(description="When it happened.")]
    actor: Annotated[
        str, Field(examples=["user"], description="Who acted: `user`, `service` or `bot`.")
    ]
    actor_id: Annotated[
        str, Field(examples=["alice"], description="The token's subject, or the bot's id.")
    ]
    action: Annotated[str, Field(examples=["key.add"], description="What was done or attempted.")]
    outcome: Annotated[str, Field(examples=["allowed"], description="`allowed` or `refused`.")]
    code: Annotated[
        str | None,
        Field(
            examples=[None],
            description="The problem's code if the outcome is `refused`, else null.",
        ),
    ]
    target: Annotated[
        str | None, Field(examples=["key"], description="The kind of object that was acted on.")
    ]
    target_id: Annotated[
        str | None,
        Field(
            examples=["01938a5e-0000-7000-8000-000000000001"],
            description="The id of the object that was acted on.",
        ),
    ]
    environment: Annotated[
        Environment | None,
        Field(
            examples=["testnet"], description="The environment of the object, if it belongs to one."
        ),
    ]
    address: Annotated[
        str | None, Field(examples=["203.0.113.7"], description="The IP address of the caller.")
    ]
    request_id: Annotated[
        str,
        Field(
            examples=["01938a5e-0000-7000-8000-000000000000"],
            description="The id of the request, as in the response's header and in problems.",
        ),
    ]
    details: AuditDetails


class AuditPage(Document):
    """A page of audit events."""

    items: list[AuditEvent]
    next_cursor: NextCursor
