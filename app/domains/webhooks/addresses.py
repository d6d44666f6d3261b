"""The rules of a webhook's address that can be seen without calling it.

What its name leads to is checked at each attempt, by the worker that sends.
"""

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from app.errors import InvalidRequest
from app.kit.outbound_guard import Allowed, host_fault

LONGEST = 2_000

_LOCATION = ["body", "url"]


def require_address(url: str, allowed: Allowed) -> None:
    """Raise `InvalidRequest` with a sentence about `url`."""
    fault = _fault(url, allowed)
    if fault is not None:
        raise InvalidRequest([{"loc": _LOCATION, "type": "url_refused", "msg": fault}])


def _fault(url: str, allowed: Allowed) -> str | None:
    if not all("!" <= character <= "~" for character in url) or "\\" in url:
        return (
            "Must be printable ASCII without spaces or backslashes: write a host in its form "
            "with xn--, and percent-encode the path"
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "Is not a URL"
    if parts.scheme not in {"https", "http"} or not host or port == 0:
        return "Must begin with https:// and name a host"
    if "#" in url:
        return "Must not have a fragment, which is not sent"
    return _part_fault(parts) or _host_fault(parts.scheme, host, allowed)


def _part_fault(parts: SplitResult) -> str | None:
    if "@" in parts.netloc:
        return "Must not contain a user or a password: what arrives is signed instead"
    if "[" in parts.netloc and not _is_address(parts.hostname or ""):
        return "Has no address of IPv6 in its brackets"
    return None


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _host_fault(scheme: str, host: str, allowed: Allowed) -> str | None:
    fault = host_fault(host, allowed)
    if fault is not None:
        return f"The host {fault}; the service's operator can allow it with BOTKEYS_WEBHOOK_ALLOW"
    if scheme == "http" and not allowed.names(host):
        return "Must begin with https://, so that nobody on the way reads or changes what is sent"
    return None
