"""The kinds of trading data: what a deletion covers of each table.

A deletion is expressed as marks (`trading.marks`). All indexes begin with account and environment,
or with account, key and environment; a mark is therefore cut into slices that name an environment.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Table, Text, and_, false, func, literal, or_, true
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import TIMESTAMP

from app.db.models import BotEvent, EquitySnapshot, Funding, Position, Signal, Trade
from app.db.models.position import happened
from app.domains.trading.marks import FOREVER, Mark, blanket_cutoff
from botkeys.exchanges.model import Environment


class DataKind(NamedTuple):
    """A table of what bots report. `order` is the column that ends its indexes."""

    name: str
    table: Table
    order: str

    def time(self, rows: FromClause) -> ColumnElement[Any]:
        """Return when a row happened, the time that a cut-off is compared with."""
        return happened(rows) if self.keeps_held else rows.c[self.order]

    @property
    def keeps_held(self) -> bool:
        """Whether rows that are held, open positions and reservations, outlive a deletion."""
        return self.name == "positions"

    @property
    def names_all(self) -> bool:
        """Whether every row has an environment: events of a bot without a key have none."""
        return not self.table.c.environment.nullable


TRADES = DataKind("trades", cast("Table", Trade.__table__), "closed_at")
FUNDING = DataKind("funding", cast("Table", Funding.__table__), "at")
POSITIONS = DataKind("positions", cast("Table", Position.__table__), "created_at")
EQUITY_SNAPSHOTS = DataKind("equity_snapshots", cast("Table", EquitySnapshot.__table__), "at")
SIGNALS = DataKind("signals", cast("Table", Signal.__table__), "at")
BOT_EVENTS = DataKind("bot_events", cast("Table", BotEvent.__table__), "at")
KINDS = (TRADES, FUNDING, POSITIONS, EQUITY_SNAPSHOTS, SIGNALS, BOT_EVENTS)
"""All kinds of trading data. Lists, ingest, counts and deletions use this one registry."""


class Slice(NamedTuple):
    """A part of a mark. `environment` `None` stands for rows without an environment. Rows before
    `since` are left to a mark that covers all keys.
    """

    environment: str | None
    key_id: UUID | None
    mark: Mark
    since: datetime | None


def slices(kind: DataKind, marks: Sequence[Mark]) -> Iterator[Slice]:
    """Yield what the marks cover, cut so that a slice is a range of one index and slices never
    overlap.

    A key has at most one mark of its own.
    """
    for mark in marks:
        environments: list[str | None] = [mark.environment]
        if mark.environment is None:
            environments = [*Environment] if kind.names_all else [*Environment, None]
        for environment in environments:
            since = None if mark.key_id is None else blanket_cutoff(marks, environment)
            yield Slice(environment, mark.key_id, mark, since)


def held_in(rows: FromClause) -> ColumnElement[bool]:
    """Return the condition of `app.db.models.position.held` for any alias of the table."""
    return or_(
        rows.c.status == "open",
        and_(rows.c.status == "opening", rows.c.expires_at > func.clock_timestamp()),
    )


def covered(
    kind: DataKind, rows: FromClause, account_id: UUID, part: Slice, *, even_held: bool = False
) -> list[ColumnElement[bool]]:
    """Return the conditions of the rows a slice covers; held positions only with `even_held`."""
    conditions = [
        rows.c.account_id == account_id,
        rows.c.environment.is_(None)
        if part.environment is None
        else rows.c.environment == part.environment,
    ]
    if part.key_id is not None:
        conditions.append(rows.c.key_id == part.key_id)
    if part.mark.cutoff != FOREVER:
        conditions.append(kind.time(rows) < part.mark.cutoff)
    if part.since is not None:
        conditions.append(kind.time(rows) >= part.since)
    if kind.keeps_held and not even_held:
        conditions.append(~held_in(rows))
    return conditions


def in_scope(rows: FromClause, account_id: UUID, marks: Sequence[Mark]) -> ColumnElement[bool]:
    """Return whether a row has the environment and key of one of the marks, at any time."""
    parts = []
    for mark in marks:
        conditions: list[ColumnElement[bool]] = [true()]
        if mark.environment is not None:
            conditions.append(rows.c.environment == mark.environment)
        if mark.key_id is not None:
            conditions.append(rows.c.key_id == mark.key_id)
        parts.append(and_(*conditions))
    return and_(rows.c.account_id == account_id, or_(false(), *parts))


def cutoff_of(mark: Mark) -> ColumnElement[object]:
    """Return the cut-off as PostgreSQL stores it."""
    if mark.cutoff == FOREVER:
        return sql_cast(literal("infinity", Text), TIMESTAMP(timezone=True))
    return literal(mark.cutoff, TIMESTAMP(timezone=True))
