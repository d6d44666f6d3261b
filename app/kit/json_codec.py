"""JSON encoding of database values, and decoding of request bodies."""

import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from botkeys.decimals import plain

SAFE_DIGITS = 15
"""How many decimal digits a 64-bit float always preserves."""


class Rounded(float):
    """A number that was rounded when it was parsed."""


def loads(sent: bytes) -> Any:
    """Parse like `json.loads`, with the same errors, but keep track of rounding.

    A number with a point or an exponent and more digits than a float preserves becomes `Rounded`:
    after parsing, nothing else shows it.
    """
    return json.loads(sent, parse_float=_number)


def _number(text: str) -> float:
    number = float(text)
    if number and len(text) <= SAFE_DIGITS + 1:
        return number
    digits = text.lower().partition("e")[0].replace(".", "").strip("-0")
    return Rounded(number) if len(digits) > SAFE_DIGITS or (digits and not number) else number


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
