"""Reads pages of lists."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db.driver import Executor
from app.domains.history.cursors import Place
from app.domains.history.data_set import DataSet
from app.domains.history.lists import DataList, Row
from app.domains.history.page_statements import Shape, compiled, values_of
from app.domains.trading.marks import cutoffs


@dataclass(frozen=True, slots=True)
class ListFilter:
    """The filters of a list. `since` (inclusive) and `until` (exclusive) bound its time. `exactly`
    holds exact values of columns: symbol, kind, level. `state` is one of the list's states.
    `symbols`, if there are any, take the place of the exact symbol: data of any of them.
    """

    key_id: UUID | None = None
    bot_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    exactly: tuple[tuple[str, str], ...] = ()
    state: str | None = None
    symbols: tuple[str, ...] = ()

    def narrowing(self) -> dict[str, Any]:
        """Return the filters that apply, by name."""
        bounds = {
            "key_id": self.key_id,
            "bot_id": self.bot_id,
            "since": self.since,
            "until": self.until,
            **dict(self.exactly),
            **({"symbol": self.symbols[0]} if self.symbols else {}),
        }
        return {name: value for name, value in bounds.items() if value is not None}


class ListRepository:
    """The lists of one account. Each page is read over a connection that is released at once."""

    def __init__(self, *, executor: Executor, account_id: UUID) -> None:
        self._executor = executor
        self._account_id = account_id

    async def page(
        self,
        data_list: DataList,
        data: DataSet,
        wanted: ListFilter,
        after: Place | None,
        limit: int,
    ) -> list[Row]:
        """Return up to `limit` rows that come after that position, newest first.

        Each row is its position, followed by the list's fields.
        """
        shape, values = page_of(data_list, self._account_id, data, wanted, after, limit)
        return [tuple(row) for row in await self._executor.fetch(compiled(shape), **values)]


def page_of(
    data_list: DataList,
    account_id: UUID,
    data: DataSet,
    wanted: ListFilter,
    after: Place | None,
    limit: int,
) -> tuple[Shape, dict[str, Any]]:
    """Return the shape of the page's statement, and the values of its parameters."""
    narrowing = wanted.narrowing()
    values = {"account": account_id, "environment": data.environment, "most": limit, **narrowing}
    if after is not None:
        place = zip(data_list.order, after, strict=False)
        values.update((f"after_{name}", value) for name, value in place)
    for number, symbol in enumerate(wanted.symbols[1:], 1):
        values[f"symbol_{number}"] = symbol
    marks = data.marks_for(wanted.key_id)
    parts = [cutoffs(marks, data.environment)]
    if data_list.of_both:
        parts.append(cutoffs([mark for mark in marks if mark.environment is None], None))
    for number, part in enumerate(parts):
        values.update(values_of(part, number))
    shape = Shape(
        data_list=data_list,
        filters=tuple(narrowing),
        state=wanted.state,
        placed=after is not None,
        more_symbols=max(len(wanted.symbols) - 1, 0),
        parts=tuple(
            (p.blanket is not None, len(p.apart), bool(p.deleted_keys), p.many is not None)
            for p in parts
        ),
    )
    return shape, values
