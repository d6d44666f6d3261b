"""A webhook and its deliveries as the API shows them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType

from app.api.known_names import no_such, resembling
from app.api.schemas import Document, Flag, Input, NextCursor
from app.domains.events.types import EventType
from app.domains.webhooks.addresses import LONGEST

_ID = "01938a5e-0000-7000-8000-000000000000"
_URL = "https://example.com/hooks/botkeys"

WebhookFormat = TypeAliasType(
    "WebhookFormat",
    Annotated[
        Literal["standard", "slack", "discord", "ntfy"],
        Field(
            description="What is sent: `standard` is the event as JSON, signed (Standard Webhooks "
            "1.0); the others are a sentence in the form that Slack, Discord and ntfy take."
        ),
    ],
)
DeliveryStatus = TypeAliasType(
    "DeliveryStatus",
    Annotated[
        Literal["pending", "delivered", "failed", "cancelled"],
        Field(
            description="`pending` until the next attempt; `failed` after the last one; "
            "`cancelled` if the webhook was deactivated, or the event's data deleted, before."
        ),
    ],
)

WebhookDisabledReason = TypeAliasType(
    "WebhookDisabledReason",
    Annotated[
        Literal["failing", "gone"],
        Field(
            description="`failing`: no attempt succeeded for 5 days; `gone`: the receiver answered "
            "410."
        ),
    ],
)
_TYPES = frozenset(EventType)


def _known_type(sent: Any) -> Any:
    """Reject an unknown type with the known one that it resembles; what else is no text fails."""
    if isinstance(sent, str) and sent not in _TYPES:
        meant = resembling(sent, _TYPES)
        if meant is None:
            raise PydanticCustomError("unknown_type", "No such type; docs/events.md lists them")
        raise PydanticCustomError("unknown_type", no_such("type", meant, _TYPES))
    return sent


def _each_once(types: list[EventType]) -> list[EventType]:
    return list(dict.fromkeys(types))


Types = Annotated[
    list[Annotated[EventType, BeforeValidator(_known_type)]],
    Field(
        max_length=100,
        description="Types of events to send; empty for all. A test is sent in any case.",
    ),
    AfterValidator(_each_once),
]
Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST, strict=True),
    Field(
        description="Where to send: https, without user, password and fragment, and to an address "
        "of the public Internet. Redirects are not followed."
    ),
]


class WebhookCreate(Input):
    """A webhook to add."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"url": _URL, "types": ["bot.offline", "key.expiring"]}]}
    )

    url: Url
    types: Types = Field(default_factory=list)
    format: WebhookFormat = "standard"
    active: Annotated[Flag, Field(description="Whether events are sent.")] = True


class WebhookChange(Input):
    """A change of a webhook. Omitted members keep their value."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"active": False}]})

    url: Url | None = None
    types: Types | None = None
    format: WebhookFormat | None = None
    active: Annotated[
        Flag | None,
        Field(
            description="While it is false nothing is sent, and what was waiting is cancelled. "
            "Once it is true, events from then on are sent."
        ),
    ] = None


class SecretRotation(Input):
    """How a webhook's secrets are rotated."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"end_former": False}]})

    end_former: Annotated[
        Flag,
        Field(
            description="Whether the present secrets end at once, as after a leak, and do not sign "
            "for another 24 hours."
        ),
    ] = False


class WebhookDisabled(Document):
    """When and why the service deactivated the webhook by itself."""

    at: datetime
    reason: WebhookDisabledReason


class Webhook(Document):
    """An address that events are sent to."""

    id: Annotated[UUID, Field(examples=[_ID])]
    url: Annotated[
        str | None,
        Field(
            examples=[_URL],
            description="As it was given; null if the service has lost the key that it was "
            "encrypted with: then nothing is sent until you change it.",
        ),
    ]
    types: Annotated[
        list[EventType], Field(examples=[["bot.offline"]], description="Empty for all.")
    ]
    format: WebhookFormat
    active: Annotated[bool, Field(examples=[True], description="Whether events are sent.")]
    public_key: Annotated[
        str,
        Field(
            examples=["whpk_3Xw8xPzPzPzPzPzPzPzPzPzPzPzPzPzPzPzPzPzPzPw="],
            description="The Ed25519 key that verifies signatures `v1a`: `whpk_` and base64.",
        ),
    ]
    former_secret_until: Annotated[
        datetime | None,
        Field(
            examples=[None],
            description="Until then the secret before the last rotation signs as well; null if "
            "there is none.",
        ),
    ]
    failing_since: Annotated[
        datetime | None,
        Field(
            examples=[None],
            description="When the first attempt failed since the last success; null if the last "
            "attempt succeeded.",
        ),
    ]
    disabled: Annotated[
        WebhookDisabled | None,
        Field(examples=[None], description="Null unless the service deactivated it by itself."),
    ]
    created_at: datetime
    updated_at: datetime


class WebhookWithSecret(Webhook):
    """A webhook with its new secret, which is shown once."""

    secret: Annotated[
        str,
        Field(
            examples=["whsec_…"],
            description="The key that verifies signatures `v1`: `whsec_` and base64.",
        ),
    ]


class WebhookPage(Document):
    """A page of webhooks."""

    items: list[Webhook]
    next_cursor: NextCursor


class WebhookDelivery(Document):
    """An event on its way to a webhook."""

    id: Annotated[
        UUID,
        Field(examples=[_ID], description="The header `webhook-id`, alike for every attempt."),
    ]
    webhook_id: Annotated[UUID, Field(examples=[_ID])]
    type: Annotated[
        str, Field(examples=["bot.offline"], description="The event's type, or `webhook.test`.")
    ]
    event_number: Annotated[
        int | None,
        Field(
            examples=[42],
            description="The number with which the event's `id` begins; null for a test.",
        ),
    ]
    replay_of: Annotated[
        UUID | None,
        Field(examples=[None], description="The delivery that this one repeats; null if none."),
    ]
    status: DeliveryStatus
    attempts: Annotated[int, Field(examples=[1], description="How many attempts there were.")]
    next_attempt_at: Annotated[
        datetime | None, Field(description="Null unless the delivery is pending.")
    ]
    last_attempt_at: datetime | None
    response_status: Annotated[
        int | None,
        Field(examples=[200], description="Status of the last answer; null if there was none."),
    ]
    error: Annotated[
        str | None,
        Field(
            examples=["timed_out"],
            description="Why the last attempt failed, in a word of docs/webhooks.md; null if it "
            "did not.",
        ),
    ]
    duration_ms: Annotated[
        int | None, Field(examples=[85], description="How long the last attempt took.")
    ]
    created_at: datetime
    finished_at: Annotated[
        datetime | None, Field(description="When it was delivered, failed or was cancelled.")
    ]


class WebhookDeliveryPage(Document):
    """A page of deliveries."""

    items: list[WebhookDelivery]
    next_cursor: NextCursor
