"""Types of the members of reported items, and items that are malformed.

One bad item must not fail the others: an item that cannot be parsed becomes an `InvalidItem`.
"""

from collections import Counter
from collections.abc import Callable, Collection
from typing import Annotated, Any, NamedTuple

from pydantic import (
    AfterValidator,
    GetPydanticSchema,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import core_schema

from app.api.known_names import no_such, spelled_alike
from app.api.schemas import public_message, safe_location
from app.domains.ingest.columns import Columns
from app.domains.trading.fields import RowName
from app.kit.visible_text import is_blank, is_visible
from botkeys.exchanges.parsing import as_text, settle_name

MAX_ITEMS = 1000

_MOST_FAULTS = 5
_MOST_MEMBERS = 40
"""More than any kind of item has."""

_ROW_NAME = TypeAdapter[str](RowName)


class InvalidItem(NamedTuple):
    """A malformed item. `id` is its own id if that is valid; `detail` names places and faults, no
    values.
    """

    id: str | None
    detail: str


def or_invalid(
    kind: type[Any], made: Callable[[Any], Any] = lambda item: item
) -> GetPydanticSchema:
    """Annotate an item or `InvalidItem` so that it is parsed and documented as `kind`. `made`
    returns what is kept of it.
    """

    def read(value: Any, handler: core_schema.ValidatorFunctionWrapHandler) -> Any:
        if isinstance(value, dict) and len(value) > _MOST_MEMBERS:
            # Each unknown member would become a fault, and a batch may hold a hundred thousand.
            return InvalidItem(_id_of(value), "item: has too many members (too_many_members)")
        try:
            return made(handler(value))
        except ValidationError as error:
            return InvalidItem(_id_of(value), sentence_of(error, known))

    known = {field.alias or name for name, field in kind.model_fields.items()}
    return GetPydanticSchema(
        lambda _source, handler: core_schema.no_info_wrap_validator_function(
            read, handler.generate_schema(kind)
        )
    )


def together(columns: Columns, made: Callable[[tuple[Any, ...]], Any]) -> WrapValidator:
    """Annotate a list so that all items are read at once where they are plain, one by one
    otherwise. `made` makes an item of its members.
    """

    def read(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        if isinstance(value, list) and 0 < len(value) <= MAX_ITEMS:
            rows = columns.read(value)
            if rows is not None:
                return list(map(made, rows))
        return handler(value)

    return WrapValidator(read)


def _id_of(item: Any) -> str | None:
    try:
        return _ROW_NAME.validate_python(item.get("id")) if isinstance(item, dict) else None
    except ValidationError:
        return None


def sentence_of(error: ValidationError, known: Collection[str]) -> str:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    found = Counter(
        _fault(fault["loc"], fault["type"], fault["msg"], known) for fault in faults[:_MOST_FAULTS]
    )
    parts = [fault if times == 1 else f"{fault}, {times} times" for fault, times in found.items()]
    if len(faults) > _MOST_FAULTS:
        parts.append(f"and {len(faults) - _MOST_FAULTS} more")
    return "; ".join(parts)


def _fault(loc: tuple[Any, ...], kind: str, message: str, known: Collection[str]) -> str:
    place = ".".join(str(part) for part in safe_location(loc, kind)) or "item"
    text = public_message(kind, message)
    if kind == "extra_forbidden":
        # A closer look would take too long: a batch may have five thousand of them.
        nested = len(loc) > 1  # in an object whose members are not those that are known here
        meant = None if nested else spelled_alike(str(loc[-1]), known)
        text = "No such member" if nested else no_such("member", meant, known)
    return f"{place}: {text} ({kind})"


def _normalised(value: str) -> str:
    name = as_text(value)
    if name is None or is_blank(name) or not is_visible(name):
        raise ValueError("must be the name of an asset")
    return settle_name(name)


Asset = Annotated[str, AfterValidator(_normalised)]
"""The name of a settle asset, stored in capitals; XBT is read as BTC."""
