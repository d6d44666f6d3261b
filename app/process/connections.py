"""What one process grants to its connections: how many there may be, and how long each may wait."""

import resource
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass
from typing import Final

from uvicorn.middleware.proxy_headers import _TrustedHosts

from app.errors import AppError, TooManyConnections, Unavailable
from app.kit.security_log import SecurityLog
from app.kit.turnstile import Turnstile
from app.limits.networks import network_of
from app.settings import Settings

OPERATORS = 64
"""Connections to the port for operators, which have places of their own: a process that is full is
not dead, and says so.
"""
RESERVED_FILES = 128 + OPERATORS
"""Descriptors kept for exchanges, the issuer, files, operators and connections that are just being
refused.
"""
REFUSED_AT_ONCE = 32
"""Connections that learn why they are refused; further ones are closed without a word."""
BEGUN_AT_ONCE = 4
"""Paced requests that begin in a turn of five milliseconds: others that arrive wait for less."""
_FEWEST = 16
_FULL = "This process has as many connections as it can hold. Try again shortly."


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a connection may wait, in seconds."""

    head: float = 10
    """For a complete head: from the connection's start, later from the head's first byte."""
    body: float = 30
    """For the next piece of a body."""
    keep_alive: float = 5
    """For the next request."""
    linger: float = 2
    """For the peer to close its side, after the last response."""


class TrustedProxies:
    """The peers whose forwarding headers count, as uvicorn reads `BOTKEYS_TRUSTED_PROXIES`."""

    def __init__(self, settings: Settings) -> None:
        self._hosts = _TrustedHosts(list(settings.trusted_proxies))

    def __contains__(self, address: object) -> bool:
        return isinstance(address, str) and address in self._hosts


class Connections:
    """The connections of one process, counted in all and by address.

    Those from trusted proxies count in all only: a proxy limits the addresses behind it. Those to
    `operations_port` take no place of the others, and these none of theirs. Requests that begin
    with one of `paced`, a method and a path, are read through a turnstile.
    """

    def __init__(
        self,
        timeouts: Timeouts,
        *,
        most: int,
        most_per_address: int,
        trusted: Container[str] = (),
        paced: tuple[bytes, ...] = (),
        operations_port: int | None = None,
    ) -> None:
        self.timeouts: Final = timeouts
        self.paced: Final = paced
        self.turnstile: Final = Turnstile(BEGUN_AT_ONCE)
        self.stopping = False
        """Whether every response from now on is its connection's last."""
        self.refusing = 0
        """Connections that are being refused with a reason."""
        self.security = SecurityLog()
        self._most = most
        # One address alone never fills the process.
        self._most_per_address = max(1, min(most_per_address, most // 2))
        self._trusted = trusted
        self._operations_port = operations_port
        self._of_operators = 0
        self._total = 0
        self._by_network: Counter[str] = Counter()

    def admit(self, address: str, port: int | None) -> AppError | None:
        """Count a connection from this address to this port of ours; return why it is refused, if
        it is.
        """
        if port is not None and port == self._operations_port:
            if self._of_operators >= OPERATORS:
                return Unavailable(_FULL)
            self._of_operators += 1
            return None
        if self._total >= self._most:
            return Unavailable(_FULL)
        if address and address not in self._trusted:
            network = network_of(address)
            if self._by_network[network] >= self._most_per_address:
                return TooManyConnections()
            self._by_network[network] += 1
        self._total += 1
        return None

    def trusts(self, address: str) -> bool:
        """Return whether forwarding headers from this address count."""
        return address in self._trusted

    def release(self, address: str, port: int | None) -> None:
        """Forget an admitted connection."""
        if port is not None and port == self._operations_port:
            self._of_operators -= 1
            return
        self._total -= 1
        if address and address not in self._trusted:
            network = network_of(address)
            self._by_network[network] -= 1
            if not self._by_network[network]:
                del self._by_network[network]


def most_connections(settings: Settings) -> int:
    """Return how many connections the process may have: fewer than it may have open files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return settings.connections
    pool = settings.database_pool_size + settings.database_pool_overflow
    return max(_FEWEST, min(settings.connections, soft - pool - RESERVED_FILES))
