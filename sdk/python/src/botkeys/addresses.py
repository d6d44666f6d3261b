"""Hosts and addresses of a service, as text."""

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Return whether the host is this very machine, so that nobody else reads plain HTTP to it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def address_fault(base_url: str, *, allow_insecure_http: bool = False) -> str | None:
    """Return why a token must not be sent to this address; `None` if it may."""
    try:
        parts = urlsplit(base_url)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return (
            "The service's address must begin with https://, or on this machine with http://, and "
            "name a host."
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        return "The service's address must not have a user, password, query or fragment."
    if parts.scheme == "http" and not (allow_insecure_http or is_loopback(parts.hostname)):
        return "http:// to another machine exposes the token in transit: use https://."
    return None
