"""The addresses of each exchange: every host is a setting.

An adapter module names its hosts and their defaults in `HOSTS`:
`{environment: {name: address or None}}`. A setting of the form `{exchange: {environment: {name:
address or None}}}` replaces single ones. `rest…` names are `https://host[:port]` (plain http on
loopback only) without a path, since paths are signed; `websocket…` names are `wss://…` and may
have a path. `None` removes a host: calls to it raise `NoEndpoint`.
"""

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from botkeys.addresses import is_loopback
from botkeys.exchanges.model import Environment

HostTable = Mapping[Environment, Mapping[str, str | None]]
"""One exchange's hosts, by environment and name."""

HostOverrides = Mapping[str, Mapping[str, Mapping[str, str | None]]]
"""The setting: exchange → environment → name → address."""


def layered(below: HostOverrides, above: HostOverrides) -> HostOverrides:
    """Return two settings as one: a single host of `above` replaces that host of `below` only."""
    return {
        exchange: {
            environment: {
                **below.get(exchange, {}).get(environment, {}),
                **above.get(exchange, {}).get(environment, {}),
            }
            for environment in {**below.get(exchange, {}), **above.get(exchange, {})}
        }
        for exchange in {**below, **above}
    }


def beyond_this_machine(hosts: HostOverrides) -> Iterator[str]:
    """Yield the place of each host that is not loopback: `binance testnet rest_linear`."""
    for exchange, environments in hosts.items():
        for environment, names in environments.items():
            for name, address in names.items():
                if address is not None and not _on_this_machine(address):
                    yield f"{exchange} {environment} {name}"


def _on_this_machine(address: str) -> bool:
    try:
        host = urlsplit(address).hostname
    except ValueError:
        return False
    return host is not None and is_loopback(host)


def merged(
    exchange: str, defaults: HostTable, overrides: Mapping[str, Mapping[str, str | None]]
) -> HostTable:
    """Return the defaults with one exchange's overrides. Raises `ValueError` for a bad host."""
    unknown = set(overrides) - set(defaults)
    if unknown:
        raise ValueError(f"{exchange} has no environment {', '.join(sorted(unknown))}")
    table: dict[Environment, dict[str, str | None]] = {}
    for environment, names in defaults.items():
        chosen = dict(names)
        for name, address in overrides.get(environment, {}).items():
            if name not in names:
                known = ", ".join(sorted(names))
                raise ValueError(
                    f"{exchange} {environment} has no host {name}; its hosts are {known}"
                )
            chosen[name] = None if address is None else _checked(exchange, name, address)
        table[environment] = chosen
    return table


def _checked(exchange: str, name: str, address: str) -> str:
    socket = name.startswith("websocket")
    secure, plain = ("wss", "ws") if socket else ("https", "http")
    parts = urlsplit(address)
    where = f"{exchange} host {name}"
    if parts.scheme not in {secure, plain} or not parts.hostname:
        raise ValueError(f"{where} must be a URL like {secure}://host")
    if parts.scheme == plain and not is_loopback(parts.hostname):
        raise ValueError(f"{where} must be {secure}: credentials would be sent in clear text")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(f"{where} must not have a login, query or fragment")
    if not socket and parts.path.strip("/"):
        raise ValueError(f"{where} must not have a path, because paths are signed")
    return address.rstrip("/")
