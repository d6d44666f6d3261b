"""The cursor of the list of instruments: rank and symbol of a page's last row, and the search."""

import base64
import binascii

import orjson

from app.pagination import foreign_cursor


def encode(after: tuple[int, str], search: str) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([*after, search])).rstrip(b"=").decode()


def decode(cursor: str | None, search: str) -> tuple[int, str] | None:
    """Raises `InvalidRequest` for anything not from here, or from another search."""
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        found = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise foreign_cursor() from None
    match found:
        case [0 | 1 as rank, str(symbol), str(searched)] if (
            searched == search and symbol and symbol.isprintable()
        ):
            return rank, symbol
        case _:
            raise foreign_cursor()
