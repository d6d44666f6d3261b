"""What an audit entry looks like from outside."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from typing_extensions import TypeAliasType

from app.api.schemas import Document, NextCursor
from botkeys.exchanges.model import Environment

AuditDetails = TypeAliasType("AuditDetails", dict[str, Any])


class AuditEvent(Document):
    """`actor` is user, service or bot; `outcome` allowed or refused, the latter with a `code`."""

    sequence: int
    id: UUID
    at: datetime
    actor: Annotated[str, Field(examples=["user"])]
    actor_id: str
    action: Annotated[str, Field(examples=["key.add"])]
    outcome: Annotated[str, Field(examples=["allowed"])]
    code: str | None
    target: str | None
    target_id: str | None
    environment: Environment | None
    address: str | None
    request_id: str
    details: AuditDetails


class AuditPage(Document):
    items: list[AuditEvent]
    next_cursor: NextCursor
