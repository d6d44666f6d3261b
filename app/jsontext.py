"""Values of the database as JSON text."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson


def _default(value: Any) -> Any:
    # asyncpg's UUIDs are a subclass, which orjson leaves to us.
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Decimal):
        return plain(value)
    raise TypeError


def plain(value: Decimal) -> str:
    """A decimal in plain digits: no exponent, no zeros that say nothing."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def dumps(content: Any) -> bytes:
    """Compact JSON; times are RFC 3339 with `Z`, UUIDs their usual text, decimals text too."""
    return orjson.dumps(content, default=_default, option=orjson.OPT_UTC_Z)


def dumps_sorted(content: Any) -> bytes:
    """The same with members in alphabetical order: equal content gives equal bytes."""
    option = orjson.OPT_UTC_Z | orjson.OPT_SORT_KEYS
    return orjson.dumps(content, default=_default, option=option)
