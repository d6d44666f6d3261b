"""The part of an address that one caller can be expected to own."""

import ipaddress
from functools import lru_cache


def network_of(address: str) -> str:
    """Return an IPv4 address as it is and of an IPv6 address its /64, which one line is given."""
    return _network(address) if ":" in address else address


@lru_cache(maxsize=8192)
def _network(address: str) -> str:
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
