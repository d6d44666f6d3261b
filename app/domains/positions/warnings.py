"""Events about positions whose reports were recorded although something was wrong."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from app.domains.bot_events.event import RecordedEvent
from app.domains.positions.rows import PositionRow
from app.domains.positions.transitions import Effect, State
from app.domains.trading.errors import ClockAhead

UNEXPECTED = frozenset({"position_unexpected", "position_reopened"})
"""The kinds of events about positions that should not be open."""

_UNEXPECTED = (
    "A position without a reservation was reported as open while new positions were blocked."
)
_LATE = (
    "A bot reported a position as open with a key that it no longer has. The position does not "
    "lock the key. Check at the exchange whether it exists."
)
_REOPENED = "A position that had been closed by hand was reported as open. It is open again."
_AHEAD = (
    "A position was reported with a time more than 5 minutes in the future. The service's own time "
    "was used instead. Correct the bot's clock."
)
_REVERSED = "A position was reported as closed before it was opened. Correct the bot's clock."


def of_effect(
    effect: Effect, state: State, row: PositionRow, blocked_by: Sequence[str]
) -> list[RecordedEvent]:
    """Return the events of an effect. `blocked_by` lists what forbids opening the position now."""
    data = _named(row)
    if effect in {Effect.OPEN, Effect.REOPEN} and state is not State.OPEN and not row.locks_key:
        kind = "position_unexpected" if effect is Effect.OPEN else "position_reopened"
        data["locks_key"] = False
        if blocked_by:
            data["blocked_by"] = list(blocked_by)
        return [RecordedEvent(kind, "warning", _LATE, data)]
    if effect is Effect.REOPEN:
        return [RecordedEvent("position_reopened", "warning", _REOPENED, data)]
    if effect is Effect.OPEN and state in {State.ABSENT, State.LAPSED} and blocked_by:
        data["blocked_by"] = list(blocked_by)
        return [RecordedEvent("position_unexpected", "warning", _UNEXPECTED, data)]
    return []


def of_times(
    row: PositionRow, changed: dict[str, Any], ahead: Mapping[str, datetime]
) -> list[RecordedEvent]:
    """Return the events of wrong times. `ahead` holds the reported times that were rejected.

    A report is not blamed for times that it did not change.
    """
    if ahead:
        reported = {name: time.isoformat() for name, time in ahead.items()}
        return [
            RecordedEvent(ClockAhead.code, "warning", _AHEAD, {**_named(row), "reported": reported})
        ]
    times = {name: getattr(row, name) for name in ("opened_at", "closed_at")}
    if None in times.values() or not changed.keys() & times.keys():
        return []
    if times["opened_at"] <= times["closed_at"]:
        return []
    reported = {name: time.isoformat() for name, time in times.items()}
    return [
        RecordedEvent("position_times_reversed", "warning", _REVERSED, {**_named(row), **reported})
    ]


def _named(row: PositionRow) -> dict[str, Any]:
    return {"position_id": row.id, "symbol": row.symbol}
