"""Free-form details of signals and events: an object of JSON, bounded in size and depth."""

from math import isfinite
from typing import Annotated, Any

import orjson
from pydantic import BeforeValidator, WithJsonSchema
from typing_extensions import TypeAliasType

from app.kit.json_codec import Rounded

MAX_DATA_BYTES = 16 * 1024
MAX_DATA_DEPTH = 20


def _json_text(value: Any) -> str:
    """Return the text to store; the database accepts less than JSON allows."""
    if not isinstance(value, dict):
        raise ValueError("must be an object")  # noqa: TRY004  # what Pydantic reports as a fault
    _look_through(value, MAX_DATA_DEPTH)
    try:
        text = orjson.dumps(value, default=_as_held)
    except TypeError:
        raise ValueError("must contain only valid text and numbers of at most 64 bits") from None
    if len(text) > MAX_DATA_BYTES:
        raise ValueError(f"must be at most {MAX_DATA_BYTES} bytes long")
    return text.decode()


def _as_held(value: Any) -> float:
    """Convert to a float: numbers in free-form data are not amounts, so 64 bits are enough."""
    if isinstance(value, Rounded):
        return float(value)
    raise TypeError


def _look_through(value: dict[str, Any] | list[Any], depth: int) -> None:
    if not depth:
        raise ValueError(f"must be at most {MAX_DATA_DEPTH} levels deep")
    for inner in (*value, *value.values()) if isinstance(value, dict) else value:
        if isinstance(inner, str):
            if "\x00" in inner:
                raise ValueError("must not contain NUL characters")
        elif isinstance(inner, float):
            if not isfinite(inner):
                raise ValueError("must contain only finite numbers")
        elif isinstance(inner, dict | list):
            _look_through(inner, depth - 1)


EventData = TypeAliasType(
    "EventData",
    Annotated[
        str,
        BeforeValidator(_json_text),
        WithJsonSchema(
            {
                "type": "object",
                "additionalProperties": True,
                "description": "Free-form details: at most 16 KiB of JSON, nested at most 20 "
                "levels deep, with at most 200 members in each object.",
                "examples": [{"rsi": 71.5, "window": "4h"}],
            }
        ),
    ],
)
"""An object of at most 16 KiB and 20 levels, as JSON text."""
