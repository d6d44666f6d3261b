"""What an account looks like from outside."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from app.api.schemas import Document, Input
from app.domains.accounts.timezones import TimeZone
from app.domains.trading.counts import KindCounts
from botkeys.exchanges.model import Environment, ExchangeId


class AccountChange(Input):
    """What is left out stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"selected_environment": "testnet", "timezone": "Europe/Prague"}]
        }
    )

    selected_environment: Annotated[
        Environment | None,
        Field(description="What readings of trading data are of, if they name no environment."),
    ] = None
    timezone: Annotated[
        TimeZone | None, Field(description="For what is told by the day, such as P&L today.")
    ] = None


class AccountKey(Document):
    """`deleted`: only its trading data are left."""

    id: UUID
    label: Annotated[str, Field(examples=["OKX paper"])]
    exchange: Annotated[ExchangeId, Field(examples=["okx"])]
    environment: Annotated[Environment, Field(examples=["testnet"])]
    deleted: bool


class KeyData(Document):
    key: AccountKey
    counts: KindCounts


class Account(Document):
    """`environments_with_data` are those that hold trading data: offer to select between them once
    `testnet` is among them. `data` counts them for each key that has any, deleted or not.
    `closing`: the account's closure was asked for. `created_at` is null until something is done in
    the account.
    """

    id: UUID
    environments_with_data: Annotated[list[Environment], Field(examples=[["live", "testnet"]])]
    selected_environment: Environment
    timezone: Annotated[str, Field(examples=["Europe/Berlin"])]
    closing: bool
    data: list[KeyData]
    created_at: datetime | None
