"""Types of the members of reported items, and items that are wrong in form.

One bad item must not fail the others: what cannot be read becomes an `InvalidItem` in its place.
"""

import math
from typing import Annotated, Any, NamedTuple

import orjson
from pydantic import (
    AfterValidator,
    BeforeValidator,
    GetPydanticSchema,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import core_schema
from typing_extensions import TypeAliasType

from app.api.schemas import safe_location, told_fault
from app.domains.trading.fields import RowName
from app.kit.json_codec import Rounded
from botkeys.exchanges.parsing import as_text, settle_name

MAX_DATA_BYTES = 16 * 1024
MAX_DATA_DEPTH = 20
_TOLD_FAULTS = 5
_ROW_NAME = TypeAdapter[str](RowName)


class InvalidItem(NamedTuple):
    """`id` is the item's own, where it can be told; `detail` names places and faults, no values."""

    id: str | None
    detail: str


def or_invalid(kind: type[Any]) -> GetPydanticSchema:
    """Annotates `kind | InvalidItem`: read and documented as `kind`."""

    def read(value: Any, handler: core_schema.ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError as error:
            return InvalidItem(_id_of(value), _sentence(error))

    return GetPydanticSchema(
        lambda _source, handler: core_schema.no_info_wrap_validator_function(
            read, handler.generate_schema(kind)
        )
    )


def _id_of(item: Any) -> str | None:
    try:
        return _ROW_NAME.validate_python(item.get("id")) if isinstance(item, dict) else None
    except ValidationError:
        return None


def _sentence(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    told = [_fault(fault["loc"], fault["type"], fault["msg"]) for fault in faults[:_TOLD_FAULTS]]
    if len(faults) > _TOLD_FAULTS:
        told.append(f"and {len(faults) - _TOLD_FAULTS} more")
    return "; ".join(told)


def _fault(loc: tuple[Any, ...], kind: str, message: str) -> str:
    place = ".".join(str(part) for part in safe_location(loc, kind)) if loc else "item"
    return f"{place}: {told_fault(kind, message)} ({kind})"


def _json_text(value: Any) -> str:
    """The text that the database stores, which takes less than JSON may hold."""
    if not isinstance(value, dict):
        raise ValueError("must be an object")  # noqa: TRY004  # what Pydantic reports as a fault
    _look_through(value, MAX_DATA_DEPTH)
    try:
        text = orjson.dumps(value, default=_as_held)
    except TypeError:
        raise ValueError("must hold valid text, and numbers of at most 64 bits") from None
    if len(text) > MAX_DATA_BYTES:
        raise ValueError(f"must be at most {MAX_DATA_BYTES} bytes long")
    return text.decode()


def _as_held(value: Any) -> float:
    """What a bot notes down is no amount: its numbers are those of 64 bits."""
    if isinstance(value, Rounded):
        return float(value)
    raise TypeError


def _look_through(value: Any, depth: int) -> None:
    if isinstance(value, str):
        if "\x00" in value:
            raise ValueError("must hold no NUL characters")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("must hold finite numbers only")
    elif isinstance(value, dict | list):
        if not depth:
            raise ValueError(f"must be at most {MAX_DATA_DEPTH} levels deep")
        for inner in value:
            _look_through(inner, depth - 1)
        if isinstance(value, dict):
            for inner in value.values():
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
                "description": "Free-form details, at most 16 KiB of JSON and 20 levels deep.",
                "examples": [{"rsi": 71.5, "window": "4h"}],
            }
        ),
    ],
)
"""An object of at most 16 KiB and 20 levels, as JSON text."""


def _normalised(value: str) -> str:
    name = as_text(value)
    if name is None:
        raise ValueError("must be the name of an asset")
    return settle_name(name)


Asset = Annotated[str, AfterValidator(_normalised)]
"""The name of a settle asset, kept in capitals; XBT is read as BTC."""
