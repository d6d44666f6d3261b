"""The scope of an operation, as its row stores it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from app.domains.operations.repository import MARKS
from app.domains.trading.marks import FOREVER, Mark


def stored(marks: Iterable[Mark], **requested: Any) -> dict[str, Any]:
    """Return the scope as it was requested, with the marks that resulted from it."""
    return {
        **requested,
        MARKS: [
            {
                "environment": mark.environment,
                "key_id": None if mark.key_id is None else str(mark.key_id),
                "cutoff": None if mark.cutoff == FOREVER else mark.cutoff.isoformat(),
            }
            for mark in marks
        ],
    }


def marks_of(scope: dict[str, Any]) -> list[Mark]:
    """Return the marks that a deletion has set."""
    return [
        Mark(
            mark["environment"],
            None if mark["key_id"] is None else UUID(mark["key_id"]),
            FOREVER if mark["cutoff"] is None else datetime.fromisoformat(mark["cutoff"]),
        )
        for mark in scope[MARKS]
    ]
