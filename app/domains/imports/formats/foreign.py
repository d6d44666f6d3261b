"""What files of other programs and of exchanges have in common: loose members, and times.

Such a record has more members than are of use here, so unknown ones are passed over.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints

from app.api.schemas import Label
from app.domains.imports.formats.row import Refusal
from app.domains.trading.fields import Amount, NotNegative, Positive

_WHOLE = re.compile(r"[0-9]{1,18}")
_LATEST = 253_402_300_799_000
"""The last millisecond of the year 9999, but for a second."""

NO_SETTLE = Refusal(
    "unknown_contract",
    "Neither the row nor what the exchange lists or listed says which asset the P&L is in.",
)
UNORDERED = Refusal(
    "unordered",
    "The row is older than the one before. Rows of this format must be sorted by time, since fees "
    "are counted with the next P&L of their symbol.",
)


class Foreign(BaseModel):
    """A record of somebody else's format."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


def _of_milliseconds(value: Any) -> Any:
    """Return the time of a number of milliseconds since 1970; the number may be text."""
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LATEST:
        raise ValueError("must be a number of milliseconds since 1970")
    return datetime.fromtimestamp(value // 1000, UTC).replace(microsecond=value % 1000 * 1000)


def _or_none(value: Any) -> Any:
    return None if value == "" else value


Milliseconds = Annotated[datetime, BeforeValidator(_of_milliseconds)]
MaybeMilliseconds = Annotated[
    datetime | None,
    BeforeValidator(lambda value: None if value in (None, "") else _of_milliseconds(value)),
]
MaybeAmount = Annotated[Amount | None, BeforeValidator(_or_none)]
MaybeNotNegative = Annotated[NotNegative | None, BeforeValidator(_or_none)]
MaybePositive = Annotated[Positive | None, BeforeValidator(_or_none)]
MaybeLabel = Annotated[Label | None, BeforeValidator(_or_none)]
Name = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
    StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$"),
]
"""An id of an exchange."""
