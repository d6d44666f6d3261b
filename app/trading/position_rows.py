"""Positions with the names of their bot and key, for bots and users alike."""

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, false, func, select

from app.db.models import Bot, KeyLabel, Position


class PositionRow(NamedTuple):
    """Named like the table's columns. `lapsed`: an `opening` whose time is over, not yet marked."""

    id: str
    bot_id: UUID
    key_id: UUID
    exchange: str
    environment: str
    contract_type: str
    symbol: str
    side: str
    status: str
    quantity: Decimal
    entry_price: Decimal | None
    exit_price: Decimal | None
    leverage: Decimal | None
    margin_mode: str | None
    fees: Decimal | None
    revision: int | None
    opened_at: datetime | None
    closed_at: datetime | None
    close_reason: str | None
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
    bot_name: str | None
    key_label: str
    lapsed: bool


_POSITIONS = Position.__table__
_BOTS = Bot.__table__
_LABELS = KeyLabel.__table__
_MORE: dict[str, ColumnElement[Any]] = {
    "bot_name": _BOTS.c.name.label("bot_name"),
    "key_label": _LABELS.c.label.label("key_label"),
    "lapsed": func.coalesce(_POSITIONS.c.expires_at <= func.clock_timestamp(), false()).label(
        "lapsed"
    ),
}
_NAMED = _POSITIONS.outerjoin(
    _BOTS,
    (_BOTS.c.account_id == _POSITIONS.c.account_id) & (_BOTS.c.id == _POSITIONS.c.bot_id),
).outerjoin(
    _LABELS,
    (_LABELS.c.account_id == _POSITIONS.c.account_id) & (_LABELS.c.key_id == _POSITIONS.c.key_id),
)
# Made once, as building a statement anew takes longer than PostgreSQL takes to answer it.
POSITIONS = select(
    *(_MORE[name] if name in _MORE else _POSITIONS.c[name] for name in PositionRow._fields)
).select_from(_NAMED)
"""All, as rows that `PositionRow._make` takes; each use names the account."""
