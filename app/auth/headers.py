"""The two headers that identify the caller, read from the raw bytes.

`headers` are raw pairs as in ASGI: lower-case names, every header in its original position. A
framework's dictionary would hide a duplicate header, and proxies differ in which one they read.
"""

import re
from collections.abc import Iterable

from app.auth.errors import AccountHeaderMalformed, TokenFault, Unauthenticated
from app.auth.signed_token import MAX_TOKEN_BYTES

RawHeaders = Iterable[tuple[bytes, bytes]]

_AUTHORIZATION = b"authorization"
_ACCOUNT = b"x-account-id"
# Exactly RFC 6750, section 2.1: no comma, no control character, no second scheme.
_BEARER = re.compile(rb"(?i:bearer) +(?P<token>[A-Za-z0-9\-._~+/]+=*)")
_SCHEME_BYTES = 64


def read_bearer_token(headers: RawHeaders) -> str:
    """Return the bearer token (ASCII); raise `Unauthenticated`."""
    values = [value for name, value in headers if name == _AUTHORIZATION]
    if not values:
        raise Unauthenticated(TokenFault.MISSING)
    if len(values) > 1:
        raise Unauthenticated(TokenFault.MALFORMED)
    if len(values[0]) > MAX_TOKEN_BYTES + _SCHEME_BYTES:
        raise Unauthenticated(TokenFault.TOO_LARGE)
    bearer = _BEARER.fullmatch(values[0].strip(b" \t"))
    if bearer is None:
        raise Unauthenticated(TokenFault.MALFORMED)
    return bearer["token"].decode("ascii")


def names_account(headers: RawHeaders) -> bool:
    """Return whether an account is named, in whatever form."""
    return any(name == _ACCOUNT for name, _ in headers)


def read_account_header(headers: RawHeaders) -> str | None:
    """Return the value of X-Account-Id as UTF-8, or `None`; raise `AccountHeaderMalformed`.

    The verifier decides whether the header is allowed and whether its value can name an account.
    """
    values = [value for name, value in headers if name == _ACCOUNT]
    if not values:
        return None
    # A proxy may join two headers with a comma, and which of the two counts would be a guess.
    if len(values) > 1 or b"," in values[0]:
        raise AccountHeaderMalformed
    try:
        return values[0].strip(b" \t").decode("utf-8")
    except UnicodeDecodeError:
        raise AccountHeaderMalformed from None
