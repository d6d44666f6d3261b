"""What an audit entry looks like from outside."""

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
            description="What else is known of the event; depends on `action`.",
            examples=[{"exchange": "okx", "label": "OKX paper"}],
        ),
    ],
)


class AuditEvent(Document):
    """`actor` is user, service or bot; `outcome` allowed or refused, the latter with a `code`."""

    sequence: Annotated[int, Field(examples=[42])]
    id: UUID
    at: datetime
    actor: Annotated[str, Field(examples=["user"])]
    actor_id: Annotated[str, Field(examples=["alice"])]
    action: Annotated[str, Field(examples=["key.add"])]
    outcome: Annotated[str, Field(examples=["allowed"])]
    code: Annotated[str | None, Field(examples=[None])]
    target: Annotated[str | None, Field(examples=["key"])]
    target_id: Annotated[str | None, Field(examples=["01938a5e-0000-7000-8000-000000000001"])]
    environment: Annotated[Environment | None, Field(examples=["testnet"])]
    address: Annotated[str | None, Field(examples=["203.0.113.7"])]
    request_id: Annotated[str, Field(examples=["01938a5e-0000-7000-8000-000000000000"])]
    details: AuditDetails


class AuditPage(Document):
    items: list[AuditEvent]
    next_cursor: NextCursor
