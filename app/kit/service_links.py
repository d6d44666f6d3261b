"""Kubernetes' service links: environment variables that name the services of a namespace.

A service called `botkeys` or `botkeys-api` gives every pod started after it `BOTKEYS_SERVICE_HOST`,
`BOTKEYS_API_SERVICE_PORT_HTTP`, `BOTKEYS_PORT=tcp://10.0.0.7:80`, `BOTKEYS_PORT_80_TCP_ADDR` and
more, which look like settings of ours. They are known by name and value together, so that a setting
with a mistake in it is not taken for one.
"""

import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address

_ADDRESS = re.compile(r"(?:tcp|udp|sctp)://\S+:[0-9]{1,5}", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,5}")
_PROTOCOL = re.compile(r"tcp|udp|sctp", re.IGNORECASE)


def _is_ip(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


_FORMS = (
    (re.compile(r"_SERVICE_HOST"), _is_ip),
    (re.compile(r"_SERVICE_PORT(?:_[A-Z0-9_]+)?"), _NUMBER.fullmatch),
    (re.compile(r"_PORT(?:_[0-9]+_(?:TCP|UDP|SCTP))?"), _ADDRESS.fullmatch),
    (re.compile(r"_PORT_[0-9]+_(?:TCP|UDP|SCTP)_PROTO"), _PROTOCOL.fullmatch),
    (re.compile(r"_PORT_[0-9]+_(?:TCP|UDP|SCTP)_PORT"), _NUMBER.fullmatch),
    (re.compile(r"_PORT_[0-9]+_(?:TCP|UDP|SCTP)_ADDR"), _is_ip),
)


def is_service_link(name: str, value: str) -> bool:
    """Return whether Kubernetes sets a variable of this name to a value like this one."""
    upper = name.upper()
    return any(
        re.fullmatch(rf"[A-Z0-9_]*[A-Z0-9]{ending.pattern}", upper) and fits(value)
        for ending, fits in _FORMS
    )


def service_links(environ: Mapping[str, str], prefix: str) -> list[str]:
    """Return the names with this prefix that are service links."""
    return sorted(
        name
        for name, value in environ.items()
        if name.upper().startswith(prefix) and is_service_link(name, value)
    )


def without(environ: Mapping[str, str | None], names: Iterable[str]) -> dict[str, str | None]:
    """Return the environment without these names, ignoring case."""
    dropped = {name.upper() for name in names}
    return {name: value for name, value in environ.items() if name.upper() not in dropped}
