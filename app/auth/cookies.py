"""Cookies of the dashboard: their names, how they are set and read, and when one counts.

A browser sends a cookie by itself, no matter who caused the request. A session's cookie therefore
counts only together with two headers that no other site can make a browser send: `Sec-Fetch-Site:
same-origin`, which scripts cannot set, and `X-Botkeys: 1`, which a form cannot send and for which
another origin would need leave by CORS. A request with the header Authorization is a program's, or
one of the API's documentation: no cookie counts in it.
"""

from collections.abc import Sequence

SECURE_NAME = "__Host-botkeys"
PLAIN_NAME = "botkeys"
"""The session's cookie on http of this machine, where browsers take no secure cookie."""

_SAME_ORIGIN = ((b"sec-fetch-site", b"same-origin"), (b"x-botkeys", b"1"))
_Headers = Sequence[tuple[bytes, bytes]]


def session_cookie_name(*, secure: bool) -> str:
    return SECURE_NAME if secure else PLAIN_NAME


def read_session_cookie(headers: _Headers, name: str) -> str | None:
    """Return the value of a session's cookie, or `None` if there is none or it does not count."""
    has_cookie = False
    for header, _ in headers:
        # Nearly every caller is a program, and pays for this look alone.
        if header == b"authorization":
            return None
        has_cookie = has_cookie or header == b"cookie"
    if not has_cookie or not is_same_origin(headers):
        return None
    return read_cookie(headers, name)


def is_same_origin(headers: _Headers) -> bool:
    """Return whether a script of our own page sent the request: both headers, each once."""
    return all(
        [value for name, value in headers if name == wanted] == [expected]
        for wanted, expected in _SAME_ORIGIN
    )


def read_cookie(headers: _Headers, name: str) -> str | None:
    """Return the value of this cookie; `None` if it is missing or there are two of that name."""
    sent = b"; ".join(value for header, value in headers if header == b"cookie")
    found = []
    for pair in sent.decode("latin-1").split(";"):
        named, equals, value = pair.strip(" \t").partition("=")
        if equals and named == name:
            found.append(value)
    return found[0] if len(found) == 1 else None


def set_cookie(name: str, value: str, *, seconds: int, same_site: str = "Strict") -> str:
    """Return the value of Set-Cookie; a name with `__Host-` is also `Secure`."""
    secure = "; Secure" if name.startswith("__Host-") else ""
    return f"{name}={value}; Path=/; Max-Age={seconds}; HttpOnly{secure}; SameSite={same_site}"


CLEARED = tuple(set_cookie(name, "", seconds=0) for name in (SECURE_NAME, PLAIN_NAME))
"""The values of Set-Cookie that make a browser forget its session."""
