"""Types of the members of reported items, and items that are wrong in form.

One bad item must not fail the others: what cannot be read becomes an `InvalidItem` in its place.
"""

from typing import Annotated, Any, NamedTuple

from pydantic import (
    AfterValidator,
    GetPydanticSchema,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import core_schema

from app.api.schemas import safe_location, told_fault
from app.domains.trading.fields import RowName
from botkeys.exchanges.parsing import as_text, settle_name

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


def _normalised(value: str) -> str:
    name = as_text(value)
    if name is None:
        raise ValueError("must be the name of an asset")
    return settle_name(name)


Asset = Annotated[str, AfterValidator(_normalised)]
"""The name of a settle asset, kept in capitals; XBT is read as BTC."""
