"""Origins of web pages, as settings name them and browsers send them."""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from botkeys.addresses import address_fault

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]", re.ASCII)
_LOOPBACK = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.ASCII)


def is_loopback_origin(origin: str) -> bool:
    return _LOOPBACK.fullmatch(origin) is not None


def origins(words: Sequence[str]) -> tuple[str, ...]:
    """Return origins as browsers send them, each once.

    Raises `ValueError` with a sentence that states what is wrong and the number of the word.
    """
    found = []
    for number, word in enumerate(words, 1):
        try:
            found.append(_origin(word))
        except ValueError as fault:
            raise ValueError(f"item {number} {fault}") from None
    return tuple(dict.fromkeys(found))


def _origin(word: str) -> str:
    if word.lower() == "null":
        raise ValueError(
            "is `null`, which every sandboxed or local page sends: name the page's own origin"
        )
    if "*" in word:
        raise ValueError("has a wildcard: name each origin, since requests carry tokens")
    if not word.isascii():
        raise ValueError("has non-ASCII characters: write the host as browsers do, as xn--…")
    try:
        parts = urlsplit(word)
        port = parts.port
    except ValueError:
        raise ValueError("is not a URL such as https://dashboard.example") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError("must begin with https:// or http://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not have a user or a password")
    if parts.path or "?" in word or "#" in word:
        raise ValueError("must end after host and port, without a path and a slash")
    host = parts.netloc.rpartition(":")[0] if port is not None else parts.netloc
    host = host.lower()
    if not _HOST.fullmatch(host) or parts.netloc.endswith(":"):
        raise ValueError("must have a host, and no more than a port after it")
    default = port is None or port == _DEFAULT_PORTS[parts.scheme]
    return f"{parts.scheme}://{host}" if default else f"{parts.scheme}://{host}:{port}"


def origin_fault(url: str) -> str | None:
    """Return why this is not the origin of a page that may hold secrets; `None` if it is.

    It has to be https, or http on this machine.
    """
    if address_fault(url) is not None or not url.isascii():
        return "must be https:// and a host, or http:// and this machine, as in https://example.com"
    if urlsplit(url).path not in ("", "/"):
        return "must not have a path"
    return None
