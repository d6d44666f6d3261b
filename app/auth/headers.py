"""The two headers that say who calls, read from the bytes that were sent.

`headers` are raw pairs as ASGI has them: names in lower case, every header in its place. A
framework's dictionary would hide a header sent twice, and proxies differ in which one they read.
"""

import re
from collections.abc import Iterable

from app.auth.errors import AccountHeaderMalformed, TokenFault, Unauthenticated
from app.auth.signed_token import MAX_TOKEN_BYTES

RawHeaders = Iterable[tuple[bytes, bytes]]

_AUTHORIZATION = b"authorization"
_ACCOUNT = b"x-account-id"
# RFC 6750, section 2.1, and nothing else: no comma, no control character, no second scheme.
_BEARER = re.compile(rb"(?i:bearer) +(?P<token>[A-Za-z0-9\-._~+/]+=*)")
_SCHEME_BYTES = 64


def read_bearer_token(headers: RawHeaders) -> str:
    """The bearer token, ASCII; raises `Unauthenticated`."""
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


def read_account_header(headers: RawHeaders) -> str | None:
    """The value of X-Account-Id as UTF-8, or `None`; raises `AccountHeaderMalformed`.

    Whether it may be sent at all, and can name an account, is the verifier's to say.
    """
    values = [value for name, value in headers if name == _ACCOUNT]
    if not values:
        return None
    if len(values) > 1:
        raise AccountHeaderMalformed
    try:
        return values[0].strip(b" \t").decode("utf-8")
    except UnicodeDecodeError:
        raise AccountHeaderMalformed from None
