"""The bot's side: fetch a key's credentials, open them in memory, follow the configuration, report.

Nothing else in this project opens credentials.
"""

from app.client.answers import BotConfig, ConfigAsset, Heartbeat, Position
from app.client.bot import BotClient
from app.client.credentials import ReleasedCredentials
from app.client.errors import (
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
from app.client.health import CredentialHealth
from app.client.pace import Pace
from app.client.recording import Direction, Level

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
