"""Values of the database as JSON text, and the bodies of requests as values."""

import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from botkeys.decimals import plain

SAFE_DIGITS = 15
"""What a binary fraction of 64 bits holds of any decimal number."""


class Rounded(float):
    """A number that is no longer what was sent."""


def loads(sent: bytes) -> Any:
    """As `json.loads`, with its errors. A number with a point or an exponent that has more digits
    than can be told apart is `Rounded`: once it is read, nothing else shows it.
    """
    return json.loads(sent, parse_float=_number)


def _number(text: str) -> float:
    number = float(text)
    if number and len(text) <= SAFE_DIGITS + 1:
        return number
    digits = text.lower().partition("e")[0].replace(".", "").strip("-0")
    return Rounded(number) if len(digits) > SAFE_DIGITS or (digits and not number) else number


def _default(value: Any) -> Any:
    # asyncpg's UUIDs are a subclass, which orjson leaves to us.
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Decimal):
        return plain(value)
    raise TypeError


def dumps(content: Any) -> bytes:
    """Compact JSON; times are RFC 3339 with `Z`, UUIDs their usual text, decimals text too."""
    return orjson.dumps(content, default=_default, option=orjson.OPT_UTC_Z)


def dumps_sorted(content: Any) -> bytes:
    """The same with members in alphabetical order: equal content gives equal bytes."""
    option = orjson.OPT_UTC_Z | orjson.OPT_SORT_KEYS
    return orjson.dumps(content, default=_default, option=option)
