"""Binance's error codes and texts, of all its hosts."""

from collections.abc import Mapping, Sequence

from botkeys.exchanges.base import Unclear, Verdict
from botkeys.exchanges.errors import (
    AccountRefused,
    BadSignature,
    ClockSkew,
    InvalidKey,
    IpNotAllowed,
    PermissionRefused,
    RateLimited,
    Refused,
    Unreachable,
)
from botkeys.exchanges.model import RefusalReason

# Of orders, transfers, withdrawals and margin loans, which no check is about. Some numbers mean one
# thing on the account host and another on the futures hosts.
_OF_OTHER_CALLS = (
    *("-1125", "-3014", "-3018", "-3019", "-3036", "-3043", "-3999", "-4004", "-4007", "-4008"),
    *("-4010", "-4012", "-4013", "-4015", "-4016", "-4017", "-4035", "-4036", "-4039", "-4044"),
    *("-4046", "-4080", "-4192", "-4194", "-4195", "-4200", "-4201", "-4202", "-4203", "-4205"),
    *("-4206", "-4400", "-4402", "-4403", "-6003", "-6017", "-10047", "-13003", "-13007", "-18005"),
)
# The account is locked, inactive, not identified, or may not place orders.
_OF_THE_ACCOUNT = (
    *("-1109", "-2017", "-3001", "-3022", "-4087", "-4088", "-4089", "-4090", "-4109", "-4401"),
    *("100001003", "200003903"),
)
EXACT_ERRORS: Mapping[str, Verdict] = {
    **dict.fromkeys(_OF_OTHER_CALLS, Refused),
    **dict.fromkeys(_OF_THE_ACCOUNT, AccountRefused),
    "-1000": Unreachable,
    "-1001": Unreachable,
    "-1002": PermissionRefused,
    "-1003": RateLimited,
    "-1005": IpNotAllowed,
    "-1006": Unreachable,
    "-1007": Unreachable,
    "-1008": Unreachable,  # overloaded
    "-1011": IpNotAllowed,
    "-1015": RateLimited,
    "-1016": Unreachable,
    "-1021": ClockSkew,
    "-1022": BadSignature,
    "-1099": Unclear((RefusalReason.INVALID_KEY, RefusalReason.PERMISSION)),
    "-1121": Refused,
    "-2008": InvalidKey,
    "-2014": InvalidKey,
    # One code for three causes, as Binance states: API key, IP, or permissions.
    "-2015": Unclear(
        (RefusalReason.INVALID_KEY, RefusalReason.IP_NOT_ALLOWED, RefusalReason.PERMISSION)
    ),
    "-4056": InvalidKey,  # of a type that the host does not take
    "-4057": InvalidKey,  # its registered public key is not valid
}
ERROR_TEXTS: Sequence[tuple[str, Verdict]] = (
    ("outside of the recvwindow", ClockSkew),
    ("signature for this request is not valid", BadSignature),
    ("too many requests", RateLimited),
    ("not authorized to execute", PermissionRefused),
    ("api key does not exist", InvalidKey),
    ("api trading is not enabled", PermissionRefused),
    ("you don't have permission", PermissionRefused),
    ("has no operation privilege", PermissionRefused),
    ("may not place or cancel orders", AccountRefused),
    ("action is disabled on", AccountRefused),
    ("symbol is restricted for", Refused),
    ("symbol is not permitted for", Refused),
)
