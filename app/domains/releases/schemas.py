"""The releases of a key as the API shows them."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.api.schemas import Document, NextCursor

_ADDRESS = Field(examples=["203.0.113.7"], description="The IP address that the bot called from.")


class ReleasedTo(Document):
    """The bot that got the credentials."""

    id: UUID
    name: Annotated[str, Field(examples=["Grid BTC"])]


class KeyRelease(Document):
    """A release of the key's credentials to a bot."""

    id: Annotated[
        UUID, Field(description="As `release_id` in the audit log, and in what the bot got.")
    ]
    at: Annotated[datetime, Field(description="When the credentials were released.")]
    from_: Annotated[str, Field(alias="from"), _ADDRESS]
    bot: ReleasedTo
    version: Annotated[int, Field(examples=[1], description="The version of the credentials.")]
    suite: Annotated[
        str,
        Field(
            examples=["mlkem768-x25519"],
            description="The suite of the one-time key to which they were sealed.",
        ),
    ]


class KeyReleasePage(Document):
    """A page of releases."""

    items: list[KeyRelease]
    next_cursor: NextCursor


class ReleaseDay(Document):
    """The number of releases on one day."""

    day: Annotated[
        date, Field(examples=["2026-11-29"], description="A day of the account's time zone.")
    ]
    count: Annotated[int, Field(examples=[3])]


class ReleaseAddress(Document):
    """An address to which credentials were released."""

    from_: Annotated[str, Field(alias="from"), _ADDRESS]
    count: Annotated[int, Field(examples=[41])]
    first_at: datetime
    last_at: datetime


class ReleaseSummary(Document):
    """How often a key's credentials were released lately, and to where."""

    timezone: Annotated[
        str, Field(examples=["Europe/Prague"], description="The account's time zone.")
    ]
    days: Annotated[
        list[ReleaseDay],
        Field(description="The last 30 days, the oldest first; the last one is today."),
    ]
    addresses: Annotated[
        list[ReleaseAddress],
        Field(
            description="The addresses of the last 90 days, the most recent first, at most 50: "
            "what the key can be restricted to, if they are yours."
        ),
    ]
