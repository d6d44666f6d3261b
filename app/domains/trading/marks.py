"""Deletion marks: what of an account's trading data is deleted, its rows gone or not yet.

A mark covers what happened before its cut-off in its environment with its key; either that is
`None` is any. Every reading leaves out what a mark covers, and ingest refuses it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    FromClause,
    Uuid,
    all_,
    bindparam,
    literal,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.driver import Executor, Statement
from app.db.models import DeletionMark

FOREVER = datetime.max.replace(tzinfo=UTC)
"""The cut-off of a key that was deleted with its data; PostgreSQL stores it as `infinity`."""


@dataclass(frozen=True, slots=True)
class Mark:
    """`cutoff` is in UTC; `FOREVER` covers all times."""

    environment: str | None
    key_id: UUID | None
    cutoff: datetime


_MARKS = select(DeletionMark.environment, DeletionMark.key_id, DeletionMark.cutoff).where(
    DeletionMark.account_id == bindparam("account")
)
_MARKS_AT_ONCE = Statement(_MARKS)


async def read_marks(source: Executor | AsyncSession, account_id: UUID) -> list[Mark]:
    """All marks of the account. Of a session they are those that its next statement would see."""
    rows: Iterable[Iterable[Any]]
    if isinstance(source, AsyncSession):
        rows = (await source.execute(_MARKS, {"account": account_id})).all()
    else:
        rows = await source.fetch(_MARKS_AT_ONCE, account=account_id)
    return [mark_of(*row) for row in rows]


def mark_of(environment: str | None, key_id: Any, cutoff: datetime) -> Mark:
    # Of all times the driver gives `infinity` alone without a zone.
    return Mark(environment, key_id, cutoff if cutoff.tzinfo else FOREVER)


def covers(mark: Mark, environment: str | None, key_id: UUID | None, at: datetime) -> bool:
    """Whether what happened at this time, in this environment, with this key is deleted."""
    return _concerns(mark, environment, key_id) and (at < mark.cutoff or mark.cutoff == FOREVER)


def latest_cutoff(
    marks: Iterable[Mark], environment: str | None, key_id: UUID | None
) -> datetime | None:
    """Before it all of this key's data in this environment are deleted; `None`: none were."""
    return max((m.cutoff for m in marks if _concerns(m, environment, key_id)), default=None)


def _concerns(mark: Mark, environment: str | None, key_id: UUID | None) -> bool:
    return mark.environment in (None, environment) and mark.key_id in (None, key_id)


def blanket_cutoff(marks: Iterable[Mark], environment: str | None) -> datetime | None:
    """Before it all keys' data of the environment are deleted; `None`: no mark is so wide."""
    wide = [m.cutoff for m in marks if m.key_id is None and m.environment in (None, environment)]
    return max(wide, default=None)


class Cutoffs(NamedTuple):
    """What marks come to: `blanket` is of all keys, `apart` are marks that go beyond it, `gone` are
    keys of which nothing is left. In a statement, parameters stand in the place of values.
    """

    blanket: Any
    apart: Sequence[Mark]
    gone: Any


def cutoffs(marks: Sequence[Mark], environment: str | None) -> Cutoffs:
    """Of rows of one environment, or of any if that is `None`."""
    if environment is not None:
        marks = [mark for mark in marks if mark.environment in (None, environment)]
    blanket = blanket_cutoff(marks, environment)
    beyond = [mark for mark in marks if blanket is None or mark.cutoff > blanket]
    gone = [m for m in beyond if m.key_id and m.cutoff == FOREVER and m.environment is None]
    return Cutoffs(blanket, [m for m in beyond if m not in gone], [m.key_id for m in gone])


def not_covered(
    marks: Sequence[Mark],
    table: FromClause,
    time_column: ColumnElement[datetime],
    environment: str | None = None,
) -> list[ColumnElement[bool]]:
    """The conditions of what is left; for `table` with the columns `environment` and `key_id`.

    Name the `environment` where the statement keeps to one: then what is deleted there of all keys
    is a single `time >= cutoff`, which bounds the scan of an index that ends with the time. Rows
    without a key or an environment are covered by no mark that names one. Positions need more:
    those that are held are never covered.
    """
    found = cutoffs(marks, environment)
    if found.gone:
        found = found._replace(gone=literal(found.gone, GONE))
    else:
        found = found._replace(gone=None)
    return beyond(found, table, time_column, environment)


GONE = ARRAY(Uuid)


def beyond(
    found: Cutoffs,
    table: FromClause,
    time_column: ColumnElement[datetime],
    environment: str | None,
) -> list[ColumnElement[bool]]:
    """As `not_covered`; `gone` is an array in SQL, or `None`."""
    conditions: list[ColumnElement[bool]] = []
    if found.blanket is not None:
        conditions.append(time_column >= found.blanket)
    conditions.extend(
        or_(*_outside(mark, table, environment), time_column >= mark.cutoff) for mark in found.apart
    )
    if found.gone is not None:
        key = table.c.key_id
        conditions.append(or_(key.is_(None), key != all_(found.gone)))
    return conditions


def _outside(
    mark: Mark, table: FromClause, environment: str | None
) -> Iterable[ColumnElement[bool]]:
    if mark.key_id is not None:
        yield table.c.key_id.is_distinct_from(mark.key_id)
    if mark.environment is not None and environment is None:
        yield table.c.environment.is_distinct_from(mark.environment)
