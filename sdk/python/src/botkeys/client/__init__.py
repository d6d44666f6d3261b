"""What a bot uses: fetch a key's credentials, follow the configuration, report.

Everything in `__all__` is public; the modules of this package are internal. No other code of this
project opens credentials.
"""

import logging

from botkeys.client.bot import BotClient
from botkeys.client.credentials import ReleasedCredentials
from botkeys.client.errors import (
    BotClientError,
    CannotOpen,
    CcxtMissing,
    CcxtUnsupported,
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
    OutboxUnusable,
    RateLimited,
    Refusal,
    Refused,
    ReportsPending,
    ReportsRefused,
    ServiceUnavailable,
    SizeUnknown,
    TooManyReports,
    Unreachable,
    WrongKey,
)
from botkeys.client.health import CredentialCheck, CredentialHealth, find_adapter
from botkeys.client.models import (
    BotConfig,
    ConfigAsset,
    ConfigKey,
    Fee,
    Heartbeat,
    Position,
    PositionKey,
)
from botkeys.client.recorder import Direction, Level
from botkeys.client.sizing import Contract
from botkeys.client.timing import Pace
from botkeys.environment import Environment
from botkeys.exchanges.adapter import ExchangeAdapter
from botkeys.exchanges.ccxt_ids import CcxtExchange, from_ccxt, to_ccxt
from botkeys.exchanges.errors import CredentialsRefused, ExchangeError
from botkeys.exchanges.model import (
    ContractType,
    CredentialReport,
    Endpoints,
    ExchangeId,
    PermissionAnswer,
    Permissions,
    RefusalReason,
    UnclearReason,
)
from botkeys.sealing.secret import Secret
from botkeys.sealing.suites import SuiteName
from botkeys.transport.client import HttpTransport, Outbound, TransportLimits

# Without a handler of the program's own, Python would print our warnings to its standard error.
logging.getLogger("botkeys").addHandler(logging.NullHandler())

__all__ = [
    "BotClient",
    "BotClientError",
    "BotConfig",
    "CannotOpen",
    "CcxtExchange",
    "CcxtMissing",
    "CcxtUnsupported",
    "ConfigAsset",
    "ConfigKey",
    "Contract",
    "ContractType",
    "CredentialCheck",
    "CredentialHealth",
    "CredentialReport",
    "CredentialsRefused",
    "Direction",
    "Endpoints",
    "Environment",
    "ExchangeAdapter",
    "ExchangeError",
    "ExchangeId",
    "Fee",
    "Forbidden",
    "Forgotten",
    "Heartbeat",
    "HttpTransport",
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
    "Outbound",
    "OutboxUnusable",
    "Pace",
    "PermissionAnswer",
    "Permissions",
    "Position",
    "PositionKey",
    "RateLimited",
    "Refusal",
    "RefusalReason",
    "Refused",
    "ReleasedCredentials",
    "ReportsPending",
    "ReportsRefused",
    "Secret",
    "ServiceUnavailable",
    "SizeUnknown",
    "SuiteName",
    "TooManyReports",
    "TransportLimits",
    "UnclearReason",
    "Unreachable",
    "WrongKey",
    "find_adapter",
    "from_ccxt",
    "to_ccxt",
]
