"""The bot's side: fetch a key's credentials, open them in memory, follow the configuration.

Nothing else in this project opens credentials.
"""

from app.client.answers import BotConfig
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
    NoKey,
    NotAuthenticated,
    OlderVersion,
    RateLimited,
    Refused,
    ServiceUnavailable,
    Unreachable,
    WrongKey,
)

__all__ = [
    "BotClient",
    "BotClientError",
    "BotConfig",
    "CannotOpen",
    "Forbidden",
    "Forgotten",
    "InsecureAddress",
    "KeyInactive",
    "MalformedAnswer",
    "MalformedToken",
    "NoKey",
    "NotAuthenticated",
    "OlderVersion",
    "RateLimited",
    "Refused",
    "ReleasedCredentials",
    "ServiceUnavailable",
    "Unreachable",
    "WrongKey",
]
