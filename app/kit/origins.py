"""Origins of web pages: scheme, host and port."""

from urllib.parse import urlsplit

from botkeys.addresses import address_fault


def origin_fault(url: str) -> str | None:
    """Return why this is not the origin of a page that may hold secrets; `None` if it is.

    It has to be https, or http on this machine.
    """
    if address_fault(url) is not None or not url.isascii():
        return "must be https:// and a host, or http:// and this machine, as in https://example.com"
    if urlsplit(url).path not in ("", "/"):
        return "must not have a path"
    return None
