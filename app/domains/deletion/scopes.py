"""What an operation works on, as its row keeps it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from app.domains.trading.marks import FOREVER, Mark

_MARKS = "marks"


def stored(marks: Iterable[Mark], **told: Any) -> dict[str, Any]:
    """The scope as it was asked for, with the marks that were made of it."""
    return {
        **told,
        _MARKS: [
            {
                "environment": mark.environment,
                "key_id": None if mark.key_id is None else str(mark.key_id),
                "cutoff": None if mark.cutoff == FOREVER else mark.cutoff.isoformat(),
            }
            for mark in marks
        ],
    }


def marks_of(scope: dict[str, Any]) -> list[Mark]:
    return [
        Mark(
            mark["environment"],
            None if mark["key_id"] is None else UUID(mark["key_id"]),
            FOREVER if mark["cutoff"] is None else datetime.fromisoformat(mark["cutoff"]),
        )
        for mark in scope[_MARKS]
    ]


def told(scope: dict[str, Any]) -> dict[str, Any]:
    """What of it concerns the user."""
    return {name: value for name, value in scope.items() if name != _MARKS}
