"""Which hosts and addresses may be called when users choose them: those of the internet.

A service that calls what users name can be led to what only it can reach: itself, its database,
its cloud's metadata. So names and literals are judged first, and each address that a name resolves
to is judged again before a connection is made to it. What an installation allows in addition, it
lists.
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
from typing import NamedTuple, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

# IANA's registries of special-purpose addresses (RFC 6890), written down, since those that Python
# carries differ with its version; `is_global` is asked as well.
_REFUSED_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network, unspecified
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carriers' NAT; Alibaba's metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's own services, at a public address
        "169.254.0.0/16",  # link-local, metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
_UNICAST_V6 = IPv6Network("2000::/3")
"""The only part of IPv6 from which public addresses are given out. Unspecified, loopback, mapped
and compatible addresses of IPv4, link-local, site-local, unique local and multicast are outside.
"""
_REFUSED_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, benchmarking, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an address of IPv4 in disguise
        "3fff::/20",  # documentation
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
"""How a network without IPv4 reaches it: judged by the address inside."""

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_LONGEST_NAME = 253
_LOCAL = (".localhost", ".local", ".internal", ".localdomain", ".home.arpa")


class Allowed(NamedTuple):
    """What may be called although it is not of the internet: host names and networks."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, words: Iterable[str]) -> "Allowed":
        """Read words such as `hooks.internal`, `10.0.0.7` and `fd00::/8`.

        Raises `ValueError` with a sentence that names what is wrong and the number of the word.
        """
        hosts, networks = set(), []
        for number, word in enumerate(words, 1):
            try:
                network = ip_network(word)
            except ValueError:
                if not _is_name(word.lower()):
                    raise ValueError(
                        f"item {number} must be a host, an IP address or a network such as "
                        "10.1.0.0/16, without bits beyond its prefix"
                    ) from None
                hosts.add(word.lower())
                continue
            if not network.prefixlen:
                raise ValueError(f"item {number} is every address, which guards nothing")
            networks.append(network)
        return cls(frozenset(hosts), tuple(networks))

    def names(self, host: str) -> bool:
        """Return whether this host is listed, or the address that it is."""
        try:
            address = ip_address(host)
        except ValueError:
            return host.lower() in self.hosts
        return self.has(address)

    def has(self, address: Address) -> bool:
        """Return whether the address is in a network that is listed."""
        return any(address in network for network in self.networks)


def host_fault(host: str, allowed: Allowed) -> str | None:
    """Return why this host may not be called, whatever it resolves to; `None` if it may.

    `host` is a name in ASCII or an address, an IPv6 address without brackets.
    """
    if host.lower() in allowed.hosts:
        return None
    try:
        address = ip_address(host)
    except ValueError:
        return _name_fault(host.lower())
    return address_fault(address, allowed)


def address_fault(address: Address, allowed: Allowed) -> str | None:
    """Return why no connection may be made to this address; `None` if one may."""
    if allowed.has(address) or _is_public(address):
        return None
    return "leads to an address that is not of the public Internet"


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _REFUSED_V4)
    if address in _NAT64:
        return _is_public(IPv4Address(address.packed[-4:]))
    return (
        address.scope_id is None
        and address.is_global
        and address in _UNICAST_V6
        and not any(address in network for network in _REFUSED_V6)
    )


def _name_fault(host: str) -> str | None:
    if host.endswith("."):
        return "must not end with a dot"
    if _is_number(host):
        return "is an address in an unusual spelling"
    if not _is_name(host):
        return "is not the name of a host"
    if "." not in host or host.endswith(_LOCAL):
        return "is a name of a local network"
    return None


def _is_name(host: str) -> bool:
    fits = len(host) <= _LONGEST_NAME and _NAME.fullmatch(host) is not None
    return fits and not _is_number(host)


def _is_number(host: str) -> bool:
    """Return whether resolvers may read this as an address of IPv4: its last part is a number."""
    return _NUMBER.fullmatch(host.rpartition(".")[2]) is not None
