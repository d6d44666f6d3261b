"""What a bot says of itself and of its credentials, and what it is told."""

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from typing_extensions import TypeAliasType

from app.api.schemas import WHOLE_NUMBER, Document, Input
from app.domains.trading.fields import Moment
from botkeys.exchanges.model import PermissionAnswer, RefusalReason

CredentialsStatus = TypeAliasType("CredentialsStatus", Literal["ok", "rejected"])
_LATEST = datetime(9999, 12, 31, tzinfo=UTC)


def _not_the_last(value: datetime) -> datetime:
    if value > _LATEST:
        raise ValueError("must be a time before the last day of the year 9999")
    return value


class ReportedPermissions(Input):
    """What the exchange says that the key may do; what is left out stays as it was."""

    read: PermissionAnswer | None = None
    trade: PermissionAnswer | None = None
    withdraw: PermissionAnswer | None = None
    ip_restricted: PermissionAnswer | None = None


class CredentialsReport(Input):
    """How the exchange answered to the bot's credentials. It becomes the key's `verification`."""

    version: Annotated[
        int, Field(ge=1, description="Of the credentials that were tried."), WHOLE_NUMBER
    ]
    status: CredentialsStatus
    reason: Annotated[
        RefusalReason | None, Field(description="Why they were rejected; needed if they were.")
    ] = None
    possible: Annotated[
        list[RefusalReason] | None,
        Field(max_length=10, description="Causes that the exchange does not tell apart."),
    ] = None
    permissions: ReportedPermissions | None = None
    expires_at: Annotated[
        Annotated[Moment, AfterValidator(_not_the_last)] | None,
        Field(description="Left out: as before. `null`: the credentials do not expire."),
    ] = None
    checked_at: Annotated[Moment, Field(description="When the exchange answered.")]

    @model_validator(mode="after")
    def _reasoned(self) -> Self:
        if self.status == "rejected" and self.reason is None:
            raise ValueError("rejected credentials need a reason")
        return self


class Heartbeat(Input):
    """That the bot lives. No body at all says the same."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "credentials": {
                        "version": 1,
                        "status": "ok",
                        "permissions": {"read": "yes", "trade": "yes", "withdraw": "no"},
                        "checked_at": "2026-11-22T10:00:00Z",
                    }
                }
            ]
        }
    )

    credentials: CredentialsReport | None = None


class HeartbeatAnswer(Document):
    """`config_version` differs from the bot's own where the configuration has changed since."""

    config_version: Annotated[str, Field(examples=["5d41402abc4b2a76b9719d911017c592"])]
    may_open_positions: Annotated[bool, Field(examples=[True])]
