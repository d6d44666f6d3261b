"""What no deletion mark covers, for statements that are written as text."""

from collections.abc import Sequence
from datetime import datetime

from app.domains.trading.marks import BEGINNING, FOREVER, Mark, cutoffs
from app.kit.json_codec import dumps


def kept(marks: Sequence[Mark], environment: str, name: str, time: str) -> str:
    """Return the condition for rows of `name`, a table or an alias, with their time in column
    `time`.

    It is equivalent to `trading.marks.not_covered` for rows that all have a key. Ids and times of
    the marks are literals, so that the planner can use them for its estimates.
    """
    found = cutoffs(marks, environment)
    conditions = []
    if found.blanket is not None:
        conditions.append(f"{name}.{time} >= {_literal(found.blanket)}")
    for mark in found.apart:
        other = f"{name}.key_id <> '{mark.key_id}'"
        if mark.cutoff == FOREVER:
            conditions.append(other)
        else:
            conditions.append(f"({other} OR {name}.{time} >= {_literal(mark.cutoff)})")
    conditions += [f"{name}.key_id <> '{key_id}'" for key_id in found.deleted_keys]
    if found.many is not None:
        many = dumps(found.many).decode()
        conditions.append(
            f"{name}.{time} >= coalesce(CAST(CAST('{many}' AS jsonb)"
            f" ->> CAST({name}.key_id AS text) AS timestamptz), '{BEGINNING}')"
        )
    return f"({' AND '.join(conditions) or 'true'})"


def _literal(at: datetime) -> str:
    return f"'{at.isoformat()}'::timestamptz"
