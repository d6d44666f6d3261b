"""What a bot reports of itself and its credentials, and the response to it."""

from datetime import UTC, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from typing_extensions import TypeAliasType

from app.api.schemas import WHOLE_NUMBER, Document, Input, Symbol
from app.domains.trading.fields import Moment, Positive
from botkeys.exchanges.model import ContractType, PermissionAnswer, RefusalReason, UnclearReason

CredentialsStatus = TypeAliasType(
    "CredentialsStatus",
    Annotated[
        Literal["ok", "rejected", "unknown"],
        Field(
            description="Whether the exchange accepted the credentials; `unknown` if it answered "
            "but did neither."
        ),
    ],
)
MOST_SYMBOLS = 3_000
"""More than any exchange lists; as many fit into a body."""
_LATEST = datetime(9999, 12, 31, tzinfo=UTC)


def _not_the_last(value: datetime) -> datetime:
    if value > _LATEST:
        raise ValueError("must be a time before the last day of the year 9999")
    return value


class ReportedPermissions(Input):
    """What the key may do according to the exchange. Omitted members keep their value."""

    read: Annotated[
        PermissionAnswer | None, Field(description="Whether the key may read account data.")
    ] = None
    trade: Annotated[
        PermissionAnswer | None, Field(description="Whether the key may place orders.")
    ] = None
    withdraw: Annotated[
        PermissionAnswer | None, Field(description="Whether the key may withdraw funds.")
    ] = None
    ip_restricted: Annotated[
        PermissionAnswer | None,
        Field(description="Whether the key works only from certain IP addresses."),
    ] = None


class LeverageGroup(Input):
    """Symbols with the same maximum leverage."""

    max_leverage: Annotated[Positive, Field(description="The maximum leverage of these symbols.")]
    symbols: Annotated[list[Symbol], Field(min_length=1, max_length=MOST_SYMBOLS)]


class ReportedLeverages(Input):
    """The maximum leverages that the exchange states to the key: all of them, in place of what was
    known. They count for symbols whose public listing states none.
    """

    contract_type: ContractType
    groups: Annotated[
        list[LeverageGroup],
        Field(min_length=1, max_length=100, description="Each symbol is in one group."),
    ]


class CredentialsReport(Input):
    """How the exchange responded to the bot's credentials. It becomes the key's `verification`."""

    version: Annotated[
        int,
        Field(ge=1, description="The version of the credentials that were tried."),
        WHOLE_NUMBER,
    ]
    key_id: Annotated[
        UUID | None,
        Field(
            description="The key that was tried; omitted: the bot's current key. Send it, so that "
            "a report that is still on its way when the key is swapped does not count for another."
        ),
    ] = None
    status: CredentialsStatus
    reason: Annotated[
        RefusalReason | UnclearReason | None,
        Field(
            description="Why they were not accepted; required then. A `RefusalReason` if they were "
            "rejected, an `UnclearReason` if that is unknown."
        ),
    ] = None
    possible: Annotated[
        list[RefusalReason] | None,
        Field(
            max_length=10,
            description="The possible causes, if the exchange does not distinguish them.",
        ),
    ] = None
    exchange_code: Annotated[
        str | None,
        Field(
            pattern=r"^(-?[0-9]{1,10}|[A-Za-z]+( [A-Za-z]+)?)$",
            max_length=40,
            examples=["50027"],
            description="The exchange's own code for not accepting them: a number or a word.",
        ),
    ] = None
    permissions: ReportedPermissions | None = None
    expires_at: Annotated[
        Annotated[Moment, AfterValidator(_not_the_last)] | None,
        Field(
            description="When the credentials expire. Omitted: unchanged. `null`: they do not "
            "expire."
        ),
    ] = None
    max_leverages: Annotated[
        ReportedLeverages | None,
        Field(description="The maximum leverages, where only a signed call returns them."),
    ] = None
    checked_at: Annotated[Moment, Field(description="When the exchange responded.")]

    @model_validator(mode="after")
    def _reasoned(self) -> Self:
        if self.status == "rejected" and self.reason not in set(RefusalReason):
            raise ValueError("rejected credentials require a reason why they were")
        if self.status == "unknown" and self.reason not in set(UnclearReason):
            raise ValueError("the status unknown requires a reason why it is")
        return self


class Heartbeat(Input):
    """A sign of life. A request without a body means the same as an empty object."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "credentials": {
                        "version": 1,
                        "status": "ok",
                        "permissions": {"read": "yes", "trade": "yes", "withdraw": "no"},
                        "max_leverages": {
                            "contract_type": "linear",
                            "groups": [{"max_leverage": "125", "symbols": ["BTCUSDT"]}],
                        },
                        "checked_at": "2026-11-22T10:00:00Z",
                    }
                }
            ]
        }
    )

    credentials: Annotated[
        CredentialsReport | None,
        Field(description="What the exchange says about the bot's credentials."),
    ] = None


class HeartbeatAnswer(Document):
    """The response to a heartbeat."""

    config_version: Annotated[
        str,
        Field(
            examples=["5d41402abc4b2a76b9719d911017c592"],
            description="The current version of the bot's configuration; fetch it if it differs "
            "from the bot's own.",
        ),
    ]
    may_open_positions: Annotated[
        bool, Field(examples=[True], description="Whether the bot may open new positions.")
    ]
    next_in: Annotated[
        int,
        Field(
            examples=[10],
            description="Seconds in which the bot should send its next heartbeat: 10, and up to 60 "
            "where there are many bots; less than 10 where leases are shorter than 30 seconds. By "
            "default it counts as online for three times as long.",
        ),
    ]
