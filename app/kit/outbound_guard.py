"""Which addresses the service may call when a user has chosen them.

Only what is reachable from anywhere in the Internet: an address of this network would answer the
service, and not the user who names it. What an installation allows in addition, it lists.
"""

import re
from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import NamedTuple

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# The registries of special-purpose addresses (RFC 6890 and its updates), as far as `is_global` of
# the oldest Python in use lacks them, and prefixes that lead to an IPv4 address which they contain.
_REFUSED: tuple[Network, ...] = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # this network
            "100.64.0.0/10",  # shared by carriers (CGN)
            "168.63.129.16/32",  # a platform's metadata
            "192.0.0.0/24",  # protocol assignments
            "192.88.99.0/24",  # 6to4 relays
            "198.18.0.0/15",  # benchmarks
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
            "::/96",  # IPv4-compatible
            "64:ff9b:1::/48",  # local NAT64
            "100::/64",  # discarded
            "2001::/23",  # protocol assignments, Teredo among them
            "2001:db8::/32",  # documentation
            "3fff::/20",  # documentation
            "5f00::/16",  # segment routing
            "fc00::/7",  # unique local
            "fec0::/10",  # site-local
            "ff00::/8",  # multicast
        ),
    )
)
_NAT64 = ip_network("64:ff9b::/96")
_SIX_TO_FOUR = ip_network("2002::/16")
# What some resolver reads as an IPv4 address: decimal, octal and hexadecimal numbers.
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+)){0,3}\.?", re.IGNORECASE)
_LOCAL_NAMES = ("localhost", "local", "internal", "localdomain", "home.arpa")


class Allowed(NamedTuple):
    """What may be called although it is not of the Internet: host names and networks."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, words: Iterable[str]) -> "Allowed":
        """Read words such as `hooks.internal`, `10.0.0.7` and `fd00::/8`; raise ValueError."""
        hosts, networks = set(), []
        for word in words:
            try:
                networks.append(ip_network(word))
                continue
            except ValueError:
                if "/" in word or ":" in word or _NUMERIC.fullmatch(word):
                    raise ValueError(
                        f"{word!r} is no host name, address or network (without bits beyond its "
                        "prefix)"
                    ) from None
            hosts.add(word.rstrip(".").lower())
        return cls(frozenset(hosts), tuple(networks))


def address_fault(address: Address, allowed: Allowed) -> str | None:
    """Return why this address is not called; `None` if it is."""
    if any(address in network for network in allowed.networks):
        return None
    inner = _embedded(address)
    if inner is not None:
        return address_fault(inner, allowed)
    if not address.is_global or any(address in network for network in _REFUSED):
        return "leads to an address that is not of the public Internet"
    return None


def host_fault(host: str, allowed: Allowed) -> str | None:
    """Return why this host of a URL is refused before it is resolved; `None` if it is not.

    `host` is a name in ASCII or an address, an IPv6 address without brackets.
    """
    name = host.rstrip(".").lower()
    if name in allowed.hosts:
        return None
    try:
        return address_fault(ip_address(host), allowed)
    except ValueError:
        pass
    if "%" in host:
        return "has a zone, which only this machine knows"
    if _NUMERIC.fullmatch(name):
        return "is an address in an unusual spelling"
    if "." not in name or any(
        name == local or name.endswith(f".{local}") for local in _LOCAL_NAMES
    ):
        return "is a name of a local network"
    return None


def _embedded(address: Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address leads to, if it contains one."""
    if not isinstance(address, IPv6Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _SIX_TO_FOUR:
        return address.sixtofour
    return None
