"""Deletion marks: which of an account's trading data are deleted, whether or not rows remain.

A mark covers what happened before its cut-off, in its environment, with its key; `None` means any
environment or any key. Every query leaves out what a mark covers, and ingest rejects it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    CompoundSelect,
    FromClause,
    SQLColumnExpression,
    Text,
    Uuid,
    all_,
    bindparam,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.driver import Executor, Statement
from app.db.models import DeletionMark

FOREVER = datetime.max.replace(tzinfo=UTC)
"""The cut-off of a key that was deleted with its data; PostgreSQL stores it as `infinity`."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A deletion mark. `cutoff` is in UTC; `FOREVER` covers all times."""

    environment: str | None
    key_id: UUID | None
    cutoff: datetime


_MARKS = select(DeletionMark.environment, DeletionMark.key_id, DeletionMark.cutoff).where(
    DeletionMark.account_id == bindparam("account")
)
_MARKS_AT_ONCE = Statement(_MARKS)


def of_key(
    account_id: SQLColumnExpression[Any], key_id: SQLColumnExpression[Any], outer: Any = None
) -> CompoundSelect[Any]:
    """Return the statement that reads the marks of a key and those of all keys.

    `outer` is the table of an enclosing statement that the key comes from. In two parts, since an
    account may have many marks of other keys.
    """
    of_account = (
        select(DeletionMark.environment, DeletionMark.key_id, DeletionMark.cutoff)
        .where(DeletionMark.account_id == account_id)
        .correlate(outer)
    )
    return union_all(
        of_account.where(DeletionMark.key_id.is_(None)),
        of_account.where(DeletionMark.key_id == key_id),
    )


async def read_marks(source: Executor | AsyncSession, account_id: UUID) -> list[Mark]:
    """Return all marks of the account. With a session, they are what its next statement
    would see.
    """
    rows: Iterable[Iterable[Any]]
    if isinstance(source, AsyncSession):
        rows = (await source.execute(_MARKS, {"account": account_id})).all()
    else:
        rows = await source.fetch(_MARKS_AT_ONCE, account=account_id)
    return [mark_of(*row) for row in rows]


def mark_of(environment: str | None, key_id: Any, cutoff: datetime) -> Mark:
    # The driver returns every time with a zone except `infinity`.
    return Mark(environment, key_id, cutoff if cutoff.tzinfo else FOREVER)


def covers(mark: Mark, environment: str | None, key_id: UUID | None, at: datetime) -> bool:
    """Return whether data of this time, environment and key are deleted."""
    return _concerns(mark, environment, key_id) and (at < mark.cutoff or mark.cutoff == FOREVER)


def latest_cutoff(
    marks: Iterable[Mark], environment: str | None, key_id: UUID | None
) -> datetime | None:
    """Return the cut-off of this key and environment: all data before it are deleted, or `None`."""
    return max((m.cutoff for m in marks if _concerns(m, environment, key_id)), default=None)


def _concerns(mark: Mark, environment: str | None, key_id: UUID | None) -> bool:
    return mark.environment in (None, environment) and mark.key_id in (None, key_id)


def blanket_cutoff(marks: Iterable[Mark], environment: str | None) -> datetime | None:
    """Return the cut-off that covers all keys of the environment; `None` if no mark is so wide."""
    wide = [m.cutoff for m in marks if m.key_id is None and m.environment in (None, environment)]
    return max(wide, default=None)


FEW = 16
"""How many marks of keys are conditions of their own: each takes time to plan."""


class Cutoffs(NamedTuple):
    """The marks, summed up.

    `blanket` is the cut-off of all keys, `apart` are marks that reach beyond it, and `deleted_keys`
    are keys without any data left. If there are more than `FEW` of keys, `many` has all of these
    instead: the cut-off of each by its name (`_name`), as text. In a statement, parameters take the
    place of the values.
    """

    blanket: Any
    apart: Sequence[Mark]
    deleted_keys: Any
    many: Any = None


