"""The SQL of lists of trading data. Every statement names the account.

A page costs the same at any depth: an index answers each filter in the order of the list, and the
place after which the page begins is where its scan begins.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Subquery,
    and_,
    literal,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.db.base import AnyRow, AnySelect
from app.db.models import Bot, KeyLabel
from app.trading.cursor import Place
from app.trading.data_set import DataSet
from app.trading.marks import not_covered
from app.trading.readings import NAMED, Reading

PLACE = 3
"""How many columns stand before those of the document: the row's place."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is narrowed to. `since` and `until` bound its time, the latter exclusively;
    `exactly` are words that columns have: symbol, kind, level.
    """

    key_id: UUID | None = None
    bot_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    exactly: tuple[tuple[str, str], ...] = ()


class ReadingRepository:
    """Each page is read over a connection that is given back at once."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession], account_id: UUID) -> None:
        self._sessions = sessions
        self._account_id = account_id

    async def page(
        self, reading: Reading, data: DataSet, wanted: Wanted, after: Place | None, limit: int
    ) -> Sequence[AnyRow]:
        """Newest first; up to `limit` rows that come after that place. Each row is its place,
        followed by the reading's fields.
        """
        statement = page_of(reading, self._account_id, data, wanted, after, limit)
        async with self._sessions() as session:
            return (await session.execute(statement)).all()


def page_of(
    reading: Reading,
    account_id: UUID,
    data: DataSet,
    wanted: Wanted,
    after: Place | None,
    limit: int,
) -> AnySelect:
    """The statement of one page."""
    environments = [data.environment, None] if reading.of_both else [data.environment]
    parts = [
        _rows(reading, account_id, environment, data, wanted, after).limit(limit)
        for environment in environments
    ]
    page = parts[0].subquery("page") if len(parts) == 1 else union_all(*parts).subquery("page")
    bots, labels = Bot.__table__, KeyLabel.__table__
    named = dict(zip(NAMED, (bots.c.name, labels.c.label), strict=True))
    fields = (named[name] if name in named else page.c[name] for name in reading.fields)
    place: list[ColumnElement[Any]] = [*(page.c[name] for name in reading.order), literal("")]
    return (
        select(*(column.label(None) for column in (*place[:PLACE], *fields)))
        .select_from(_with_names(page, account_id))
        .order_by(*(page.c[name].desc() for name in _order(reading, wanted)))
        .limit(limit)
    )


def _with_names(page: Subquery, account_id: UUID) -> Any:
    bots, labels = Bot.__table__, KeyLabel.__table__
    return page.outerjoin(
        bots, and_(bots.c.account_id == account_id, bots.c.id == page.c.bot_id)
    ).outerjoin(labels, and_(labels.c.account_id == account_id, labels.c.key_id == page.c.key_id))


def _rows(
    reading: Reading,
    account_id: UUID,
    environment: str | None,
    data: DataSet,
    wanted: Wanted,
    after: Place | None,
) -> AnySelect:
    table = reading.table.c
    names = _order(reading, wanted)
    order = [reading.columns[name] for name in names]
    # PostgreSQL does not see that rows without an environment are in the order of the rest alone.
    first = [table.environment] if environment is None else []
    return (
        select(*(column.label(name) for name, column in reading.columns.items()))
        .where(
            table.account_id == account_id,
            table.environment == environment,
            *_filters(reading, wanted),
            *_undeleted(reading, environment, data, wanted),
            *_after(reading, names, order, after),
        )
        .order_by(*first, *(column.desc() for column in order))
    )


def _order(reading: Reading, wanted: Wanted) -> list[str]:
    """The index of one bot's rows does not repeat the bot in its order."""
    return [name for name in reading.order if name != "bot_id" or wanted.bot_id is None]


def _filters(reading: Reading, wanted: Wanted) -> Iterable[ColumnElement[bool]]:
    table, time = reading.table.c, reading.columns[reading.order[0]]
    if wanted.key_id is not None:
        yield table.key_id == wanted.key_id
    if wanted.bot_id is not None:
        yield table.bot_id == wanted.bot_id
    for name, value in wanted.exactly:
        yield table[name] == value
    if wanted.since is not None:
        yield time >= wanted.since
    if wanted.until is not None:
        yield time < wanted.until


def _undeleted(
    reading: Reading, environment: str | None, data: DataSet, wanted: Wanted
) -> list[ColumnElement[bool]]:
    marks = data.marks_for(wanted.key_id)
    if environment is None:
        marks = [mark for mark in marks if mark.environment is None]
    left = not_covered(marks, reading.table, reading.happened, environment)
    if left and reading.kept is not None:
        return [or_(reading.kept, and_(*left))]
    return left


def _after(
    reading: Reading,
    names: Sequence[str],
    order: Sequence[ColumnElement[Any]],
    after: Place | None,
) -> Iterable[ColumnElement[bool]]:
    if after is not None:
        place = dict(zip(reading.order, after, strict=False))
        values = [literal(place[n], column.type) for n, column in zip(names, order, strict=True)]
        yield tuple_(*order) < tuple_(*values)
