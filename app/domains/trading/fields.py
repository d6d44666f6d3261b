"""Types of the members that trading data share."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from typing_extensions import TypeAliasType

from app.api.schemas import unrounded
from app.kit.visible_text import is_blank, is_visible

_SPACE = re.compile(r"\s")
PLAIN_DIGITS = r"[0-9]{1,20}(\.[0-9]{1,40})?"
_SCIENTIFIC = r"[0-9](\.[0-9]{1,40})?[eE](\+?(0?[0-9]|1[0-9])|-(0?[0-9]|[1-3][0-9]|40))"
_UNSIGNED = rf"({PLAIN_DIGITS}|{_SCIENTIFIC})"
_NUMBER = re.compile(f"-?{_UNSIGNED}")
_PLAIN = re.compile(PLAIN_DIGITS)
_BOUND = 10**20
_LEAST = 1e-40
_PLAINLY_WRITTEN = 1e15
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")
PLAIN_MOMENT = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_MOMENT = re.compile(PLAIN_MOMENT)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_NAMED = "must be 1 to 200 visible characters without white space or slashes"


def _name(text: str) -> str:
    if text.isascii() and text.isprintable() and " " not in text and "/" not in text:
        return text
    # U+FFFD replaces bytes of an address that were not UTF-8, so different names would collide.
    if (
        "/" in text
        or "\ufffd" in text
        or _SPACE.search(text)
        or not is_visible(text)
        or is_blank(text)
    ):
        raise ValueError(_NAMED)
    return text


RowName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        json_schema_extra={"pattern": r"^[^\s/\x00-\x1f\x7f]+$"},
    ),
    AfterValidator(_name),
]
"""The bot's own id of what it reports: 1 to 200 visible characters, no slash, no white space."""


def _as_number(value: Any) -> Any:
    """Accept plain numbers only: `Decimal` itself takes `1_0`, white space and digits of any
    script.
    """
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise ValueError(
            "must be a number with at most 20 digits before the decimal point and 40 after it"
        )
    if isinstance(value, float) and 0 < abs(value) < _LEAST:
        raise ValueError(f"must not be between 0 and {_LEAST}")
    return unrounded(value)


def _without_sign(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("-"):
        raise ValueError("must not be negative")
    return value


def _in_plain_digits(value: Decimal) -> Decimal:
    return Decimal(format(value, "f")) if value else Decimal(0)


def quickly(value: Any, otherwise: Callable[[Any], Any]) -> Decimal:
    """Parse the common case, plain digits above zero, which is valid for every type here."""
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        number = Decimal(value)
        if number:
            return number
    elif type(value) is float and _LEAST <= value < _PLAINLY_WRITTEN:
        return Decimal(repr(value))
    elif type(value) is int and 0 < value < _BOUND:
        return Decimal(value)
    checked: Decimal = otherwise(value)
    return checked


_quick = WrapValidator(quickly)


def _schema(sign: str, example: str, **more: str) -> WithJsonSchema:
    """Describe the text form only: a number is accepted too, but a client that sends one may round
    it.

    The text may use scientific notation, as Python does for small values: `str(Decimal("1e-7"))`.
    """
    return WithJsonSchema(
        {"type": "string", "pattern": f"^{sign}{_UNSIGNED}$", "examples": [example], **more}
    )


Amount = Annotated[
    Decimal,
    BeforeValidator(_as_number),
    Field(gt=-_BOUND, lt=_BOUND, allow_inf_nan=False),
    AfterValidator(_in_plain_digits),
    _quick,
    _schema("-?", "-1.25"),
]
"""A decimal as text or as a number, of a magnitude below 10²⁰. It is never rounded."""

NotNegative = Annotated[
    Decimal,
    BeforeValidator(_without_sign),
    BeforeValidator(_as_number),
    Field(ge=0, lt=_BOUND, allow_inf_nan=False),
    AfterValidator(_in_plain_digits),
    _quick,
    _schema("", "0.5"),
]

Positive = Annotated[
    Decimal,
    BeforeValidator(_as_number),
    Field(gt=0, lt=_BOUND, allow_inf_nan=False),
    AfterValidator(_in_plain_digits),
    _quick,
    _schema("", "0.5", description="More than 0."),
]


def _as_rfc3339(value: Any) -> Any:
    """Reject numbers: nobody can distinguish seconds from milliseconds."""
    if not isinstance(value, str) or not _DATE.match(value):
        raise ValueError("must be an RFC 3339 time with a time zone")
    return value


def _since_1970(value: datetime) -> datetime:
    # Pydantic's own message about a bound shows the bound in Python's notation.
    if value < EPOCH:
        raise ValueError("must be a time in or after 1970")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be a time before the year 10000") from None


def _read_quickly(value: Any, otherwise: ValidatorFunctionWrapHandler) -> datetime:
    """Parse the common case, whole and valid; the other validators report what is wrong."""
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        else:
            if moment >= EPOCH:
                return moment
    checked: datetime = otherwise(value)
    return checked


Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_as_rfc3339),
    AfterValidator(_since_1970),
    AfterValidator(_in_utc),
    WrapValidator(_read_quickly),
]
"""A time since 1970 with a zone, never as a number."""

EventLevel = TypeAliasType(
    "EventLevel",
    Annotated[Literal["info", "warning", "error"], Field(description="How serious an event is.")],
)
SignalDirection = TypeAliasType(
    "SignalDirection",
    Annotated[
        Literal["long", "short", "flat"],
        Field(description="The direction that a signal recommends."),
    ],
)
