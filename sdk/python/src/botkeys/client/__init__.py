"""What a bot uses: fetch a key's credentials, follow the configuration, report.

Everything in `__all__` is public; the modules of this package are internal. No other code of this
project opens credentials.
"""

from botkeys.client.bot import BotClient
from botkeys.client.credentials import ReleasedCredentials
from botkeys.client.errors import (
    BotClientError,
    CannotOpen,
    Forbidden,
    Forgotten,
    InsecureAddress,
    KeyInactive,
    MalformedAnswer,
    MalformedToken,
    MayNotOpen,
    NoKey,
    NotAuthenticated,
    NotRecordable,
    NotReserved,
    OlderVersion,
    RateLimited,
    Refusal,
    Refused,
    ReportsPending,
    ReportsRefused,
    ServiceUnavailable,
    TooManyReports,
    Unreachable,
    WrongKey,
)
from botkeys.client.health import CredentialHealth
from botkeys.client.models import BotConfig, ConfigAsset, Heartbeat, Position
from botkeys.client.recorder import Direction, Level
from botkeys.client.timing import Pace

__all__ = [
    "BotClient",
    "BotClientError",
    "BotConfig",
    "CannotOpen",
    "ConfigAsset",
    "CredentialHealth",
    "Direction",
    "Forbidden",
    "Forgotten",
    "Heartbeat",
    "InsecureAddress",
    "KeyInactive",
    "Level",
    "MalformedAnswer",
    "MalformedToken",
    "MayNotOpen",
    "NoKey",
    "NotAuthenticated",
    "NotRecordable",
    "NotReserved",
    "OlderVersion",
    "Pace",
    "Position",
    "RateLimited",
    "Refusal",
    "Refused",
    "ReleasedCredentials",
    "ReportsPending",
    "ReportsRefused",
    "ServiceUnavailable",
    "TooManyReports",
    "Unreachable",
    "WrongKey",
]
