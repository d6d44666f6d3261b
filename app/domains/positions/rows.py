"""Positions with the names of their bot and key, for bots and users alike."""

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Select, false, func, select

from app.db.clock import NOW
from app.db.models import Bot, KeyLabel, Position


class PositionRow(NamedTuple):
    """A position, with fields named like the table's columns. `lapsed`: an expired `opening`,
    perhaps not marked yet.
    """

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
    locks_key: bool
    bot_name: str | None
    key_label: str
    lapsed: bool

    @property
    def happened(self) -> datetime:
        """Return the time of `app.db.models.position.happened`."""
        return self.closed_at or self.expires_at or self.updated_at


def named(
    positions: FromClause, account: ColumnElement[Any] | None = None
) -> Select[*tuple[Any, ...]]:
    """Return a query for `PositionRow._make` of these rows, from the table or what has its
    columns.

    `account` names the account where that of the rows does not show: behind a CTE.
    """
    of_account = positions.c.account_id if account is None else account
    bots, labels = Bot.__table__, KeyLabel.__table__
    lapsed = func.coalesce(positions.c.expires_at <= NOW, false())
    more: dict[str, ColumnElement[Any]] = {
        "bot_name": bots.c.name.label("bot_name"),
        "key_label": labels.c.label.label("key_label"),
        "lapsed": lapsed.label("lapsed"),
    }
    with_names = positions.outerjoin(
        bots, (bots.c.account_id == of_account) & (bots.c.id == positions.c.bot_id)
    ).outerjoin(
        labels,
        (labels.c.account_id == of_account) & (labels.c.key_id == positions.c.key_id),
    )
    columns = [more[name] if name in more else positions.c[name] for name in PositionRow._fields]
    return select(*columns).select_from(with_names)


# Built once: building a statement takes longer than PostgreSQL needs to run it.
POSITIONS = named(Position.__table__)
"""All positions; each use adds the account."""
