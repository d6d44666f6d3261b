"""How outgoing calls leave: which authorities they trust, and through which proxy they go.

The service has settings of these names, the SDK reads the variables: `BOTKEYS_CA_FILE`,
`BOTKEYS_HTTPS_PROXY`, `BOTKEYS_NO_PROXY`. The common `HTTPS_PROXY`, `NO_PROXY` and `SSL_CERT_FILE`
are not read.
"""

import ssl
from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Self, final
from urllib.parse import unquote, urlsplit

from botkeys.addresses import is_loopback
from botkeys.sealing.secret import Secret
from botkeys.transport.certificates import CaFileFault, context_with, public_context
from botkeys.variables import CA_FILE, HTTPS_PROXY, NO_PROXY

_SECURE = frozenset({"https", "wss"})


class OutboundFault(ValueError):
    """Settings that cannot be used; the message names the variable, and never a proxy's address."""


@final
class Outbound:
    """The way out of one process. The file of authorities is read here, once.

    A call goes through `proxy` (an http:// or https:// URL, which may hold a name and a password)
    by CONNECT, so that its TLS ends at the host that is called. Calls of loopback addresses, of
    http:// addresses and of hosts that `no_proxy` names are direct. Raises `OutboundFault`.
    """

    def __init__(
        self,
        *,
        ca_file: Path | str | None = None,
        proxy: Secret | None = None,
        no_proxy: Sequence[str] = (),
    ) -> None:
        fault = None if proxy is None else proxy_fault(proxy.reveal())
        if fault is not None:
            raise OutboundFault(f"{HTTPS_PROXY} {fault}.")
        for word in no_proxy:
            if (fault := no_proxy_fault(word)) is not None:
                raise OutboundFault(f"{NO_PROXY} {fault}.")
        self._proxy = proxy
        self._direct = tuple(word.lower() for word in no_proxy)
        self._context: ssl.SSLContext | None = None
        if ca_file is not None:
            try:
                self._context = context_with(Path(ca_file))
            except CaFileFault as error:
                raise OutboundFault(f"{CA_FILE}: {error}") from None

    @classmethod
    def of_variables(cls, variables: Mapping[str, str]) -> Self:
        """Return the way out that the environment variables describe; empty ones are not set."""
        proxy = variables.get(HTTPS_PROXY, "").strip()
        return cls(
            ca_file=variables.get(CA_FILE) or None,
            proxy=Secret(proxy) if proxy else None,
            no_proxy=variables.get(NO_PROXY, "").replace(",", " ").split(),
        )

    @property
    def tls(self) -> ssl.SSLContext:
        return self._context or public_context()

    @property
    def proxy(self) -> Secret | None:
        return self._proxy

    def proxy_for(self, scheme: str, host: str) -> Secret | None:
        """Return the proxy that calls of a host go through; `None` for direct ones."""
        if self._proxy is None or scheme not in _SECURE:
            return None
        name = host.strip("[]").lower().rstrip(".")
        if is_loopback(name) or any(_names(word, name) for word in self._direct):
            return None
        return self._proxy


def proxy_fault(url: str) -> str | None:
    """Return what is wrong with the URL of a proxy, without repeating it; `None` if nothing is."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "is not a URL of a proxy"
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return "must begin with http:// or https:// and name the proxy's host"
    if parts.path.strip("/") or parts.query or parts.fragment:
        return "must not have a path, query or fragment"
    if not url.isascii() or any(each.isspace() or not each.isprintable() for each in url):
        return "has characters that must be written as %XX"
    if not all(each.isprintable() for each in unquote(f"{parts.username}{parts.password}")):
        return "has control characters in its name or password"
    return None


def no_proxy_fault(word: str) -> str | None:
    """Return what is wrong with a host, an address or a network that bypasses the proxy."""
    if "/" in word:
        try:
            ip_network(word, strict=False)
        except ValueError:
            return "names something that is neither a host nor a network"
        return None
    try:
        ip_address(word.strip("[]"))
    except ValueError:
        if not word.isascii() or set(word) - _OF_NAMES or not word.strip("."):
            return "must list names of hosts, addresses and networks, without ports or wildcards"
    return None


_OF_NAMES = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")


def _names(word: str, host: str) -> bool:
    """Return whether a word of the setting names this host: itself, its domain or its network."""
    try:
        network = ip_network(word.strip("[]"), strict=False)
    except ValueError:
        domain = word.strip(".")
        return host == domain or host.endswith(f".{domain}")
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.version == network.version and address in network
