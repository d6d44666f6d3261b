"""JSON encoding of database values, and numbers that were rounded when they were decoded."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from botkeys.decimals import plain

SAFE_DIGITS = 15
"""How many decimal digits a 64-bit float always preserves."""


class Rounded(float):
    """A number that was rounded when it was parsed."""

    __slots__ = ()


def _default(value: Any) -> Any:
    # asyncpg's UUIDs are a subclass, which orjson passes to this function.
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Decimal):
        return plain(value)
    raise TypeError


def dumps(content: Any) -> bytes:
    """Return compact JSON; times are RFC 3339 with `Z`, UUIDs and decimals are text."""
    return orjson.dumps(content, default=_default, option=orjson.OPT_UTC_Z)


def dumps_sorted(content: Any) -> bytes:
    """Return the same with members in alphabetical order: equal content gives equal bytes."""
    option = orjson.OPT_UTC_Z | orjson.OPT_SORT_KEYS
    return orjson.dumps(content, default=_default, option=option)
