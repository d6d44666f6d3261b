"""Computes what a report changes in the row of its position."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from app.domains.positions.rows import PositionRow
from app.domains.positions.schemas import PositionReport
from app.domains.positions.transitions import Effect

RESERVATION = timedelta(seconds=60)

_REPORTED = (
    "quantity",
    "entry_price",
    "exit_price",
    "leverage",
    "margin_mode",
    "fees",
    "opened_at",
    "revision",
)
_COMPLETED = ("exit_price", "fees", "closed_at", "revision")
_NOT_CLOSED = {"closed_at": None, "close_reason": None}


def changes(
    effect: Effect, stored: PositionRow | None, report: PositionReport, now: datetime
) -> dict[str, Any]:
    """Return the columns whose value changes: none if the same report was received before.

    Members that a report omits keep their value. Requesting an opening again renews its
    reservation.
    """
    new = _given(report, _COMPLETED if effect is Effect.COMPLETE else _REPORTED)
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
    """Return the report with `now` in place of these times, which came from a wrong clock.

    A time that is already stored stays, so that repeating the report changes nothing.
    """
    known = {name: None if stored is None else getattr(stored, name) for name in ahead}
    return report.model_copy(
        update={name: now if time is None else None for name, time in known.items()}
    )


def _given(report: PositionReport, names: Iterable[str]) -> dict[str, Any]:
    values = {name: getattr(report, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _known_end(stored: PositionRow | None) -> datetime | None:
    """Return when a closed position ended: closed by the user, or lapsed."""
    if stored is None:
        return None
    return stored.expires_at if stored.lapsed else stored.closed_at
