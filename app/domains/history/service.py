"""Lists of trading data, page by page or whole."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.db.driver import Executor
from app.domains.history.cursors import Place
from app.domains.history.data_set import DataSet, read_data_set
from app.domains.history.lists import Reading, Row
from app.domains.history.page_statements import PLACE
from app.domains.history.repository import ReadingRepository, Wanted

AT_ONCE = 500
"""Rows of a whole list that are read at once, and all that is held of it in memory."""


@dataclass(frozen=True, slots=True)
class Page:
    items: list[dict[str, Any]]
    next_after: Place | None


class ReadingService:
    def __init__(self, rows: ReadingRepository, executor: Executor, account_id: UUID) -> None:
        self._rows = rows
        self._executor = executor
        self._account_id = account_id

    async def data_set(self, environment: str | None) -> DataSet:
        """By default of the environment that the account has selected."""
        return await read_data_set(self._executor, self._account_id, environment)

    async def page(
        self, reading: Reading, data: DataSet, wanted: Wanted, after: Place | None, limit: int
    ) -> Page:
        rows = await self._rows.page(reading, data, wanted, after, limit + 1)
        more = len(rows) > limit
        return Page(_documents(reading, rows[:limit]), _place(rows[limit - 1]) if more else None)

    async def pages(
        self, reading: Reading, data: DataSet, wanted: Wanted, after: Place | None
    ) -> AsyncGenerator[list[dict[str, Any]], None]:
        """The whole list; at least one page. Nothing is held open between two of them, and what is
        deleted meanwhile is in none that follows.
        """
        while True:
            rows = await self._rows.page(reading, data, wanted, after, AT_ONCE)
            yield _documents(reading, rows)
            if len(rows) < AT_ONCE:
                return
            after = _place(rows[-1])
            data = await self.data_set(data.environment)


def _documents(reading: Reading, rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [reading.document(row[PLACE:]) for row in rows]


def _place(row: Row) -> Place:
    at, bot_id, name = row[:PLACE]
    return at, bot_id, name
