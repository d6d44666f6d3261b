"""Reading what exchanges send: any JSON at all must yield a value or `BadPayload`.

The `as_…` functions return `None` for anything else than they look for, so that a parser can skip
an odd row silently, and an exchange's new enum value breaks nothing.
"""

import json
import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any, NoReturn, Protocol, TypeVar

from botkeys.exchanges.aside import Pauses, with_pauses
from botkeys.exchanges.errors import BadPayload
from botkeys.exchanges.model import PermissionAnswer

Row = Mapping[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_LARGEST_EXPONENT = 30  # 10^30 of anything is neither a price nor a volume
_LONGEST_TEXT = 64
_SMALLEST_MARGIN = Decimal("0.001")
_HUNDREDTH = Decimal("0.01")
_LATEST_MS = 253_402_300_799_999  # the end of the year 9999
# Spellings of one asset; users type the right-hand one.
_ASSET_NAMES = {"XBT": "BTC", "XBt": "BTC", "USDt": "USDT"}


class _Listed(Protocol):
    @property
    def symbol(self) -> str: ...


def _counts(item: _Listed) -> bool:
    """Return whether the row shows that the listing was understood: dated contracts may be all
    that is left of one whose perpetuals were not.
    """
    return not getattr(item, "dated", False)


_T = TypeVar("_T", bound=_Listed)


def read_json(body: bytes, *, pausing: bool = False) -> object:
    """Return JSON with fractions as exact `Decimal`s. Raises `ValueError` only.

    `pausing` is for a thread beside an event loop.
    """
    try:
        parsed: object = json.loads(
            body,
            parse_float=Decimal,
            parse_constant=_refuse_constant,
            object_hook=Pauses() if pausing else None,
        )
    except (RecursionError, ArithmeticError):
        raise ValueError("JSON that is nested too deeply or contains an invalid number") from None
    return parsed


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def as_text(value: object) -> str | None:
    """Return a short word or number as text: printable, no spaces, fit for a database and a URL."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**_LONGEST_TEXT:
        return str(value)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_TEXT:
        return None
    return value if value.isprintable() and " " not in value else None


def as_asset(value: object) -> str | None:
    """Return the normalised name of an asset: XBT is BTC; others keep the exchange's name."""
    text = as_text(value)
    return None if text is None else _ASSET_NAMES.get(text, text)


def settle_name(asset: str) -> str:
    """Return the one spelling of a settle asset: another case does not make another asset.

    Exchanges write them in capitals, except for BitMEX's minor units (`XBt`, `USDt`).
    """
    capitals = asset.upper()
    return _ASSET_NAMES.get(capitals, capitals)


def as_decimal(value: object) -> Decimal | None:
    """Return a finite number of a sane size, from text or from a JSON number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            return None
        number = Decimal(value)
    elif isinstance(value, int | Decimal):
        number = Decimal(value)
    else:
        return None
    if not number.is_finite() or (number and abs(number.adjusted()) > _LARGEST_EXPONENT):
        return None
    return number or Decimal(0)


def as_positive(value: object) -> Decimal | None:
    number = as_decimal(value)
    return number if number is not None and number > 0 else None


def as_leverage(initial_margin: object) -> Decimal | None:
    """Return the maximum leverage for an initial margin rate: 50 for 0.02, 33.33 for 0.03."""
    rate = as_decimal(initial_margin)
    if rate is None or not _SMALLEST_MARGIN <= rate <= 1:
        return None
    leverage = (1 / rate).quantize(_HUNDREDTH, ROUND_DOWN)
    return leverage.to_integral_value() if leverage == leverage.to_integral_value() else leverage


def as_answer(value: object) -> PermissionAnswer:
    """Return a flag as an answer: only a real `true` or `false` is one."""
    if value is True:
        return PermissionAnswer.YES
    return PermissionAnswer.NO if value is False else PermissionAnswer.UNKNOWN


def as_time(milliseconds: object) -> datetime | None:
    """Return a moment in milliseconds since 1970; zero or less means none."""
    number = as_decimal(milliseconds)
    if number is None or not 0 < number <= _LATEST_MS:
        return None
    return _EPOCH + timedelta(milliseconds=int(number))


def as_moment(value: object) -> datetime | None:
    """Return a moment in ISO 8601 with its zone; 1970 or earlier means none."""
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo and moment > _EPOCH else None
    except (ValueError, OverflowError):
        return None


def milliseconds(moment: datetime) -> int:
    """Return whole milliseconds since 1970, computed without floats."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def object_of(exchange: str, value: object) -> Row:
    """Return a JSON object, or raise `BadPayload`."""
    if not isinstance(value, dict):
        raise BadPayload(exchange)
    return value


def rows_of(exchange: str, value: object) -> list[Row]:
    """Return the objects of a JSON array, skipping other items; raise `BadPayload` for no array."""
    if not isinstance(value, list):
        raise BadPayload(exchange)
    return [row for row in value if isinstance(row, dict)]


def listing(
    exchange: str,
    rows: Iterable[Row],
    parse: Callable[[Row], _T | None],
    *,
    may_be_empty: bool = False,
) -> Sequence[_T]:
    """Return all rows that `parse` can use, each symbol once.

    A listing without a single usable row is `BadPayload`, not an empty catalogue: otherwise a
    renamed field or an outage would look as if everything had been delisted at once.
    """
    found: dict[Hashable, _T] = {}
    for row in with_pauses(rows):
        item = parse(row)
        if item is not None:
            found.setdefault(item.symbol, item)
    if not may_be_empty and not any(map(_counts, found.values())):
        raise BadPayload(exchange)
    return tuple(found.values())
