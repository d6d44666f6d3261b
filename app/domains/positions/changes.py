"""What a report changes in the row of its position."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from app.domains.positions.rows import PositionRow
from app.domains.positions.schemas import PositionReport
from app.domains.positions.transitions import Effect

RESERVATION = timedelta(seconds=60)

_REPORTED = (
    *("quantity", "entry_price", "exit_price", "leverage", "margin_mode", "fees", "opened_at"),
    "revision",
)
_COMPLETED = ("exit_price", "fees", "closed_at", "revision")
_NOT_CLOSED = {"closed_at": None, "close_reason": None}


def changes(
    effect: Effect, stored: PositionRow | None, report: PositionReport, now: datetime
) -> dict[str, Any]:
    """The columns that get another value: none where the report was heard before.

    What a report leaves out stays. An opening that is asked for again holds anew.
    """
    new = _said(report, _COMPLETED if effect is Effect.COMPLETE else _REPORTED)
    if effect is Effect.ASK:
        new |= {"status": "opening", "expires_at": now + RESERVATION, **_NOT_CLOSED}
    elif effect in {Effect.OPEN, Effect.REOPEN}:
        new |= {"status": "open", "expires_at": None, **_NOT_CLOSED}
        if stored is None or stored.opened_at is None:
            new.setdefault("opened_at", now)
    elif effect is Effect.CLOSE:
        new |= {"status": "closed", "expires_at": None, "close_reason": "reported"}
        new["closed_at"] = report.closed_at or _known_end(stored) or now
    if stored is None:
        return new
    return {name: value for name, value in new.items() if value != getattr(stored, name)}


def in_time(
    report: PositionReport, ahead: Iterable[str], stored: PositionRow | None, now: datetime
) -> PositionReport:
    """The report with `now` in place of these times, which a wrong clock gave; a time that is
    stored already stays, so that repeating the report changes nothing.
    """
    known = {name: None if stored is None else getattr(stored, name) for name in ahead}
    return report.model_copy(
        update={name: now if time is None else None for name, time in known.items()}
    )


def _said(report: PositionReport, names: Iterable[str]) -> dict[str, Any]:
    said = {name: getattr(report, name) for name in names}
    return {name: value for name, value in said.items() if value is not None}


def _known_end(stored: PositionRow | None) -> datetime | None:
    """When what is closed already was: by the user, or by running out of time."""
    if stored is None:
        return None
    return stored.expires_at if stored.lapsed else stored.closed_at
