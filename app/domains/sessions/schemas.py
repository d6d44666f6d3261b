"""A session as the API shows it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.api.schemas import Document, NextCursor


class Session(Document):
    """A browser that is signed in to the dashboard."""

    id: UUID
    current: Annotated[
        bool, Field(description="Whether it is the session that the request itself belongs to.")
    ]
    created_at: Annotated[datetime, Field(description="When the person signed in.")]
    last_used_at: Annotated[
        datetime, Field(description="When it was last used, exact to about a minute.")
    ]
    expires_at: Annotated[datetime, Field(description="When it ends, however much it is used.")]
    address: Annotated[
        str, Field(examples=["192.0.2.7"], description="The address it was last used from.")
    ]
    user_agent: Annotated[
        str | None,
        Field(
            examples=["Mozilla/5.0 (X11; Linux x86_64)"],
            description="What the browser last called itself: at most 256 characters.",
        ),
    ]


class SessionPage(Document):
    """A page of sessions."""

    items: list[Session]
    next_cursor: NextCursor


class EndedSessions(Document):
    """How many sessions were ended."""

    ended: Annotated[int, Field(examples=[2], description="The number of sessions ended.")]
