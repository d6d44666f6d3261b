"""An account as the API shows it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from app.api.schemas import Document, Input
from app.domains.accounts.timezones import TimeZone
from app.domains.trading.counts import KindCounts
from botkeys.exchanges.model import Environment, ExchangeId


class AccountChange(Input):
    """A change of the account's settings. Omitted members keep their value."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"selected_environment": "testnet", "timezone": "Europe/Prague"}]
        }
    )

    selected_environment: Annotated[
        Environment | None,
        Field(description="The environment that lists and analytics use by default."),
    ] = None
    timezone: Annotated[
        TimeZone | None,
        Field(
            description="An IANA time zone. It sets where a day begins, for example for today's "
            "P&L."
        ),
    ] = None


class AccountKey(Document):
    """A key that trading data belong to. When `deleted`, only its trading data remain."""

    id: UUID
    label: Annotated[str, Field(examples=["OKX paper"])]
    exchange: Annotated[ExchangeId, Field(examples=["okx"])]
    environment: Annotated[Environment, Field(examples=["testnet"])]
    deleted: Annotated[bool, Field(description="Whether the key was deleted.")]


class KeyData(Document):
    """Trading data of one key, counted by kind."""

    key: AccountKey
    counts: KindCounts


class Account(Document):
    """The account's settings, and the trading data that it holds.

    `environments_with_data` lists the environments that hold trading data; a client should offer a
    choice between them once `testnet` is among them.
    """

    id: UUID
    environments_with_data: Annotated[
        list[Environment],
        Field(
            examples=[["live", "testnet"]], description="The environments that hold trading data."
        ),
    ]
    selected_environment: Annotated[
        Environment,
        Field(description="The environment that lists and analytics use by default."),
    ]
    timezone: Annotated[
        str,
        Field(
            examples=["Europe/Berlin"],
            description="An IANA time zone. It sets where a day begins, for example for today's "
            "P&L.",
        ),
    ]
    closing: Annotated[bool, Field(description="Whether the account is being closed.")]
    data: Annotated[
        list[KeyData],
        Field(
            description="Counts of trading data for each key that has any, deleted keys included."
        ),
    ]
    created_at: Annotated[
        datetime | None, Field(description="Null until something is first stored in the account.")
    ]
