"""Hosts, as text in an address."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Return whether the host is this very machine, so that nobody else reads plain HTTP to it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
