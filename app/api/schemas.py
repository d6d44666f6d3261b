"""Types that several domains' documents share."""

import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetPydanticSchema,
    Strict,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError, core_schema

from app.kit.json_codec import SAFE_DIGITS, Rounded
from app.kit.visible_text import composed, is_blank, is_visible
from botkeys.sealing.secret import Secret

LONGEST_NAME = 100


def visible(text: str) -> str:
    """Reject characters that hide, or reverse the text around them, in a list or an audit entry."""
    if not (text.isascii() and text.isprintable()) and not is_visible(text):
        raise ValueError("must not contain control characters or invisible ones")
    return text


_BREAKS = re.compile(r"\r?\n|\t")


def visible_lines(text: str) -> str:
    """Check text of several lines, with tabs, like `visible`; return it unchanged."""
    visible(_BREAKS.sub("", text))
    return text


def _with_substance(text: str) -> str:
    if is_blank(text):
        raise ValueError("must contain a visible character")
    return text


def _composed(text: str) -> str:
    """Return the text in NFC, in which a few characters become longer."""
    if text.isascii():
        return text
    text = composed(text)
    if len(text) > LONGEST_NAME:
        raise ValueError(f"must have at most {LONGEST_NAME} characters in Unicode's form NFC")
    return text


Label = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_NAME),
    AfterValidator(visible),
    AfterValidator(_with_substance),
    AfterValidator(_composed),
]
"""A name given by a person: 1 to 100 characters, none of them invisible, kept in NFC."""

Search = Annotated[
    str,
    StringConstraints(max_length=LONGEST_NAME),
    AfterValidator(visible),
    AfterValidator(_composed),
]

Symbol = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_NAME),
    AfterValidator(visible),
    AfterValidator(_with_substance),
]
"""An instrument, visible and in any spelling that is understood: see `app.domains.trading.symbols`.
"""

UNDERSTOOD = (
    "The exchange's own symbol in any case, or the unified one of ccxt and freqtrade, as "
    "`BTC/USDT:USDT`. Answers show the exchange's own."
)
"""What every document says about a symbol that it takes."""

Flag = Annotated[bool, Strict()]
"""`true` or `false` in a body. By default Pydantic also accepts `"off"`, `"n"` and 0."""


def _number_alone(value: Any) -> Any:
    if isinstance(value, bool | str | Rounded):
        raise PydanticCustomError("int_type", "Input should be a valid integer")
    return value


WHOLE_NUMBER = BeforeValidator(_number_alone)
"""A validator for an `int` in a body, placed after its bounds: 1.0 is an integer in JSON.
By default Pydantic also accepts `true`, `"1"` and `" 1_0"`.
"""


def unrounded(value: Any) -> Any:
    """Reject a number that was rounded when it was parsed."""
    if isinstance(value, Rounded):
        fault = f"must be sent as text if it has more than {SAFE_DIGITS} digits"
        raise ValueError(fault)  # noqa: TRY004  # what Pydantic reports as a fault
    return value


def _secret_schema(_source: Any, _handler: Any) -> core_schema.CoreSchema:
    text = core_schema.str_schema(min_length=1, max_length=8192, strict=True)
    return core_schema.no_info_after_validator_function(Secret, text)


SecretText = Annotated[
    Secret,
    GetPydanticSchema(_secret_schema),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": 8192,
            "format": "password",
            "writeOnly": True,
        }
    ),
]
"""Text of 1 to 8192 characters that is boxed as soon as it is read."""


class Document(BaseModel):
    """A response document, built from rows that the database has checked."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


DecimalText = Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]+)?$")]
"""A decimal in an answer, in plain digits: nothing of it is rounded on the way."""

NextCursor = Annotated[
    str | None,
    Field(
        description="Send it as `cursor` to get the next page; null on the last page.",
        examples=[None],
    ),
]


class Input(BaseModel):
    """A request's body. An unknown member is rejected, since it is a typing error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


_LONGEST_LOCATION = 12
_LONGEST_MESSAGE = 300
_MEMBER = re.compile(r"[a-z_-]{1,40}")


def safe_location(loc: tuple[Any, ...], fault: str) -> list[Any]:
    """Return a fault's location without names made up by the sender, which may be secret.

    Of a long one, it is the beginning; of an unknown member, it is the object's.
    """
    safe = [
        part if isinstance(part, int) or _MEMBER.fullmatch(str(part).lower()) else "[member]"
        for part in loc[:_LONGEST_LOCATION]
    ]
    return safe[:-1] if fault == "extra_forbidden" and len(loc) == len(safe) else safe


_NO_OBJECT = frozenset({"dict_type", "model_attributes_type", "model_type"})


def public_message(fault: str, message: str) -> str:
    """Return the validator's sentence in the terms of JSON, without names of Python's classes."""
    if fault in _NO_OBJECT:
        return "must be a JSON object"
    return message.removeprefix("Value error, ")[:_LONGEST_MESSAGE]
