"""Lists of trading data, page by page or whole."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from app.api.pagination import Page
from app.db.driver import Executor
from app.domains.history.cursors import Place
from app.domains.history.data_set import DataSet, read_data_set
from app.domains.history.lists import DataList, Row
from app.domains.history.page_statements import PLACE
from app.domains.history.repository import ListFilter, ListRepository
from app.domains.trading.directory import stored_symbols

AT_ONCE = 500
"""Rows of a whole list that are read at once: no more of it is held in memory."""


class ListService:
    def __init__(self, *, rows: ListRepository, executor: Executor, account_id: UUID) -> None:
        self._rows = rows
        self._executor = executor
        self._account_id = account_id

    async def data_set(self, environment: str | None) -> DataSet:
        """Return the data set, by default of the environment that the account selected."""
        return await read_data_set(self._executor, self._account_id, environment)

    async def understood(self, data: DataSet, wanted: ListFilter) -> ListFilter:
        """Return the filter with all symbols that its symbol means. Raises `AmbiguousSymbol`."""
        named = dict(wanted.exactly)
        name = named.pop("symbol", None)
        if name is None:
            return wanted
        symbols = await stored_symbols(
            self._executor, self._account_id, data.environment, wanted.key_id, name
        )
        return replace(wanted, exactly=tuple(named.items()), symbols=symbols)

    async def page(
        self,
        data_list: DataList,
        data: DataSet,
        wanted: ListFilter,
        after: Place | None,
        limit: int,
    ) -> Page[dict[str, Any], Place]:
        rows = await self._rows.page(data_list, data, wanted, after, limit + 1)
        page = Page.cut(rows, limit, _place)
        return Page(_documents(data_list, page.items), page.next_after)

    async def pages(
        self, data_list: DataList, data: DataSet, wanted: ListFilter, after: Place | None
    ) -> AsyncGenerator[list[dict[str, Any]], None]:
        """Yield the whole list; at least one page.

        Nothing is held open between pages, and data deleted meanwhile are missing from later pages.
        """
        while True:
            rows = await self._rows.page(data_list, data, wanted, after, AT_ONCE)
            yield _documents(data_list, rows)
            if len(rows) < AT_ONCE:
                return
            after = _place(rows[-1])
            data = await self.data_set(data.environment)


def _documents(data_list: DataList, rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [data_list.document(row[PLACE:]) for row in rows]


def _place(row: Row) -> Place:
    at, bot_id, name = row[:PLACE]
    return at, bot_id, name