def cutoffs(marks: Sequence[Mark], environment: str | None) -> Cutoffs:
    """Sum up the marks for rows of one environment, or of any if it is `None`."""
    if environment is not None:
        marks = [mark for mark in marks if mark.environment in (None, environment)]
    blanket = blanket_cutoff(marks, environment)
    beyond = [mark for mark in marks if blanket is None or mark.cutoff > blanket]
    of_keys = [mark for mark in beyond if mark.key_id is not None]
    if len(of_keys) > FEW:
        wide = [mark for mark in beyond if mark.key_id is None]
        return Cutoffs(blanket, wide, [], _by_name(of_keys, environment))
    whole = [m for m in of_keys if m.cutoff == FOREVER and m.environment is None]
    return Cutoffs(blanket, [m for m in beyond if m not in whole], [m.key_id for m in whole])


def _by_name(marks: Iterable[Mark], environment: str | None) -> dict[str, str]:
    """Return the cut-offs of keys by their names, those of rows of one environment, or of any."""
    found: dict[str, datetime] = {}
    for mark in marks:
        in_all = environment is not None or mark.environment is None
        name = f"{mark.key_id}{'' if in_all else mark.environment}"
        found[name] = max(mark.cutoff, found.get(name, mark.cutoff))
    return {
        name: "infinity" if cutoff == FOREVER else cutoff.isoformat()
        for name, cutoff in found.items()
    }


def not_covered(
    marks: Sequence[Mark],
    table: FromClause,
    time_column: ColumnElement[datetime],
    environment: str | None = None,
) -> list[ColumnElement[bool]]:
    """Return the conditions of rows that no mark covers; `table` has `environment` and `key_id`.

    Pass `environment` if the statement is limited to one: a mark of all its keys then becomes a
    single `time >= cutoff`, which bounds the scan of an index that ends with the time. A mark that
    names a key or an environment does not cover rows that have none. Positions need one more
    condition: held positions are never covered.
    """
    found = cutoffs(marks, environment)
    if found.deleted_keys:
        found = found._replace(deleted_keys=literal(found.deleted_keys, KEY_IDS))
    else:
        found = found._replace(deleted_keys=None)
    if found.many is not None:
        found = found._replace(many=literal(found.many, JSONB))
    return beyond(found, table, time_column, environment)


KEY_IDS = ARRAY(Uuid)
BEGINNING = "-infinity"
_TIME = TIMESTAMP(timezone=True)


def beyond(
    found: Cutoffs,
    table: FromClause,
    time_column: ColumnElement[datetime],
    environment: str | None,
) -> list[ColumnElement[bool]]:
    """Return the conditions of `not_covered`; `deleted_keys` is an array in SQL, or `None`, and
    `many` an object.
    """
    conditions: list[ColumnElement[bool]] = []
    if found.blanket is not None:
        conditions.append(time_column >= found.blanket)
    conditions.extend(
        or_(*_outside(mark, table, environment), time_column >= mark.cutoff) for mark in found.apart
    )
    if found.deleted_keys is not None:
        key = table.c.key_id
        conditions.append(or_(key.is_(None), key != all_(found.deleted_keys)))
    if found.many is not None:
        name = sql_cast(table.c.key_id, Text)
        names = (
            [name] if environment is not None else [name, func.concat(name, table.c.environment)]
        )
        cutoff = func.greatest(*(sql_cast(found.many.op("->>")(one), _TIME) for one in names))
        conditions.append(
            time_column >= func.coalesce(cutoff, sql_cast(literal(BEGINNING, Text), _TIME))
        )
    return conditions


def _outside(
    mark: Mark, table: FromClause, environment: str | None
) -> Iterable[ColumnElement[bool]]:
    if mark.key_id is not None:
        yield table.c.key_id.is_distinct_from(mark.key_id)
    if mark.environment is not None and environment is None:
        yield table.c.environment.is_distinct_from(mark.environment)
